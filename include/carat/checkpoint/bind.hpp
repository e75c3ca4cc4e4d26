/// \file
/// Binder: the tensors that a model wants, found in a checkpoint, checked all together, and only
/// then brought into memory.
///
///     Binder bind(files, prefix);
///     bind("layers.0.mlp.up_proj.weight", weights.up_proj);  // View<const bf16, 12288, 1536>
///     bind("embed_tokens_per_layer.weight", table, Residence::mapped);
///     Result<Arena> memory = bind.finish();                  // now the views point somewhere
#pragma once

#include "carat/checkpoint/bind_options.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/find_wanted.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/read_wanted.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/checkpoint/wanted_tensor.hpp"
#include "carat/joined.hpp"
#include "carat/name_order.hpp"
#include "carat/printable.hpp"
#include "carat/progress.hpp"
#include "carat/result.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/stored_blocks.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

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
    Result<std::size_t> plan() {
        Faults faults(files_->name());
        for (Want& want : wants_) detail::find_wanted(*files_, options_, want, faults);
        if (!faults.none()) return faults.error();
        // A tensor wanted twice in one form is copied once: the first to want it leads.
        std::vector<std::size_t> order = copied_in_file_order();
        std::size_t leader = 0;
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (i == 0 || !detail::same_copy(wants_[leader], wants_[order[i]])) leader = order[i];
            wants_[order[i]].leader = leader;
        }
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < wants_.size(); ++i) {
            Want& want = wants_[i];
            if (!want.copied || want.leader != i) continue;
            want.offset = bytes;
            const std::size_t size = want.bytes();  // plausible: see check_wanted()
            if (size > static_cast<std::size_t>(-1) / 2 - bytes)
                return Error{Errc::out_of_memory, files_->name() + ": larger than memory"};
            bytes += aligned_size(size);
        }
        return bytes;
    }

    /// Plans, allocates once, copies, converts and packs in the order of the files, and sets every
    /// slot. The Arena owns what was copied. After an error no slot has changed.
    /// `progress` is told of the bytes done, on the calling thread. Bad input: as plan(); a system
    /// that refuses the memory (Errc::out_of_memory); a progress that says stop (Errc::cancelled);
    /// a file that has been shortened since (Errc::io); a packed one that is damaged
    /// (Errc::bad_format).
    Result<Arena> finish(Progress progress = {}) {
        const Result<std::size_t> bytes = plan();
        if (!bytes) return bytes.error();
        Arena arena;
        std::byte* base = nullptr;
        if (*bytes > 0) {
            arena = Arena(*bytes);
            base = arena.take<std::byte, dynamic>(*bytes).data();
            if (base == nullptr)
                return Error{Errc::out_of_memory,
                             joined({files_->name(), ": ", *bytes,
                                     " bytes of memory for the weights were refused"})};
        }
        std::vector<detail::ReadJob> jobs;
        for (const std::size_t i : copied_in_file_order())
            if (wants_[i].leader == i) detail::cut_into_jobs(wants_[i], jobs);
        for (const Want& want : wants_)
            if (options_.verify && !want.copied && detail::comes_packed(want))
                detail::cut_into_jobs(want, jobs);
        detail::ReadWork work{*files_, "loading", progress};
        for (const detail::ReadJob& job : jobs) work.total += job.bytes;
        const auto place = [base](const Want& want) { return base + want.offset; };
        if (auto done = detail::run_jobs(jobs, place, options_.executor, work); !done)
            return std::move(done).error();
        for (const Want& want : wants_) {
            const std::byte* data = nullptr;
            if (want.copied)
                data = base + wants_[want.leader].offset;
            else if (want.found)
                data = want.found.tensor->data;
            want.set(want.slot, data, want.found ? want.found.tensor->dtype : want.dtype);
        }
        return arena;
    }

    /// Writes everything as a packed checkpoint instead, each tensor under the name that it has
    /// here; what the files do not have of what is optional is left out. Takes memory for the
    /// largest tensor that is not in the file as it is wanted. The caller finishes `file`.
    /// Bad input: as finish(), and one name wanted in two forms (Errc::unsupported).
    Result<void> pack(UnfinishedFile& file, const PackedFor& made_for, Progress progress = {}) {
        const Result<std::size_t> planned = plan();
        if (!planned) return planned.error();
        std::vector<const Want*> order;
        for (const Want& want : wants_)
            if (want.found) order.push_back(&want);
        sort_by_name(order, [](const Want* want) { return std::string_view(want->name); });
        std::vector<PackedTensor> tensors;
        std::size_t most = 0;
        detail::ReadWork work{*files_, "packing", progress};
        for (std::size_t i = 0; i < order.size(); ++i) {
            const Want& want = *order[i];
            if (i + 1 < order.size() && order[i + 1]->name == want.name)
                return Error{Errc::unsupported,
                             joined({files_->name(), ": tensor ", printable(want.name),
                                     " is wanted twice, which a packed checkpoint cannot say"})};
            const bool as_is = detail::as_wanted(want);
            tensors.push_back({want.name,
                               as_is ? want.found.tensor->dtype : want.dtype,
                               want.pack != nullptr,
                               {want.shape.begin(), want.shape.end()},
                               as_is ? want.found.tensor->bytes : want.bytes()});
            if (!as_is) most = std::max(most, aligned_size(want.bytes()));
            work.total += tensors.back().bytes;
        }
        const Result<std::string> head = packed_head(made_for, tensors);
        if (!head) return head.error();
        Arena buffer(most);
        std::byte* base = buffer.take<std::byte, dynamic>(most).data();
        if (base == nullptr && most > 0)
            return Error{
                Errc::out_of_memory,
                joined({files_->name(), ": ", most, " bytes of memory for a tensor were refused"})};
        file.write(head->data(), head->size());
        std::vector<std::uint64_t> sums;
        for (std::size_t i = 0; i < order.size() && !file.failed(); ++i) {
            const Want& want = *order[i];
            const bool as_is = detail::as_wanted(want);
            if (!as_is) {
                std::vector<detail::ReadJob> jobs;
                detail::cut_into_jobs(want, jobs);
                std::fill_n(base, aligned_size(want.bytes()), std::byte{});
                const auto place = [base](const Want&) { return base; };
                if (auto done = detail::run_jobs(jobs, place, options_.executor, work); !done)
                    return done;
            }
            const std::span<const std::byte> from =
                as_is ? want.found.tensor->span() : std::span<const std::byte>(base, want.bytes());
            if (auto done = detail::write_pieces(file, want, from, as_is, sums, work); !done)
                return done;
        }
        file.write(sums.data(), sums.size() * sizeof(std::uint64_t));
        return {};
    }

  private:
    using Want = detail::WantedTensor;

    [[gnu::noinline, gnu::cold]] void want(std::string_view name, Want tensor) {
        tensor.name.append(prefix_).append(name);
        wants_.push_back(std::move(tensor));
    }
    /// Places in wants_ of what is copied, so that equal copies and neighbours in a file meet.
    [[nodiscard]] std::vector<std::size_t> copied_in_file_order() const {
        std::vector<std::size_t> order =
            sorted_places(wants_.size(), [this](std::size_t i, std::size_t j) {
                if (wants_[i].copied != wants_[j].copied) return wants_[i].copied;
                if (!wants_[i].copied) return i < j;
                const Want &a = wants_[i], &b = wants_[j];
                const std::less<const void*> before;
                if (a.found.file != b.found.file) return before(a.found.file, b.found.file);
                if (a.found.tensor->data != b.found.tensor->data)
                    return before(a.found.tensor->data, b.found.tensor->data);
                if (a.found.tensor != b.found.tensor) return before(a.found.tensor, b.found.tensor);
                return a.dtype != b.dtype ? a.dtype < b.dtype : i < j;
            });
        while (!order.empty() && !wants_[order.back()].copied) order.pop_back();
        return order;
    }

    const CheckpointFiles* files_;
    std::string prefix_;
    BindOptions options_;
    std::vector<Want> wants_;
};

}  // namespace carat::inline CARAT_ABI
