/// \file
/// MappedFile: the bytes of a file, read when they are touched.
///
/// The bytes belong to the operating system's cache and cost no memory of the program's own. In
/// return they are only as good as the file: if somebody shortens it while it is mapped, touching
/// what is gone raises SIGBUS; will_need() sees it before, where the system can. Replacing a file
/// by renaming another over it is safe. Where there is no mmap the file is read into memory as a
/// whole.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace carat::inline CARAT_ABI {
namespace detail {

/// A whole file in memory: what MappedFile falls back to.
inline Result<std::vector<std::byte>> read_whole(const std::string& path) {
    const Result<OpenFile> file = open_file(path);
    if (!file) return file.error();
    std::vector<std::byte> bytes;
    constexpr std::size_t most = std::size_t{1} << 24;
    std::size_t step = std::size_t{1} << 16, got = 0;
    do {  // grows with what is really there, not with what the file says of itself
        const std::size_t size = bytes.size();
        bytes.resize(size + step);
        got = std::fread(bytes.data() + size, 1, step, file->get());
        bytes.resize(size + got);
        if (step < most) step *= 2;
    } while (got > 0);
    if (std::ferror(file->get()) != 0) return io_error(path, "read", errno != 0 ? errno : EIO);
    return bytes;
}

}  // namespace detail

/// A file's bytes, read-only. Moves, never copies; the bytes stay where they are when it moves.
class MappedFile {
  public:
    MappedFile() = default;

    /// Bad input: a path that is no readable regular file is Errc::io with the system's reason, an
    /// empty file or one of more than `most_bytes` Errc::bad_format.
    static Result<MappedFile> open(const std::string& path, std::size_t most_bytes = SIZE_MAX) {
        MappedFile mapped;
        mapped.path_ = path;
#if defined(__unix__) || defined(__APPLE__)
        // Not blocking: a named pipe without a writer would wait here for ever.
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file < 0) return detail::io_error(path, "open", errno);
        struct stat about {};
        const int failed = ::fstat(file, &about) != 0 ? errno : 0;
        if (failed != 0 || !S_ISREG(about.st_mode)) {
            ::close(file);
            if (failed != 0) return detail::io_error(path, "open", failed);
            if (S_ISDIR(about.st_mode)) return detail::io_error(path, "read", EISDIR);
            return detail::not_regular(path);
        }
        const auto length = static_cast<std::uintmax_t>(about.st_size);
        if (length == 0 || length > most_bytes) {
            ::close(file);
            return unexpected_size(path, length, most_bytes);
        }
        void* data =
            ::mmap(nullptr, static_cast<std::size_t>(length), PROT_READ, MAP_PRIVATE, file, 0);
        const int refused = data == MAP_FAILED ? errno : 0;
        ::close(file);  // the mapping keeps the file
        if (refused != 0) return detail::io_error(path, "map", refused);
        mapped.data_ = static_cast<const std::byte*>(data);
        mapped.size_ = static_cast<std::size_t>(length);
#else
        Result<std::vector<std::byte>> read = detail::read_whole(path);
        if (!read) return std::move(read).error();
        if (read->empty() || read->size() > most_bytes)
            return unexpected_size(path, read->size(), most_bytes);
        mapped.owned_ = std::move(*read);
        mapped.data_ = mapped.owned_.data();
        mapped.size_ = mapped.owned_.size();
#endif
        return mapped;
    }

    MappedFile(MappedFile&& other) noexcept { swap(other); }
    MappedFile& operator=(MappedFile&& other) noexcept {
        swap(other);
        return *this;
    }
    ~MappedFile() {
#if defined(__unix__) || defined(__APPLE__)
        if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
#endif
    }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(data_), size_};
    }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /// The bytes will be read once, in order: the system reads ahead.
    void advise_sequential() const noexcept { advise(bytes(), Advice::sequential); }
    /// `part` will be read here and there, a few bytes at a time: the system reads nothing ahead.
    void advise_random(std::span<const std::byte> part) const noexcept {
        advise(part, Advice::random);
    }
    /// `part` will be read now: brings in all of it at once, which is quicker than page by page.
    /// False where the file no longer has it, so that touching it would raise SIGBUS.
    [[nodiscard]] bool will_need(std::span<const std::byte> part) const noexcept {
#if defined(MADV_POPULATE_READ)
        return advise(part, Advice::will_need) || errno != EFAULT;
#else
        static_cast<void>(part);
        return true;
#endif
    }
    /// `part` has been read and need not stay in this program's memory. What is touched again is
    /// there again, from the file; so this may be wrong about a page but never breaks anything.
    void dont_need(std::span<const std::byte> part) const noexcept {
        advise(part, Advice::dont_need);
    }

  private:
    enum class Advice { sequential, random, will_need, dont_need };

    static Error unexpected_size(const std::string& path, std::uintmax_t size,
                                 std::size_t most_bytes) {
        return {
            Errc::bad_format,
            path + (size == 0 ? ": is empty"
                              : joined({": has ", size, " bytes, expected at most ", most_bytes}))};
    }

    /// False where the system refuses, for the reason in errno.
    bool advise([[maybe_unused]] std::span<const std::byte> part,
                [[maybe_unused]] Advice advice) const noexcept {
#if defined(__unix__) || defined(__APPLE__)
        const auto address = reinterpret_cast<std::uintptr_t>(part.data());
        const auto first = reinterpret_cast<std::uintptr_t>(data_);
        if (data_ == nullptr || address < first || address - first > size_ ||
            part.size() > size_ - (address - first))
            return true;  // not ours
        // A page is touched, and the system maps those around it: they go with it, or every piece
        // of a file that is read piece by piece would leave some behind.
        const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        const std::uintptr_t unit = advice == Advice::dont_need ? 16 * page : page;
        const std::uintptr_t last = first + size_;
        const std::uintptr_t begin = std::max(first, address / unit * unit);
        std::uintptr_t end = address + part.size();
        if (advice == Advice::dont_need) end = std::min(last, (end + unit - 1) / unit * unit);
        if (end <= begin) return true;
        int how = MADV_DONTNEED;
        if (advice == Advice::sequential) how = MADV_SEQUENTIAL;
        if (advice == Advice::random) how = MADV_RANDOM;
#if defined(MADV_POPULATE_READ)
        if (advice == Advice::will_need) how = MADV_POPULATE_READ;
#endif
        return ::madvise(reinterpret_cast<void*>(begin), end - begin, how) == 0;
#else
        return true;
#endif
    }
    void swap(MappedFile& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(owned_, other.owned_);
    }

    std::string path_;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::vector<std::byte> owned_;  ///< only where there is no mmap
};

}  // namespace carat::inline CARAT_ABI
