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
#include "carat/tensor/view.hpp"

#include <algorithm>
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
            const std::size_t size = want.count * size_of(want.dtype);  // plausible: see locate()
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
            if (wants_[i].leader == i) total += wants_[i].count * size_of(wants_[i].dtype);
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
        want.copied = want.residence == Residence::resident || !same || !aligned;
    }

    static bool same_copy(const Want& a, const Want& b) {
        return a.found.tensor == b.found.tensor && a.dtype == b.dtype;
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
        constexpr std::size_t piece = std::size_t{1} << 21;  // elements: 4 to 8 MB of a file
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

    const CheckpointFiles* files_;
    std::string prefix_;
    BindOptions options_;
    std::vector<Want> wants_;
};

}  // namespace carat
