/// \file
/// Binder: the tensors that a model wants, found in a checkpoint, checked all together, and only
/// then brought into memory.
///
///     Binder bind(files, prefix);
///     bind("layers.0.mlp.up_proj.weight", weights.up_proj);  // View<const bf16, 12288, 1536>
///     bind("embed_tokens_per_layer.weight", table, Residence::mapped);
///     Result<Arena> memory = bind.finish();                  // now the views point somewhere
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/convert_elements.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/progress.hpp"
#include "carat/result.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat {

/// The shape in which a file holds a tensor whose view has another one of as many elements.
template <std::size_t... Extents>
struct FileShape {
    static constexpr std::array<std::size_t, sizeof...(Extents)> extents{Extents...};
};

/// Where the bytes of a bound tensor are.
enum class Residence : std::uint8_t {
    resident,  ///< copied into the Arena, for what every token reads
    mapped,    ///< in the file itself, if it has the wanted type and alignment; else as resident
};

struct BindOptions {
    bool convert = true;  ///< false: a tensor of another type than wanted is a fault
};

/// Binding costs the compiler a few instructions a tensor; all the work is in ordinary functions
/// over descriptions.
class Binder {
  public:
    using Name = std::string;
    static Name layer_prefix(std::size_t layer) { return "layers." + std::to_string(layer) + "."; }

    /// Tensors are looked up under `prefix` followed by their name. `files` must outlive the
    /// binder, and the views of whatever stayed mapped.
    explicit Binder(const CheckpointFiles& files, std::string prefix = {}, BindOptions options = {})
        : files_(&files), prefix_(std::move(prefix)), options_(std::move(options)) {}

    /// Asks for a tensor of exactly this shape (a View<const T, 1> also takes shape []). `slot`
    /// must stay where it is until finish(), which sets it.
    template <class T, std::size_t... Extents>
    void operator()(std::string_view name, View<const T, Extents...>& slot,
                    Residence residence = Residence::resident) {
        want(name, slot, residence, false);
    }
    /// The same, but if there is no tensor of that name the view points nowhere.
    template <class T, std::size_t... Extents>
    void optional(std::string_view name, View<const T, Extents...>& slot,
                  Residence residence = Residence::resident) {
        want(name, slot, residence, true);
    }
    /// A quantised matrix: rows of floats of the file, quantised and packed while they are read.
    template <class Format, std::size_t out, std::size_t in>
    void operator()(std::string_view name, PanelView<Format, out, in>& slot,
                    Residence = Residence::resident) {
        static constexpr std::array<std::size_t, 2> shape{out, in};
        want_panels<Format, out, in>(name, slot, shape);
    }
    /// The same for a stack, which the file may hold in another shape of as many rows.
    template <class Format, std::size_t n, std::size_t out, std::size_t in, std::size_t... Extents>
    void operator()(std::string_view name, PanelStack<Format, n, out, in>& slot,
                    FileShape<Extents...>) {
        want_panels<Format, out, in>(name, slot, FileShape<Extents...>::extents);
    }
    template <class T, std::size_t... E, std::size_t... Extents>
    void operator()(std::string_view name, View<const T, E...>& slot, FileShape<Extents...>) {
        want(name, slot, Residence::resident, false);
        wants_.back().shape = FileShape<Extents...>::extents;
    }
    /// For the names that follow.
    void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

    /// Looks everything up and returns the bytes that finish() will allocate. Touches no data.
    /// Bad input: tensors that are missing, of another shape, or of a type that does not become the
    /// wanted one, all in one Error (Errc::mismatch).
    Result<std::size_t> plan() {
        Faults faults(files_->name());
        for (Want& want : wants_) locate(want, faults);
        if (!faults.none()) return faults.error();
        // A tensor wanted twice in one form is copied once: the first to want it leads.
        std::vector<std::size_t> order = copied_in_file_order();
        std::size_t leader = 0;
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (i == 0 || !same_copy(wants_[leader], wants_[order[i]])) leader = order[i];
            wants_[order[i]].leader = leader;
        }
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < wants_.size(); ++i) {
            Want& want = wants_[i];
            if (!want.copied || want.leader != i) continue;
            want.offset = bytes;
            const std::size_t size = want.bytes();  // plausible: see locate()
            if (size > static_cast<std::size_t>(-1) / 2 - bytes)
                return Error{Errc::out_of_memory, files_->name() + ": larger than memory"};
            bytes += aligned_size(size);
        }
        return bytes;
    }

    /// Plans, allocates once, copies and converts in the order of the files, and sets every slot.
    /// The Arena owns what was copied. After an error no slot has changed.
    /// `progress` is told of the bytes copied. Bad input: as plan(); a system that refuses the
    /// memory (Errc::out_of_memory); a progress that says stop (Errc::cancelled).
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
                             files_->name() + ": " + std::to_string(*bytes) +
                                 " bytes of memory for the weights were refused"};
        }
        std::size_t done = 0, total = 0;
        const std::vector<std::size_t> order = copied_in_file_order();
        for (const std::size_t i : order)
            if (wants_[i].leader == i) total += wants_[i].bytes();
        for (const std::size_t i : order)
            if (wants_[i].leader == i && !copy(wants_[i], base, done, total, progress))
                return Error{Errc::cancelled, files_->name() + ": loading was cancelled after " +
                                                  std::to_string(done) + " of " +
                                                  std::to_string(total) + " bytes"};
        for (const Want& want : wants_) {
            const std::byte* data = nullptr;
            if (want.copied)
                data = base + wants_[want.leader].offset;
            else if (want.found)
                data = want.found.tensor->data;
            want.set(want.slot, data);
        }
        return arena;
    }

  private:
    struct Want {
        std::string name;
        std::span<const std::size_t> shape;
        DType dtype;
        Residence residence;
        bool optional;
        void* slot;
        void (*set)(void* slot, const std::byte* data);
        /// For packed formats: the bytes of all, the values of a row, and how a row of floats goes
        /// to its place.
        std::size_t packed_bytes = 0, row_values = 0;
        void (*pack)(std::byte* base, std::size_t row, const float* values) = nullptr;

        [[nodiscard]] std::size_t bytes() const {
            return pack != nullptr ? packed_bytes : count * size_of(dtype);
        }
        // What plan() finds:
        CheckpointFiles::Located found{};
        std::size_t count = 0, offset = 0, leader = 0;
        bool copied = false;
    };

    template <class T, std::size_t... Extents>
    void want(std::string_view name, View<const T, Extents...>& slot, Residence residence,
              bool optional) {
        using Slot = View<const T, Extents...>;
        static_assert(is_float_element(dtype_of<T>),
                      "carat: a bound tensor's elements are float, bf16 or f16; pack other weight "
                      "formats from one of these");
        static_assert(Slot::dynamic_extents == 0,
                      "carat: a bound tensor's shape must be static, for it is checked against the "
                      "file's");
        wants_.push_back({prefix_ + std::string(name), Slot::static_extents, dtype_of<T>, residence,
                          optional, &slot, [](void* to, const std::byte* data) {
                              *static_cast<Slot*>(to) = Slot(reinterpret_cast<const T*>(data));
                          }});
    }

    template <class Format, std::size_t out, std::size_t in, class Slot>
    void want_panels(std::string_view name, Slot& slot, std::span<const std::size_t> shape) {
        using Item = PanelView<Format, out, in>;
        using Element = typename Item::Element;
        std::size_t rows = 1;
        for (const std::size_t n : shape.first(shape.size() - 1)) rows *= n;
        wants_.push_back(
            {prefix_ + std::string(name), shape, DType::f32, Residence::resident, false, &slot,
             [](void* to, const std::byte* data) {
                 *static_cast<Slot*>(to) = Slot(reinterpret_cast<const Element*>(data));
             },
             rows / out * Item::panels * sizeof(Element), in,
             [](std::byte* base, std::size_t row, const float* values) {
                 auto* panels = reinterpret_cast<Element*>(base) + row / out * Item::panels;
                 Element& panel = panels[row % out / panel_rows];
                 for (std::size_t b = 0; b < in / quant_block; ++b)
                     panel.set(row % out % panel_rows, b,
                               QuantBlock<Format>::quantize(values + b * quant_block));
             }});
    }

    void locate(Want& want, Faults& faults) const {
        want.copied = false;
        want.found = files_->find(want.name);
        if (!want.found) {
            if (!want.optional) faults.add(Errc::mismatch, "tensor " + want.name + " is missing");
            return;
        }
        const StoredTensor& tensor = *want.found.tensor;
        const bool scalar = tensor.shape.empty() && want.shape.size() == 1 && want.shape[0] == 1;
        if (!scalar && !std::equal(tensor.shape.begin(), tensor.shape.end(), want.shape.begin(),
                                   want.shape.end())) {
            faults.add_in(want.found.file->name, Errc::mismatch,
                          "tensor " + want.name + " is " + shape_text(tensor.shape) +
                              ", expected " + shape_text(want.shape));
            return;
        }
        const bool same = tensor.dtype == want.dtype;
        if (!same && !(options_.convert && is_float_element(tensor.dtype))) {
            faults.add_in(want.found.file->name, Errc::mismatch,
                          "tensor " + want.name + " is " + printable(tensor.dtype_name, 16) +
                              ", expected " + std::string(name_of(want.dtype)) +
                              (options_.convert ? " or another of F32, BF16, F16" : ""));
            return;
        }
        want.count = tensor.count();  // its bytes are in the file, so that twice as many are fine
        const auto address = reinterpret_cast<std::uintptr_t>(tensor.data);
        const bool aligned = address % size_of(want.dtype) == 0;
        want.copied =
            want.residence == Residence::resident || !same || !aligned || want.pack != nullptr;
    }

    static bool same_copy(const Want& a, const Want& b) {
        return a.found.tensor == b.found.tensor && a.dtype == b.dtype && a.pack == b.pack;
    }
    /// Places in wants_ of what is copied, so that equal copies and neighbours in a file meet.
    [[nodiscard]] std::vector<std::size_t> copied_in_file_order() const {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < wants_.size(); ++i)
            if (wants_[i].copied) order.push_back(i);
        std::sort(order.begin(), order.end(), [this](std::size_t i, std::size_t j) {
            const Want &a = wants_[i], &b = wants_[j];
            const std::less<const void*> before;
            if (a.found.file != b.found.file) return before(a.found.file, b.found.file);
            if (a.found.tensor->data != b.found.tensor->data)
                return before(a.found.tensor->data, b.found.tensor->data);
            if (a.found.tensor != b.found.tensor) return before(a.found.tensor, b.found.tensor);
            return a.dtype != b.dtype ? a.dtype < b.dtype : i < j;
        });
        return order;
    }

    /// Copies piece by piece and lets go of the source behind itself, so that memory peaks at the
    /// plan. False if the caller said stop.
    bool copy(const Want& want, std::byte* base, std::size_t& done, std::size_t total,
              Progress progress) const {
        if (want.pack != nullptr) return pack(want, base, done, total, progress);
        constexpr std::size_t piece = std::size_t{1} << 17;  // elements: 256 or 512 KB of a file
        const StoredTensor& tensor = *want.found.tensor;
        const std::size_t from_size = size_of(tensor.dtype), to_size = size_of(want.dtype);
        for (std::size_t at = 0; at < want.count; at += piece) {
            const std::size_t n = std::min(piece, want.count - at);
            convert_elements(base + want.offset + at * to_size, want.dtype,
                             tensor.data + at * from_size, tensor.dtype, n);
            want.found.file->map.dont_need(tensor.span().subspan(at * from_size, n * from_size));
            done += n * to_size;
            if (!progress(done, total)) return false;
        }
        return true;
    }

    /// The same for a packed format, row by row.
    static bool pack(const Want& want, std::byte* base, std::size_t& done, std::size_t total,
                     Progress progress) {
        const StoredTensor& tensor = *want.found.tensor;
        const std::size_t rows = want.count / want.row_values,
                          size = size_of(tensor.dtype) * want.row_values;
        std::vector<float> values(want.row_values);
        const std::size_t before = done;
        for (std::size_t row = 0; row < rows; ++row) {
            convert_elements(reinterpret_cast<std::byte*>(values.data()), DType::f32,
                             tensor.data + row * size, tensor.dtype, want.row_values);
            want.pack(base + want.offset, row, values.data());
            if (row % 1024 != 1023 && row + 1 != rows) continue;
            const std::size_t from = row / 1024 * 1024;
            want.found.file->map.dont_need(
                tensor.span().subspan(from * size, (row + 1 - from) * size));
            done = before + static_cast<std::size_t>(static_cast<double>(want.packed_bytes) *
                                                     static_cast<double>(row + 1) /
                                                     static_cast<double>(rows));
            if (!progress(done, total)) return false;
        }
        return true;
    }

    const CheckpointFiles* files_;
    std::string prefix_;
    BindOptions options_;
    std::vector<Want> wants_;
};

}  // namespace carat
