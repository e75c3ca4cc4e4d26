/// \file
/// The header of a safetensors file, read as it streams by: no tree is built, so that a header
/// takes no more memory than its tensors, and a name that stands there twice is seen twice.
/// Source: spec/checkpoint.md section 6.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/format/json_events.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::detail {

/// One tensor as the header describes it; nothing here is checked against anything.
struct HeaderEntry {
    std::string name, dtype;
    std::vector<std::size_t> shape;
    std::uint64_t begin = 0, end = 0;
};

/// What a header holds, in its own order.
struct SafetensorsHeader {
    std::vector<HeaderEntry> tensors;
    std::vector<std::pair<std::string, std::string>> metadata;
};

/// Takes the events of RapidJSON's reader and stops at the first that has no place in a header.
class HeaderEvents final : public json::Events {
  public:
    static constexpr std::size_t most_axes = 32;
    static constexpr std::size_t most_metadata = 65536;

    SafetensorsHeader header;
    std::string fault;  ///< why the last event was refused

    bool Null() override { return refuse("null"); }
    bool Bool(bool) override { return refuse("a boolean"); }
    bool Int64(std::int64_t v) override {
        return v < 0 ? refuse("the negative number " + std::to_string(v))
                     : Uint64(static_cast<std::uint64_t>(v));
    }
    bool Uint64(std::uint64_t v) override {
        if (at_ == At::shape) {
            if (v > static_cast<std::size_t>(-1)) return refuse("more than memory can hold");
            if (tensor().shape.size() == most_axes)
                return refuse(joined({"longer than ", most_axes, " axes"}));
            tensor().shape.push_back(static_cast<std::size_t>(v));
            return true;
        }
        if (at_ == At::offsets && offsets_ < 2) {
            (offsets_++ == 0 ? tensor().begin : tensor().end) = v;
            return true;
        }
        return refuse(at_ == At::offsets ? "longer than two numbers"
                                         : "the number " + std::to_string(v));
    }
    bool Double(double) override { return refuse("a number that is not whole"); }
    bool String(const char* s, rapidjson::SizeType n, bool) override {
        if (at_ == At::dtype) {
            tensor().dtype.assign(s, n);
            at_ = At::tensor;
            return true;
        }
        if (at_ == At::metadata_value) {
            header.metadata.back().second.assign(s, n);
            at_ = At::metadata;
            return true;
        }
        return refuse("a string");
    }
    bool Key(const char* s, rapidjson::SizeType n, bool) override {
        const std::string_view key(s, n);
        if (at_ == At::top) {
            if (key == "__metadata__") {
                at_ = At::before_metadata;
                return true;
            }
            header.tensors.emplace_back().name = key;
            at_ = At::before_tensor;
            return true;
        }
        if (at_ == At::metadata) {
            if (header.metadata.size() == most_metadata) {
                fault = joined({"__metadata__ has more than ", most_metadata, " entries"});
                return false;
            }
            header.metadata.emplace_back().first = key;
            at_ = At::metadata_value;
            return true;
        }
        const unsigned bit = key == "dtype" ? 1u : key == "shape" ? 2u : 4u;
        if (bit == 4u && key != "data_offsets") return refuse_key(key, "which is none of ");
        if ((seen_ & bit) != 0) return refuse_key(key, "which stands there twice, expected ");
        seen_ |= bit;
        at_ = bit == 1u ? At::dtype : bit == 2u ? At::before_shape : At::before_offsets;
        return true;
    }
    bool StartObject() override {
        if (at_ == At::start) {
            at_ = At::top;
        } else if (at_ == At::before_metadata) {
            if (metadata_seen_) return refuse("there twice");
            metadata_seen_ = true;
            at_ = At::metadata;
        } else if (at_ == At::before_tensor) {
            at_ = At::tensor;
            seen_ = 0;
        } else {
            return refuse("an object");
        }
        return true;
    }
    bool EndObject(rapidjson::SizeType) override {
        if (at_ == At::tensor && seen_ != 7u) {
            fault = joined({"tensor ", printable(tensor().name), " has no ",
                            (seen_ & 1u) == 0   ? "dtype"
                            : (seen_ & 2u) == 0 ? "shape"
                                                : "data_offsets"});
            return false;
        }
        at_ = at_ == At::top ? At::end : At::top;
        return true;
    }
    bool StartArray() override {
        if (at_ == At::before_shape) {
            at_ = At::shape;
        } else if (at_ == At::before_offsets) {
            at_ = At::offsets;
            offsets_ = 0;
        } else {
            return refuse("an array");
        }
        return true;
    }
    bool EndArray(rapidjson::SizeType) override {
        if (at_ == At::offsets && offsets_ != 2) return refuse("shorter than two numbers");
        at_ = At::tensor;
        return true;
    }

  private:
    /// Where the next event stands.
    enum class At {
        start,
        top,
        before_metadata,
        metadata,
        metadata_value,
        before_tensor,
        tensor,
        dtype,
        before_shape,
        shape,
        before_offsets,
        offsets,
        end
    };

    HeaderEntry& tensor() { return header.tensors.back(); }

    [[gnu::cold]] bool refuse(std::string_view found) {
        const auto is = [&](const std::string& what, std::string_view expected) {
            fault = joined({what, " is ", found, ", expected ", expected});
            return false;
        };
        const std::string name =
            header.tensors.empty() ? "" : "tensor " + printable(header.tensors.back().name);
        switch (at_) {
            case At::dtype:
                return is(name + ": dtype", "the name of a type");
            case At::before_shape:
            case At::shape:
                return is(name + ": shape", "an array of whole numbers");
            case At::before_offsets:
            case At::offsets:
                return is(name + ": data_offsets", "[begin, end]");
            case At::before_tensor:
            case At::tensor:
                return is(name, "an object with dtype, shape and data_offsets");
            case At::before_metadata:
                return is("__metadata__", "one object of strings");
            case At::metadata:
            case At::metadata_value:
                return is("__metadata__: " + printable(header.metadata.back().first), "a string");
            case At::start:
            case At::top:
            case At::end:
                break;
        }
        return is("the header", "an object");
    }
    bool refuse_key(std::string_view key, std::string_view why) {
        fault = joined({"tensor ", printable(tensor().name), " has the key ", printable(key), ", ",
                        why, "dtype, shape and data_offsets"});
        return false;
    }

    At at_ = At::start;
    unsigned seen_ = 0;        ///< which keys of this tensor: 1 dtype, 2 shape, 4 data_offsets
    std::size_t offsets_ = 0;  ///< how many numbers of data_offsets
    bool metadata_seen_ = false;
};

/// Reads the JSON of a header. Bad input: Errc::bad_format with what stands where something else
/// belongs. `what` names the file.
[[gnu::cold]] inline Result<SafetensorsHeader> read_safetensors_header(std::string_view text,
                                                                       std::string_view what) {
    const auto bad = [what](const std::string& why) {
        return Error{Errc::bad_format, joined({printable(what, 400), ": ", why})};
    };
    if (text.empty() || text.front() != '{')
        return bad("the header does not begin with '{': not a safetensors file");
    HeaderEvents events;
    const json::Ending end = json::read(text, events);
    if (!events.fault.empty()) return bad(events.fault);
    if (end.error != nullptr)
        return bad(joined({"byte ", 8 + end.offset, ": the header is not JSON: ", end.error}));
    return std::move(events.header);
}

}  // namespace carat::inline CARAT_ABI::detail
