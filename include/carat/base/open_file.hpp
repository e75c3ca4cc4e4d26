/// \file
/// Files opened for reading, so that no path makes the program wait.
///
/// A path to a model may name anything. Opening a pipe waits until somebody writes into it, which
/// may be never; so only regular files are opened, and besides what is open already: /dev/stdin,
/// and the /dev/fd/63 that a shell puts in the place of <(command).
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace carat::inline CARAT_ABI {
namespace detail {

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using OpenFile = std::unique_ptr<std::FILE, CloseFile>;

inline Error io_error(std::string_view path, std::string_view doing, int code) {
    return {Errc::io, joined({path, ": cannot ", doing, ": ",
                              std::error_code(code, std::generic_category()).message()})};
}
inline Error not_regular(std::string_view path) {
    return {Errc::io, joined({path, ": cannot read: it is not a regular file"})};
}

/// /dev/stdin or /dev/fd/N.
[[nodiscard]] inline bool is_open_already(std::string_view path) noexcept {
    if (path == "/dev/stdin") return true;
    constexpr std::string_view folder = "/dev/fd/";
    if (!path.starts_with(folder) || path.size() == folder.size()) return false;
    path.remove_prefix(folder.size());
    return path.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The file at `path`, to be read. Bad input: Errc::io with the system's reason.
inline Result<OpenFile> open_file(const std::string& path) {
#if defined(__unix__) || defined(__APPLE__)
    if (!is_open_already(path)) {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file < 0) return io_error(path, "open", errno);
        struct stat about {};
        int failed = ::fstat(file, &about) != 0 ? errno : 0;
        if (failed == 0 && S_ISDIR(about.st_mode)) failed = EISDIR;
        if (failed == 0 && S_ISREG(about.st_mode)) {
            if (std::FILE* stream = ::fdopen(file, "rb")) return OpenFile(stream);
            failed = errno;
        }
        ::close(file);
        if (failed != 0) return io_error(path, "read", failed);
        return not_regular(path);
    }
#endif
    OpenFile file(std::fopen(path.c_str(), "rb"));
    if (!file) return io_error(path, "open", errno);
    return file;
}

}  // namespace detail

/// Whether there is something by that name. What cannot be opened is there.
[[nodiscard]] inline bool file_exists(const std::string& path) {
#if defined(__unix__) || defined(__APPLE__)
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0) return true;
#else
    if (detail::OpenFile(std::fopen(path.c_str(), "rb"))) return true;
#endif
    return errno != ENOENT && errno != ENOTDIR;
}

/// Whether there is a folder by that name, as far as the system tells.
[[nodiscard]] inline bool is_folder(const std::string& path) {
#if defined(__unix__) || defined(__APPLE__)
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
#else
    static_cast<void>(path);
    return false;
#endif
}

}  // namespace carat::inline CARAT_ABI
