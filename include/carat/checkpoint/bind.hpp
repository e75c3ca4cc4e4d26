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
#include "carat/checkpoint/converted_values.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/progress.hpp"
#include "carat/result.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/stored_blocks.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The shape in which a file holds a tensor whose view has another one of as many elements.
template <std::size_t... Extents>
struct FileShape {
    static constexpr std::array<std::size_t, sizeof...(Extents)> extents{Extents...};
};

/// Where the bytes of a bound tensor are.
enum class Residence : std::uint8_t {
    resident,  ///< copied into the Arena, for what every token reads
    mapped,    ///< in the file itself, if it has the wanted form and alignment; else as resident
};

struct BindOptions {
    bool convert = true;  ///< false: a tensor of another type than wanted is a fault
    /// Threads that copy, convert and pack; nothing: the caller's own.
    std::optional<ExecutorRef> executor = std::nullopt;
    /// Of a packed checkpoint: weights stay in their file, which costs no memory of the program's
    /// own. Reading them there is slower than out of the huge pages that they are copied to
    /// otherwise.
    bool in_place = false;
    /// Of a packed checkpoint: its data is compared with its checksums, all of it, before any is
    /// used. Without, as much as is copied.
    bool verify = true;
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
    /// A table that stays in its file, of whatever type it is there.
    template <std::size_t rows, std::size_t width>
    void operator()(std::string_view name, StoredRows<rows, width>& slot, Residence) {
        static constexpr std::array<std::size_t, 2> shape{rows, width};
        wants_.push_back({prefix_ + std::string(name), shape, DType::unknown, Residence::mapped,
                          false, &slot, [](void* to, const std::byte* data, DType type) {
                              *static_cast<StoredRows<rows, width>*>(to) = {data, type};
                          }});
    }
    /// A quantised matrix: rows of the file, quantised and packed while they are read; blocks of
    /// the same format are packed as they are.
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
    /// A matrix, or a stack, in a format of somebody's own: rows of floats become its blocks while
    /// they are read.
    template <WeightFormat W, std::size_t out, std::size_t blocks>
    void operator()(std::string_view name, View<const W, out, blocks>& slot,
                    Residence = Residence::resident) {
        static constexpr std::array<std::size_t, 2> shape{out, blocks * W::values};
        want_blocks<W, out, blocks>(name, slot, shape);
    }
    template <WeightFormat W, std::size_t n, std::size_t out, std::size_t blocks,
              std::size_t... Extents>
    void operator()(std::string_view name, View<const W, n, out, blocks>& slot,
                    FileShape<Extents...>) {
        want_blocks<W, n * out, blocks>(name, slot, FileShape<Extents...>::extents);
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
                             files_->name() + ": " + std::to_string(*bytes) +
                                 " bytes of memory for the weights were refused"};
        }
        std::vector<Job> jobs;
        for (const std::size_t i : copied_in_file_order())
            if (wants_[i].leader == i) cut(wants_[i], jobs);
        for (const Want& want : wants_)
            if (options_.verify && !want.copied && is_packed(want)) cut(want, jobs);
        Work work{*files_, "loading", progress};
        for (const Job& job : jobs) work.total += job.bytes;
        const auto place = [base](const Want& want) { return base + want.offset; };
        if (auto done = run_all(jobs, place, work); !done) return std::move(done).error();
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
        std::stable_sort(order.begin(), order.end(),
                         [](const Want* a, const Want* b) { return a->name < b->name; });
        std::vector<PackedTensor> tensors;
        std::size_t most = 0;
        Work work{*files_, "packing", progress};
        for (std::size_t i = 0; i < order.size(); ++i) {
            const Want& want = *order[i];
            if (i + 1 < order.size() && order[i + 1]->name == want.name)
                return Error{Errc::unsupported,
                             files_->name() + ": tensor " + printable(want.name) +
                                 " is wanted twice, which a packed checkpoint cannot say"};
            const bool as_is = as_wanted(want);
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
            return Error{Errc::out_of_memory, files_->name() + ": " + std::to_string(most) +
                                                  " bytes of memory for a tensor were refused"};
        file.write(head->data(), head->size());
        std::vector<std::uint64_t> sums;
        for (std::size_t i = 0; i < order.size() && !file.failed(); ++i) {
            const Want& want = *order[i];
            const bool as_is = as_wanted(want);
            if (!as_is) {
                std::vector<Job> jobs;
                cut(want, jobs);
                std::fill_n(base, aligned_size(want.bytes()), std::byte{});
                const auto place = [base](const Want&) { return base; };
                if (auto done = run_all(jobs, place, work); !done) return done;
            }
            const std::span<const std::byte> from =
                as_is ? want.found.tensor->span() : std::span<const std::byte>(base, want.bytes());
            if (auto done = write_pieces(file, want, from, as_is, sums, work); !done) return done;
        }
        file.write(sums.data(), sums.size() * sizeof(std::uint64_t));
        return {};
    }

  private:
    struct Want {
        std::string name;
        std::span<const std::size_t> shape;
        DType dtype;  ///< of a packed format that of its blocks; unknown: whatever the file has
        Residence residence;
        bool optional;
        void* slot;
        void (*set)(void* slot, const std::byte* data, DType stored);
        /// For packed formats: the bytes of all, the values of a row, and how a row of floats, or
        /// of blocks of the same format, goes to its place.
        std::size_t packed_bytes = 0, row_values = 0;
        void (*pack)(std::byte* base, std::size_t row, const float* values) = nullptr;
        void (*pack_blocks)(std::byte* base, std::size_t row, const std::byte* blocks) = nullptr;

        [[nodiscard]] std::size_t bytes() const {
            return pack != nullptr ? packed_bytes : stored_bytes(dtype, count);
        }
        // What plan() finds:
        CheckpointFiles::Located found{};
        CheckpointFiles::Located up{};  ///< where a file splits gate_up_proj: found is the gate
        std::size_t count = 0, offset = 0, leader = 0;
        bool copied = false;
    };

    /// A part of the copying: values [begin, end) of a tensor, or rows where it becomes panels or
    /// is split, or bytes where it is packed.
    struct Job {
        const Want* want;
        std::size_t begin, end, bytes;
    };
    /// How far the copying is.
    struct Work {
        const CheckpointFiles& files;
        const char* what;
        Progress progress;
        std::size_t done = 0, total = 0;

        Result<void> add(std::size_t bytes) {
            done += bytes;
            if (progress(done, total)) return {};
            return Error{Errc::cancelled, files.name() + ": " + what + " was cancelled after " +
                                              std::to_string(done) + " of " +
                                              std::to_string(total) + " bytes"};
        }
    };

    template <class T, std::size_t... Extents>
    void want(std::string_view name, View<const T, Extents...>& slot, Residence residence,
              bool optional) {
        using Slot = View<const T, Extents...>;
        static_assert(is_float_stored(dtype_of<T>) && size_of(dtype_of<T>) > 0,
                      "carat: a bound tensor's elements are float, bf16 or f16; pack other weight "
                      "formats from one of these");
        static_assert(Slot::dynamic_extents == 0,
                      "carat: a bound tensor's shape must be static, for it is checked against the "
                      "file's");
        wants_.push_back({prefix_ + std::string(name), Slot::static_extents, dtype_of<T>, residence,
                          optional, &slot, [](void* to, const std::byte* data, DType) {
                              *static_cast<Slot*>(to) = Slot(reinterpret_cast<const T*>(data));
                          }});
    }

    template <class Format, std::size_t out, std::size_t in, class Slot>
    void want_panels(std::string_view name, Slot& slot, std::span<const std::size_t> shape) {
        using Item = PanelView<Format, out, in>;
        using Element = typename Item::Element;
        using Block = QuantBlock<Format>;
        std::size_t rows = 1;
        for (const std::size_t n : shape.first(shape.size() - 1)) rows *= n;
        // Block b of a row to its place; blocks(b) is where it comes from.
        static constexpr auto set_row = [](std::byte* base, std::size_t row, auto&& block) {
            auto* panels = reinterpret_cast<Element*>(base) + row / out * Item::panels;
            Element& panel = panels[row % out / panel_rows];
            for (std::size_t b = 0; b < in / quant_block; ++b)
                panel.set(row % out % panel_rows, b, block(b));
        };
        wants_.push_back(
            {prefix_ + std::string(name), shape, dtype_of<Block>, Residence::resident, false, &slot,
             [](void* to, const std::byte* data, DType) {
                 *static_cast<Slot*>(to) = Slot(reinterpret_cast<const Element*>(data));
             },
             rows / out * Item::panels * sizeof(Element), in,
             [](std::byte* base, std::size_t row, const float* values) {
                 set_row(base, row,
                         [&](std::size_t b) { return Block::quantize(values + b * quant_block); });
             },
             [](std::byte* base, std::size_t row, const std::byte* blocks) {
                 set_row(base, row, [&](std::size_t b) {
                     Block block;
                     std::memcpy(&block, blocks + b * sizeof(Block), sizeof(Block));
                     return block;
                 });
             }});
    }

    template <class W, std::size_t rows, std::size_t blocks, class Slot>
    void want_blocks(std::string_view name, Slot& slot, std::span<const std::size_t> shape) {
        wants_.push_back(
            {prefix_ + std::string(name), shape, DType::f32, Residence::resident, false, &slot,
             [](void* to, const std::byte* data, DType) {
                 *static_cast<Slot*>(to) = Slot(reinterpret_cast<const W*>(data));
             },
             rows * blocks * sizeof(W), blocks * W::values,
             [](std::byte* base, std::size_t row, const float* values) {
                 W* to = reinterpret_cast<W*>(base) + row * blocks;
                 for (std::size_t b = 0; b < blocks; ++b)
                     to[b] = W::quantize(values + b * W::values);
             },
             [](std::byte* base, std::size_t row, const std::byte* floats) {
                 W* to = reinterpret_cast<W*>(base) + row * blocks;
                 std::array<float, W::values> values;  // a file aligns nothing
                 for (std::size_t b = 0; b < blocks; ++b) {
                     std::memcpy(values.data(), floats + b * sizeof(values), sizeof(values));
                     to[b] = W::quantize(values.data());
                 }
             }});
    }

    void locate(Want& want, Faults& faults) const {
        want.copied = false;
        want.up = {};
        want.found = files_->find(want.name);
        if (!want.found) {  // experts that a file splits into two tensors?
            want.found = files_->find(want.name + ".gate");
            want.up = files_->find(want.name + ".up");
            if (!want.found || !want.up || want.shape.size() != 3) want.found = want.up = {};
        }
        if (!want.found) {
            if (!want.optional) faults.add(Errc::mismatch, "tensor " + want.name + " is missing");
            return;
        }
        if (!want.up) return check(want, want.found, want.shape, faults);
        const std::size_t half[] = {want.shape[0], want.shape[1] / 2, want.shape[2]};
        check(want, want.found, half, faults);
        const std::size_t count = want.count;
        check(want, want.up, half, faults);
        want.count += count;
        want.copied = true;
        if (want.row_values == 0) want.row_values = want.shape[2];
    }

    void check(Want& want, const CheckpointFiles::Located& found,
               std::span<const std::size_t> shape, Faults& faults) const {
        const StoredTensor& tensor = *found.tensor;
        const std::string who = "tensor " + printable(tensor.spelling());
        if (!same_shape(tensor, shape)) {
            faults.add_in(
                found.file->name, Errc::mismatch,
                who + " is " + shape_text(tensor.shape) + ", expected " + shape_text(shape));
            return;
        }
        const bool any = want.dtype == DType::unknown, same = tensor.dtype == want.dtype;
        if (tensor.panels ? !same || want.pack == nullptr || tensor.bytes != want.packed_bytes
                          : tensor.sums != nullptr && !any && (!same || want.pack != nullptr)) {
            faults.add_in(found.file->name, Errc::mismatch,
                          who + " is packed as " + std::string(name_of(tensor.dtype)) +
                              (tensor.panels ? " in panels" : "") + " of " +
                              std::to_string(tensor.bytes) + " bytes, expected " +
                              (any ? std::string("rows") : std::string(name_of(want.dtype))) +
                              (want.pack != nullptr ? " in panels" : ""));
            return;
        }
        if (!same && !((any || options_.convert) && is_float_stored(tensor.dtype))) {
            faults.add_in(
                found.file->name, Errc::mismatch,
                who + " is " + printable(tensor.dtype_name, 16) + ", expected " +
                    (any ? std::string("a type of numbers") : std::string(name_of(want.dtype))) +
                    (any || !options_.convert   ? ""
                     : tensor.stored_as.empty() ? " or another of F32, BF16, F16"
                                                : " or another of F32, BF16, F16, Q8_0, "
                                                  "Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, "
                                                  "Q6_K"));
            return;
        }
        if (tensor.converted != Converted::nothing && want.row_values == 0)
            want.row_values = shape.back();
        want.count = tensor.count();  // its bytes are in the file, so that some times more are fine
        const auto address = reinterpret_cast<std::uintptr_t>(tensor.data);
        const std::size_t alignment = any                    ? 1
                                      : want.pack != nullptr ? planned_alignment
                                                             : size_of(want.dtype);
        const bool stays =
            want.residence == Residence::mapped || (is_packed(want) && options_.in_place);
        want.copied = !any && !(stays && as_wanted(want) && address % alignment == 0);
    }
    /// Whether the file has the bytes that are wanted.
    static bool as_wanted(const Want& want) {
        const StoredTensor& t = *want.found.tensor;
        return !want.up && t.panels == (want.pack != nullptr) &&
               t.converted == Converted::nothing &&
               (want.dtype == DType::unknown || want.dtype == t.dtype);
    }
    static bool is_packed(const Want& want) {
        return want.found && want.found.tensor->sums != nullptr;
    }
    /// Equal but for axes of one, which GGUF files drop or add.
    static bool same_shape(const StoredTensor& tensor, std::span<const std::size_t> shape) {
        const bool scalar = tensor.shape.empty() && shape.size() == 1 && shape[0] == 1;
        if (scalar ||
            std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end()))
            return true;
        if (tensor.stored_as.empty()) return false;
        const auto next = [](std::span<const std::size_t> s, std::size_t& i) {
            while (i < s.size() && s[i] == 1) ++i;
            return i < s.size() ? s[i++] : 1;
        };
        for (std::size_t i = 0, j = 0; i < tensor.shape.size() || j < shape.size();)
            if (next(tensor.shape, i) != next(shape, j)) return false;
        return true;
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

    /// Pieces of a megabyte of a file, so that memory peaks at the plan: each lets go of its source
    /// behind itself. (Smaller ones are slower: letting go interrupts the other threads.)
    static void cut(const Want& want, std::vector<Job>& jobs) {
        if (is_packed(want)) {
            const std::size_t all = aligned_size(want.found.tensor->bytes);
            for (std::size_t at = 0; at < all; at += detail::packed_piece) {
                const std::size_t end = std::min(all, at + detail::packed_piece);
                jobs.push_back({&want, at, end, end - at});
            }
            return;
        }
        const StoredBlock block = stored_block(want.found.tensor->dtype);
        // Values: about so many bytes of the file, a whole number of any blocks.
        const std::size_t piece = detail::packed_piece / block.bytes * block.values /
                                  most_block_values * most_block_values;
        const std::size_t width = by_rows(want) ? want.row_values : 1, all = want.count / width;
        const std::size_t step = std::max(piece / width / panel_rows, std::size_t{1}) * panel_rows;
        for (std::size_t at = 0; at < all; at += step) {
            const std::size_t end = std::min(all, at + step);
            const auto share = [&](std::size_t n) {  // of the bytes, without overflow
                return want.bytes() / all * n + want.bytes() % all * n / all;
            };
            jobs.push_back({&want, at, end, share(end) - share(at)});
        }
    }
    static bool by_rows(const Want& want) {
        return want.pack != nullptr || want.up ||
               want.found.tensor->converted != Converted::nothing;
    }

    /// Runs as many jobs at a time as keep the threads busy between two words of progress. A want's
    /// bytes go to place(want).
    template <class Place>
    Result<void> run_all(std::span<const Job> jobs, Place place, Work& work) const {
        const std::size_t threads = options_.executor ? options_.executor->concurrency() : 1;
        const std::size_t batch = threads == 1 ? 1 : 4 * threads;
        for (std::size_t first = 0; first < jobs.size(); first += batch) {
            const auto some = jobs.subspan(first, std::min(batch, jobs.size() - first));
            std::atomic<const Job*> bad{nullptr};
            const auto share = [&](std::size_t worker) {
                for (std::size_t i = worker; i < some.size(); i += threads)
                    if (!run(some[i], place(*some[i].want))) bad = &some[i];
            };
            if (threads == 1) {
                share(0);
            } else {
                options_.executor->run(share);
            }
            if (const Job* job = bad) return fault_of(*job);
            std::size_t bytes = 0;
            for (const Job& job : some) bytes += job.bytes;
            if (auto done = work.add(bytes); !done) return done;
        }
        return {};
    }
    static Error fault_of(const Job& job) {
        const StoredTensor& t = *job.want->found.tensor;
        const std::string who =
            printable(job.want->found.file->name, 400) + ": tensor " + printable(t.spelling());
        if (t.converted != Converted::nothing && there(*job.want, t.span()))
            return {Errc::bad_format, who + " has values that are no softplus of anything"};
        if (!is_packed(*job.want) || !piece_there(job))
            return {Errc::io, who + " is no longer in the file, which has been shortened"};
        return {Errc::bad_format, who + " is damaged: its bytes [" + std::to_string(job.begin) +
                                      ", " + std::to_string(job.end) +
                                      "] do not have the checksum of the file"};
    }
    /// Brings in the part of the file, unless it has gone since the file was opened.
    static bool there(const Want& want, std::span<const std::byte> part) {
        return want.found.file->map.will_need(part);
    }

    /// The same for a piece of a packed tensor and its checksum.
    static bool piece_there(const Job& job) {
        const StoredTensor& t = *job.want->found.tensor;
        return there(*job.want, {t.data + job.begin, job.end - job.begin}) &&
               there(*job.want, packed_sum(t, job.begin));
    }

    /// False where the file is shorter than it was, or where a packed tensor is not what was
    /// written.
    static bool run(const Job& job, std::byte* to) {
        const Want& want = *job.want;
        if (is_packed(want)) return run_packed(job, to);
        if (!by_rows(want)) {
            const StoredTensor& t = *want.found.tensor;
            const std::size_t first = stored_bytes(t.dtype, job.begin);
            const auto part = t.span().subspan(first, stored_bytes(t.dtype, job.end - job.begin));
            if (!there(want, part)) return false;
            convert_elements(to + stored_bytes(want.dtype, job.begin), want.dtype, part.data(),
                             t.dtype, job.end - job.begin);
            want.found.file->map.dont_need(part);
            return true;
        }
        const auto size = [&](std::size_t rows) {
            return stored_bytes(want.found.tensor->dtype, rows * want.row_values);
        };
        std::span<const std::byte> part;
        if (!want.up) {
            part =
                want.found.tensor->span().subspan(size(job.begin), size(job.end) - size(job.begin));
            if (!there(want, part)) return false;
        }  // else two places at once: left to the system
        const bool converted = want.found.tensor->converted != Converted::nothing;
        std::vector<float> values(want.pack != nullptr || converted ? want.row_values : 0);
        std::vector<float> stored(converted ? want.row_values : 0);
        for (std::size_t row = job.begin; row < job.end; ++row) {
            const auto [t, from] = source(want, row);
            if (converted) {
                read_stored(t->dtype, from, want.row_values, stored.data());
                if (!undo_conversion(t->converted, stored.data(), want.row_values, values.data()))
                    return false;
                if (want.pack != nullptr)
                    want.pack(to, row, values.data());
                else
                    convert_elements(to + stored_bytes(want.dtype, row * want.row_values),
                                     want.dtype, reinterpret_cast<std::byte*>(values.data()),
                                     DType::f32, want.row_values);
            } else if (want.pack == nullptr)
                convert_elements(to + stored_bytes(want.dtype, row * want.row_values), want.dtype,
                                 from, t->dtype, want.row_values);
            else if (t->dtype == want.dtype)
                want.pack_blocks(to, row, from);
            else
                read_stored(t->dtype, from, want.row_values, values.data()),
                    want.pack(to, row, values.data());
        }
        want.found.file->map.dont_need(part);
        return true;
    }
    /// A piece of a packed tensor, with the zeros behind it: copied if the tensor is.
    static bool run_packed(const Job& job, std::byte* to) {
        const Want& want = *job.want;
        const std::size_t n = job.end - job.begin;
        std::span<const std::byte> piece(want.found.tensor->data + job.begin, n);
        if (!piece_there(job)) return false;
        const std::span<const std::byte> source = piece;
        if (want.copied) {
            std::memcpy(to + job.begin, piece.data(), n);
            piece = {to + job.begin, n};
        }
        const bool good = packed_piece_is_good(*want.found.tensor, job.begin, piece);
        if (want.copied || want.residence == Residence::mapped)
            want.found.file->map.dont_need(source);
        return good;
    }

    /// The bytes of a tensor, filled up, and their checksums. `counts`: they are progress.
    Result<void> write_pieces(UnfinishedFile& file, const Want& want,
                              std::span<const std::byte> from, bool counts,
                              std::vector<std::uint64_t>& sums, Work& work) const {
        std::vector<std::byte> piece;
        for (std::size_t at = 0; at < from.size(); at += detail::packed_piece) {
            const auto part = from.subspan(at, std::min(detail::packed_piece, from.size() - at));
            if (counts && !there(want, part)) return fault_of({&want, 0, 0, 0});
            piece.assign(part.begin(), part.end());
            piece.resize(aligned_size(piece.size()));
            if (counts) {
                want.found.file->map.dont_need(part);
                if (auto done = work.add(part.size()); !done) return done;
            }
            sums.push_back(checksum(piece));
            file.write(piece.data(), piece.size());
        }
        return {};
    }
    /// Where a row comes from: of each expert first the gate's rows, then the up's.
    struct Source {
        const StoredTensor* tensor;
        const std::byte* row;
    };
    static Source source(const Want& want, std::size_t row) {
        const StoredTensor* t = want.found.tensor;
        if (want.up) {
            const std::size_t half = want.shape[1] / 2, in_expert = row % want.shape[1];
            if (in_expert >= half) t = want.up.tensor;
            row = row / want.shape[1] * half + in_expert % half;
        }
        return {t, t->data + stored_bytes(t->dtype, row * want.row_values)};
    }

    const CheckpointFiles* files_;
    std::string prefix_;
    BindOptions options_;
    std::vector<Want> wants_;
};

}  // namespace carat::inline CARAT_ABI
