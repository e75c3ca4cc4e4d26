/// \file
/// What a part of a message brings: a file, or the bytes of one.
#pragma once

#include "carat/attachments/base64.hpp"
#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/text/read_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Where a medium is: in a file, or where that has no path in `bytes`.
struct PartSource {
    std::string path{};
    std::vector<std::uint8_t> bytes{};
    std::string name{};  ///< for errors: the path, or the beginning of what the bytes came in
};

namespace detail {

/// An error that says first which part it is about.
inline Error fault_of(const MediaPart& part, Errc code, const std::string& text) {
    return Error{code, part.where + ": " + text};
}
/// Whether it has the medium in itself, and names none.
inline bool brings_bytes(const MediaPart& part) {
    return part.source.starts_with("data:") ||
           (!part.source.empty() &&
            json::string(json::find(part.part, "base64")) == std::string_view(part.source));
}

}  // namespace detail

/// A path that is not absolute begins in `folder`, or where the process is if that is empty.
/// Nothing keeps it inside the folder: whoever writes the messages names any file that the process
/// may read. Bytes come in the member `base64`, or in a `data:` address that ends in base64. Bad
/// input: neither; another address (unsupported); what is no base64.
[[nodiscard]] inline Result<PartSource> part_source(const MediaPart& part,
                                                    const std::string& folder) {
    static constexpr std::string_view names[] = {"an image", "an audio", "a video"};
    const std::string& source = part.source;
    if (source.empty())
        return detail::fault_of(
            part, Errc::invalid_argument,
            std::string(names[static_cast<std::size_t>(part.kind)]) + " part without a path");
    const std::string start = source.substr(0, 40);
    const std::string_view text = source;
    if (detail::brings_bytes(part)) {
        const bool address = text.starts_with("data:");
        const std::size_t comma = address ? std::min(text.find(','), text.size() - 1) : 0;
        const std::size_t begin = address ? comma + 1 : 0;
        if (address && !text.substr(0, begin).ends_with(";base64,"))
            return detail::fault_of(part, Errc::unsupported,
                                    start + ": only data in base64 can be read");
        auto bytes = decode_base64(text.substr(begin), start);
        if (!bytes) return detail::fault_of(part, bytes.error().code, bytes.error().text);
        return PartSource{.path = {}, .bytes = *std::move(bytes), .name = start};
    }
    if (text.find("://") != std::string_view::npos)
        return detail::fault_of(part, Errc::unsupported,
                                start + ": only files and data can be read, no other address");
    std::string path = text.starts_with('/') ? source : path_in(folder, source);
    return PartSource{.path = path, .bytes = {}, .name = path};
}

}  // namespace carat::inline CARAT_ABI
