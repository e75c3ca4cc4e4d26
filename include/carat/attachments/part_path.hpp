/// \file
/// Which file a part of a message names.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/text/read_file.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

namespace detail {

/// An error that says first which part it is about.
inline Error fault_of(const MediaPart& part, Errc code, const std::string& text) {
    return Error{code, part.where + ": " + text};
}

}  // namespace detail

/// The path of a part's file; one that is not absolute begins in `folder`, or where the process is
/// if that is empty. Nothing keeps a path inside the folder: whoever writes the messages names any
/// file that the process may read. Bad input: no path; an address or data instead of one
/// (unsupported).
[[nodiscard]] inline Result<std::string> part_path(const MediaPart& part,
                                                   const std::string& folder) {
    static constexpr std::string_view names[] = {"an image", "an audio", "a video"};
    const std::string& source = part.source;
    if (source.empty())
        return detail::fault_of(
            part, Errc::invalid_argument,
            std::string(names[static_cast<std::size_t>(part.kind)]) + " part without a path");
    const bool bytes = source.starts_with("data:") ||
                       json::string(json::find(part.part, "base64")) == std::string_view(source);
    if (bytes || source.find("://") != std::string::npos)
        return detail::fault_of(part, Errc::unsupported,
                                source.substr(0, 40) + ": only paths of files can be read");
    return source.starts_with('/') ? source : path_in(folder, source);
}

}  // namespace carat::inline CARAT_ABI
