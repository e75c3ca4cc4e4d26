/// \file
/// Safetensors: the tensors of a safetensors file, found by name and checked before they are
/// touched. Source: spec/checkpoint.md section 6.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/safetensors_header.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/tensor/element.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

class Safetensors {
    static_assert(std::endian::native == std::endian::little,
                  "carat: safetensors files are little-endian and are used as they lie in memory");

  public:
    static constexpr std::uint64_t most_header_bytes = 100'000'000;

    Safetensors() = default;

    /// Reads the header of `file`, the bytes of a whole safetensors file, which must stay where
    /// they are as long as a tensor is used. `what` names it in errors.
    ///
    /// What holds afterwards: names are unique; every tensor lies within `file`; its bytes are
    /// product(shape) times the size of its type; the tensors tile the data without overlap or
    /// hole. Anything else is Errc::bad_format, with all faults of that sort at once. Takes memory
    /// in proportion to the header, which is in the file, and never reads the data.
    [[gnu::cold]] static Result<Safetensors> read(std::span<const std::byte> file,
                                                  std::string_view what) {
        Faults faults(what);
        const auto fail = [&faults](std::string_view why) {
            faults.add(Errc::bad_format, why);
            return faults.error();
        };
        if (file.size() < 8)
            return fail(joined({"has ", file.size(), " bytes, too few for a safetensors file"}));
        std::uint64_t length = 0;
        for (std::size_t i = 0; i < 8; ++i)
            length |= std::to_integer<std::uint64_t>(file[i]) << (8 * i);
        if (length > most_header_bytes)
            return fail(joined({"the header would have ", length, " bytes, expected at most ",
                                most_header_bytes, ": not a safetensors file"}));
        if (length > file.size() - 8)
            return fail(joined({"the header has ", length, " bytes, but only ", file.size() - 8,
                                " are there: the file is cut off"}));
        const std::size_t header_bytes = static_cast<std::size_t>(length);
        Result<detail::SafetensorsHeader> header = detail::read_safetensors_header(
            {reinterpret_cast<const char*>(file.data()) + 8, header_bytes}, what);
        if (!header) return std::move(header).error();

        Safetensors all;
        all.metadata_ = std::move(header->metadata);
        all.tensors_.reserve(header->tensors.size());
        const std::span<const std::byte> data = file.subspan(8 + header_bytes);
        for (detail::HeaderEntry& entry : header->tensors) {
            const std::string fault = place(entry, data, all.tensors_.emplace_back());
            if (!fault.empty())
                faults.add(Errc::bad_format,
                           joined({"tensor ", printable(all.tensors_.back().name), fault}));
        }
        if (faults.none()) check_tiles(all.tensors_, data, faults);
        sort_by_name(all.tensors_);
        for (std::size_t i = 1; i < all.tensors_.size(); ++i)
            if (all.tensors_[i].name == all.tensors_[i - 1].name)
                faults.add(Errc::bad_format,
                           joined({"tensor ", printable(all.tensors_[i].name), " is there twice"}));
        if (!faults.none()) return faults.error();
        return all;
    }

    /// All tensors, ordered by name.
    [[nodiscard]] std::span<const StoredTensor> tensors() const noexcept { return tensors_; }
    /// The tensors, for whoever needs nothing else of the file.
    [[nodiscard]] std::vector<StoredTensor> take() && noexcept { return std::move(tensors_); }
    /// `__metadata__`, in the order of the file.
    [[nodiscard]] std::span<const std::pair<std::string, std::string>> metadata() const noexcept {
        return metadata_;
    }
    /// The tensor of that name, or null. Logarithmic in the number of tensors.
    [[nodiscard]] const StoredTensor* find(std::string_view name) const noexcept {
        const auto at = std::lower_bound(
            tensors_.begin(), tensors_.end(), name,
            [](const StoredTensor& t, std::string_view n) { return std::string_view(t.name) < n; });
        return at != tensors_.end() && at->name == name ? &*at : nullptr;
    }

  private:
    /// Fills in `tensor`, or says what is wrong with the entry.
    static std::string place(detail::HeaderEntry& entry, std::span<const std::byte> data,
                             StoredTensor& tensor) {
        tensor.name = std::move(entry.name);
        tensor.dtype_name = std::move(entry.dtype);
        tensor.shape = std::move(entry.shape);
        tensor.dtype = dtype_named(tensor.dtype_name);
        const auto type = [&tensor] {
            return printable(tensor.dtype_name, 16) + ' ' + shape_text(tensor.shape);
        };
        const auto extent = [&entry] { return joined({"[", entry.begin, ", ", entry.end, "]"}); };
        const bool known = tensor.dtype != DType::unknown;
        std::size_t bytes = known ? size_of(tensor.dtype) : 1;
        for (const std::size_t n : tensor.shape)
            if (!multiply(bytes, n, bytes))
                return joined({" is ", type(), ", which no memory could hold"});
        if (entry.begin > entry.end)
            return joined({" has data_offsets ", extent(), ", which end before they begin"});
        if (entry.end > data.size())
            return joined({" has data_offsets ", extent(), ", but the data has only ", data.size(),
                           " bytes"});
        const auto size = static_cast<std::size_t>(entry.end - entry.begin);
        if (known && size != bytes)
            return joined({" is ", type(), ", which takes ", bytes, " bytes, but its data_offsets ",
                           extent(), " hold ", size});
        tensor.data = data.data() + entry.begin;
        tensor.bytes = size;
        return {};
    }

    /// Every byte of the data belongs to exactly one tensor.
    static void check_tiles(std::span<const StoredTensor> tensors, std::span<const std::byte> data,
                            Faults& faults) {
        const auto offset = [&data](const std::byte* p) {
            return static_cast<std::size_t>(p - data.data());
        };
        const auto hole = [&faults](std::size_t begin, std::size_t end) {
            faults.add(Errc::bad_format,
                       joined({"bytes [", begin, ", ", end, "] of the data belong to no tensor"}));
        };
        std::size_t end = 0;
        const StoredTensor* last = nullptr;
        for (const StoredTensor* t : in_file_order(tensors)) {
            const std::size_t begin = offset(t->data);
            if (begin > end) hole(end, begin);
            if (begin < end)
                faults.add(Errc::bad_format,
                           joined({"tensors ", printable(last->name), " and ", printable(t->name),
                                   " overlap at byte ", begin, " of the data"}));
            if (begin + t->bytes >= end) {
                end = begin + t->bytes;
                last = t;
            }
        }
        if (end < data.size()) hole(end, data.size());
    }

    std::vector<StoredTensor> tensors_;
    std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace carat::inline CARAT_ABI
