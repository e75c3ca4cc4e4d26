/// \file
/// SafetensorsWriter: named tensors into a file that is there as a whole or not at all.
/// Source: spec/checkpoint.md section 6.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/tensor/element.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates), which JSON has to be.
constexpr bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto at = [&](std::size_t k) -> unsigned {
            return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u;
        };
        const unsigned lead = at(i);
        const std::size_t more = lead < 0x80 ? 0u : lead < 0xe0 ? 1u : lead < 0xf0 ? 2u : 3u;
        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
        for (std::size_t k = 1; k <= more; ++k)
            if ((at(i + k) & 0xc0u) != 0x80u) return false;
        const unsigned second = at(i + 1);
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
            (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90))
            return false;
        i += more + 1;
    }
    return true;
}

inline void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15u];
        } else {
            out += c;
        }
    }
    out += '"';
}

}  // namespace detail

/// Gathers tensors, then writes them at once, ordered by element size (largest first), then name.
///
/// `add` with a pointer keeps the pointer: the data must stay until write(). `add` with a vector
/// takes it over. Nothing is copied either way.
class SafetensorsWriter {
    static_assert(
        std::endian::native == std::endian::little,
        "carat: safetensors files are little-endian and are written as memory holds them");

  public:
    /// `data`: product(shape) elements, row-major; may be null where that is 0.
    /// Bad input: a name that was added before, is not UTF-8 or is "__metadata__"; DType::unknown;
    /// a shape whose product overflows; null data. All are Errc::invalid_argument.
    Result<void> add(std::string name, DType dtype, std::vector<std::size_t> shape,
                     const void* data) {
        return add(Entry{std::move(name), dtype, std::move(shape), data, 0, nullptr});
    }
    /// Takes `values` over. Bad input: as above, and a count that is not product(shape).
    template <class T>
    Result<void> add(std::string name, std::vector<std::size_t> shape, std::vector<T> values) {
        static_assert(dtype_of<T> != DType::unknown,
                      "carat: a tensor's elements must be of a type that safetensors files name");
        const auto owned = std::make_shared<const std::vector<T>>(std::move(values));
        std::size_t count = 1;
        for (const std::size_t n : shape)
            if (!multiply(count, n, count)) break;
        if (count != owned->size())
            return Error{Errc::invalid_argument,
                         joined({"tensor ", printable(name), " has shape ", shape_text(shape),
                                 " but ", owned->size(), " values"})};
        return add(Entry{std::move(name), dtype_of<T>, std::move(shape), owned->data(), 0, owned});
    }
    /// An entry of the file's `__metadata__`. Bad input: text that is not UTF-8.
    Result<void> add_metadata(std::string key, std::string value) {
        if (!detail::is_utf8(key) || !detail::is_utf8(value))
            return Error{Errc::invalid_argument, "metadata " + printable(key) + " is not UTF-8"};
        metadata_.insert_or_assign(std::move(key), std::move(value));
        return {};
    }

    /// Writes everything to `path`, replacing what is there only when all of it is on disk: the
    /// bytes go to a file beside it that is renamed at the end and removed if anything fails.
    Result<void> write(const std::string& path) const {
        std::vector<const Entry*> order;
        for (const auto& [name, entry] : entries_) order.push_back(&entry);
        std::stable_sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
            return size_of(a->dtype) > size_of(b->dtype);
        });
        std::string header(8, '\0');
        header += '{';
        const auto comma = [&header] {
            if (header.back() != '{') header += ',';
        };
        if (!metadata_.empty()) {
            header += "\"__metadata__\":{";
            for (const auto& [key, value] : metadata_) {
                comma();
                detail::append_json_string(header, key);
                header += ':';
                detail::append_json_string(header, value);
            }
            header += '}';
        }
        std::uint64_t offset = 0;
        for (const Entry* e : order) {
            comma();
            detail::append_json_string(header, e->name);
            header.append(":{\"dtype\":\"").append(name_of(e->dtype)).append("\",\"shape\":[");
            for (std::size_t axis = 0; axis < e->shape.size(); ++axis)
                header.append(axis > 0 ? "," : "").append(std::to_string(e->shape[axis]));
            header += "],\"data_offsets\":[" + std::to_string(offset) + ',';
            offset += e->bytes;
            header += std::to_string(offset) + "]}";
        }
        header += '}';
        while (header.size() % 8 != 0) header += ' ';
        if (header.size() - 8 > most_header_bytes)
            return Error{Errc::invalid_argument,
                         joined({path, ": cannot write: its header would have ", header.size() - 8,
                                 " bytes, and a reader takes ", most_header_bytes})};
        for (std::size_t i = 0; i < 8; ++i)
            header[i] = static_cast<char>(((header.size() - 8) >> (8 * i)) & 0xffu);

        UnfinishedFile file(path);
        file.write(header.data(), header.size());
        for (const Entry* e : order) file.write(e->data, e->bytes);
        return file.finish();
    }

  private:
    static constexpr std::size_t most_header_bytes = 100'000'000;

    struct Entry {
        std::string name;
        DType dtype;
        std::vector<std::size_t> shape;
        const void* data;
        std::size_t bytes;
        std::shared_ptr<const void> owned;  ///< what keeps `data` alive, if we do
    };

    Result<void> add(Entry entry) {
        const auto refuse = [&entry](const std::string& why) {
            return Error{Errc::invalid_argument, "tensor " + printable(entry.name) + " " + why};
        };
        if (!detail::is_utf8(entry.name)) return refuse("has a name that is not UTF-8");
        if (entry.name == "__metadata__") return refuse("has the name of what is no tensor");
        if (entry.dtype >= DType::unknown) return refuse("is of an unknown type");
        entry.bytes = size_of(entry.dtype);
        for (const std::size_t n : entry.shape)
            if (!multiply(entry.bytes, n, entry.bytes))
                return refuse("has shape " + shape_text(entry.shape) + ", which overflows");
        std::size_t total = bytes_;
        if (entry.bytes > std::numeric_limits<std::size_t>::max() - total)
            return refuse("makes the file larger than memory");
        if (entry.bytes > 0 && entry.data == nullptr) return refuse("has no data");
        std::string name = entry.name;
        const auto [place, is_new] = entries_.try_emplace(std::move(name), std::move(entry));
        if (!is_new)
            return Error{Errc::invalid_argument,
                         "tensor " + printable(place->first) + " is added twice"};
        bytes_ = total + place->second.bytes;
        return {};
    }

    std::map<std::string, Entry, std::less<>> entries_;
    std::map<std::string, std::string, std::less<>> metadata_;
    std::size_t bytes_ = 0;
};

}  // namespace carat::inline CARAT_ABI
