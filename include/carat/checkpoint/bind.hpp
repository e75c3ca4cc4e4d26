/// \file
/// Binder: the tensors that a model wants, found in a checkpoint, checked all together, and only
/// then brought into memory.
///
///     Binder bind(files, prefix);
///     bind("layers.0.mlp.up_proj.weight", weights.up_proj);  // View<const bf16, 12288, 1536>
///     bind("embed_tokens_per_layer.weight", table, Residence::mapped);
///     Result<Arena> memory = bind.finish();                  // now the views point somewhere
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/bind_options.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/packed_for.hpp"
#include "carat/checkpoint/tensors/wanted_tensor.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/stored_blocks.hpp"
#include "carat/tensor/view.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

class UnfinishedFile;

/// Binding costs the compiler a few instructions a tensor; all the work is in ordinary functions
/// over descriptions.
class Binder {
  public:
    using Name = std::string;
    static Name layer_prefix(std::size_t layer) { return joined({"layers.", layer, "."}); }

    /// Tensors are looked up under `prefix` followed by their name. `files` must outlive the
    /// binder, and the views of whatever stayed mapped.
    explicit Binder(const CheckpointFiles& files, std::string prefix = {}, BindOptions options = {})
        : files_(&files), prefix_(std::move(prefix)), options_(std::move(options)) {}

    /// Asks for a tensor of exactly this shape (a View<const T, 1> also takes shape []). `slot`
    /// must stay where it is until finish(), which sets it.
    template <class T, std::size_t... Extents>
    void operator()(std::string_view name, View<const T, Extents...>& slot,
                    Residence residence = Residence::resident) {
        want(name, detail::wanted_view(slot, residence, false));
    }
    /// The same, but if there is no tensor of that name the view points nowhere.
    template <class T, std::size_t... Extents>
    void optional(std::string_view name, View<const T, Extents...>& slot,
                  Residence residence = Residence::resident) {
        want(name, detail::wanted_view(slot, residence, true));
    }
    /// A table that stays in its file, of whatever type it is there.
    template <std::size_t rows, std::size_t width>
    void operator()(std::string_view name, StoredRows<rows, width>& slot, Residence) {
        want(name, detail::wanted_rows(slot));
    }
    /// A quantised matrix: rows of the file, quantised and packed while they are read; blocks of
    /// the same format are packed as they are.
    template <class Format, std::size_t out, std::size_t in>
    void operator()(std::string_view name, PanelView<Format, out, in>& slot,
                    Residence = Residence::resident) {
        static constexpr std::array<std::size_t, 2> shape{out, in};
        want(name, detail::wanted_panels<Format, out, in>(slot, shape));
    }
    /// The same for a stack, which the file may hold in another shape of as many rows.
    template <class Format, std::size_t n, std::size_t out, std::size_t in, std::size_t... Extents>
    void operator()(std::string_view name, PanelStack<Format, n, out, in>& slot,
                    FileShape<Extents...>) {
        want(name, detail::wanted_panels<Format, out, in>(slot, FileShape<Extents...>::extents));
    }
    template <class T, std::size_t... E, std::size_t... Extents>
    void operator()(std::string_view name, View<const T, E...>& slot, FileShape<Extents...>) {
        want(name, detail::wanted_view(slot, Residence::resident, false));
        wants_.back().shape = FileShape<Extents...>::extents;
    }
    /// A matrix, or a stack, in a format of somebody's own: rows of floats become its blocks while
    /// they are read.
    template <WeightFormat W, std::size_t out, std::size_t blocks>
    void operator()(std::string_view name, View<const W, out, blocks>& slot,
                    Residence = Residence::resident) {
        static constexpr std::array<std::size_t, 2> shape{out, blocks * W::values};
        want(name, detail::wanted_blocks<W, out, blocks>(slot, shape));
    }
    template <WeightFormat W, std::size_t n, std::size_t out, std::size_t blocks,
              std::size_t... Extents>
    void operator()(std::string_view name, View<const W, n, out, blocks>& slot,
                    FileShape<Extents...>) {
        want(name, detail::wanted_blocks<W, n * out, blocks>(slot, FileShape<Extents...>::extents));
    }
    /// A matrix of any format whose rows are in another order than the file's. A packed checkpoint
    /// has none.
    template <class Slot>
    void operator()(std::string_view name, Slot& slot, RowOrder order) {
        (*this)(name, slot);
        wants_.back().order = order.rows.data();
        wants_.back().row_values = wants_.back().shape.back();
    }
    /// For the names that follow.
    void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

    /// Looks everything up and returns the bytes that finish() will allocate. Touches no data.
    /// Bad input: tensors that are missing, of another shape, or of a type that does not become the
    /// wanted one, all in one Error (Errc::mismatch).
    Result<std::size_t> plan();

    /// Plans, allocates once, copies, converts and packs in the order of the files, and sets every
    /// slot. The Arena owns what was copied. After an error no slot has changed.
    /// `progress` is told of the bytes done, on the calling thread. Bad input: as plan(); a system
    /// that refuses the memory (Errc::out_of_memory); a progress that says stop (Errc::cancelled);
    /// a file that has been shortened since (Errc::io); a packed one that is damaged
    /// (Errc::bad_format).
    Result<Arena> finish(Progress progress = {});

    /// Writes everything as a packed checkpoint instead, each tensor under the name that it has
    /// here; what the files do not have of what is optional is left out. Takes memory for the
    /// largest tensor that is not in the file as it is wanted. The caller finishes `file`.
    /// Bad input: as finish(), and one name wanted in two forms (Errc::unsupported).
    Result<void> pack(UnfinishedFile& file, const PackedFor& made_for, Progress progress = {});

  private:
    using Want = detail::WantedTensor;

    void want(std::string_view name, Want tensor);
    /// Places in wants_ of what is copied, so that equal copies and neighbours in a file meet.
    [[nodiscard]] std::vector<std::size_t> copied_in_file_order() const;

    const CheckpointFiles* files_;
    std::string prefix_;
    BindOptions options_;
    std::vector<Want> wants_;
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/checkpoint/bind.inl.hpp"
#endif
