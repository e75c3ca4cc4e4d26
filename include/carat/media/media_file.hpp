/// \file
/// The bytes of a picture or video file, read once and whole.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace carat::inline CARAT_ABI {

/// A file that is missing, not readable, empty or larger than `max_bytes` is an error that names
/// it.
[[nodiscard]] inline Result<std::vector<std::uint8_t>> read_media_file(
    const std::string& path, std::size_t max_bytes = std::size_t{1} << 30) {
    return memory_errors([&]() -> Result<std::vector<std::uint8_t>> {
        const Result<detail::OpenFile> file = detail::open_file(path);
        if (!file) return file.error();
        std::vector<std::uint8_t> bytes;
        std::uint8_t buffer[1 << 16];
        while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file->get())) {
            if (n > max_bytes - bytes.size())
                return Error{Errc::out_of_range,
                             joined({path, ": larger than ", max_bytes, " bytes"})};
            bytes.insert(bytes.end(), buffer, buffer + n);
        }
        if (std::ferror(file->get()) != 0) return detail::io_error(path, "read", errno);
        if (bytes.empty()) return Error{Errc::bad_format, path + ": the file is empty"};
        return bytes;
    });
}

/// Its first bytes, enough to tell what it is.
[[nodiscard]] inline Result<std::vector<std::uint8_t>> read_media_start(const std::string& path) {
    return memory_errors([&]() -> Result<std::vector<std::uint8_t>> {
        const Result<detail::OpenFile> file = detail::open_file(path);
        if (!file) return file.error();
        std::vector<std::uint8_t> bytes(16);
        bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file->get()));
        if (std::ferror(file->get()) != 0) return detail::io_error(path, "read", errno);
        if (bytes.empty()) return Error{Errc::bad_format, path + ": the file is empty"};
        return bytes;
    });
}

}  // namespace carat::inline CARAT_ABI
