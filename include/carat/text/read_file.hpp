/// \file
/// A whole file as a string, for the small files beside a model.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>

namespace carat::inline CARAT_ABI {

/// The bytes of a file, or of a pipe that is open already (/dev/stdin). One that is missing, not
/// readable or larger than `max_bytes` or than there is memory for is an error that names it.
[[nodiscard]] inline Result<std::string> read_file(const std::string& path,
                                                   std::size_t max_bytes = std::size_t{1} << 30) {
    return memory_errors(path, [&]() -> Result<std::string> {
        const Error too_large{Errc::out_of_range,
                              joined({path, ": larger than ", max_bytes, " bytes"})};
        const Result<detail::OpenFile> file = detail::open_file(path);
        if (!file) return file.error();
        std::string bytes;
        if (std::fseek(file->get(), 0, SEEK_END) == 0) {  // a hint only: a pipe has no length
            const long size = std::ftell(file->get());
            if (size > 0 && static_cast<std::size_t>(size) > max_bytes) return too_large;
            if (size > 0) bytes.reserve(static_cast<std::size_t>(size));
            std::rewind(file->get());
        }
        char buffer[1 << 16];
        while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file->get())) {
            if (n > max_bytes - bytes.size()) return too_large;
            bytes.append(buffer, n);
        }
        if (std::ferror(file->get()) != 0) return detail::io_error(path, "read", errno);
        return bytes;
    });
}

/// A path inside a folder.
[[nodiscard]] inline std::string path_in(const std::string& folder, const std::string& name) {
    return folder.empty() || folder.back() == '/' ? folder + name : folder + "/" + name;
}

}  // namespace carat::inline CARAT_ABI
