/// \file
/// UnfinishedFile: a file that appears under its name when it is complete, and otherwise never.
#pragma once

#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/mapped_file.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace carat::inline CARAT_ABI {

/// Bytes go to a new file beside `path`; finish() renames it to `path`, replacing what was there.
/// Until then, and after any error, nothing at `path` has changed and the other file is removed.
/// Several files that belong together are all closed, which may fail, before the first is finished.
class UnfinishedFile {
  public:
    explicit UnfinishedFile(const std::string& path) : path_(path) {
        if (is_folder(path)) {  // told now, not when its neighbours have their names already
            errno = EISDIR;
            fail("replace");
            return;
        }
        for (int n = 0; n < 100 && file_ == nullptr; ++n) {
            partial_ = path + ".partial" + (n > 0 ? std::to_string(n) : std::string());
            file_ = std::fopen(partial_.c_str(), "wbx");  // x: never a file of somebody else's
            if (file_ == nullptr && errno != EEXIST) break;
        }
        if (file_ == nullptr) {
            partial_.clear();
            fail("create");
        }
    }
    UnfinishedFile(const UnfinishedFile&) = delete;
    UnfinishedFile& operator=(const UnfinishedFile&) = delete;
    ~UnfinishedFile() {
        if (file_ != nullptr) std::fclose(file_);
        remove();
    }

    /// The next bytes. An error is remembered and returned by finish().
    void write(const void* data, std::size_t bytes) {
        if (failed_ != nullptr || bytes == 0) return;
        errno = 0;
        if (std::fwrite(data, 1, bytes, file_) != bytes) fail("write");
    }

    /// Whether there was an error, after which writing more is of no use.
    [[nodiscard]] bool failed() const noexcept { return failed_ != nullptr; }

    /// Everything to the disk, but not to its name yet; nothing can be written after it. Bad input:
    /// what the system refused, Errc::io.
    Result<void> close() {
        errno = 0;
        if (file_ != nullptr) {
            if (failed_ == nullptr && (std::fflush(file_) != 0 || !synced())) fail("write");
            errno = 0;
            if (std::fclose(file_) != 0 && failed_ == nullptr) fail("write");
            file_ = nullptr;
        }
        if (failed_ == nullptr) return {};
        remove();
        return detail::io_error(path_, failed_, code_);
    }
    /// Everything to the disk and to its name. Bad input: as close().
    Result<void> finish() {
        if (auto closed = close(); !closed) return closed;
        if (!partial_.empty()) rename();
        return close();
    }

  private:
    void fail(const char* doing) {
        failed_ = doing;
        code_ = errno != 0 ? errno : EIO;
    }
    /// A crash after rename() must not leave an empty file under the name.
    [[nodiscard]] bool synced() const {
#if defined(__unix__) || defined(__APPLE__)
        return ::fsync(::fileno(file_)) == 0 || errno == EINVAL;  // EINVAL: cannot be synced
#else
        return true;
#endif
    }
    void rename() {
#if defined(_WIN32)
        std::remove(path_.c_str());  // rename() does not replace there
#endif
        errno = 0;
        if (std::rename(partial_.c_str(), path_.c_str()) != 0) return fail("replace");
        partial_.clear();
    }
    void remove() noexcept {
        if (!partial_.empty()) std::remove(partial_.c_str());
        partial_.clear();
    }

    std::string path_, partial_;  ///< partial_ is empty where there is no such file (any more)
    std::FILE* file_ = nullptr;
    const char* failed_ = nullptr;  ///< what could not be done
    int code_ = 0;
};

}  // namespace carat::inline CARAT_ABI
