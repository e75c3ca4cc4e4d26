/// \file
/// Planned memory: the same code that hands out views of an Arena counts, with a MemoryPlan, how
/// many bytes it takes.
///
///     template <class Space>
///     static Scratch take(Space& space, std::size_t rows) {
///         return {space.template take<float, dynamic, 6144>(rows)};
///     }
///
/// With a MemoryPlan the views point nowhere and only `bytes` grows (also at compile time); with an
/// Arena of that many bytes every view gets its place. So a plan cannot differ from what is taken.
#pragma once

#include "carat/tensor/view.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace carat::inline CARAT_ABI {

/// Alignment of everything planned: a cache line, and the widest vector of today's machines.
inline constexpr std::size_t planned_alignment = 64;

/// What a plan says of more memory than addresses can name. No Arena has so much: where a caller
/// chooses a size, a plan stops here rather than start over at 0.
inline constexpr std::size_t most_planned =
    std::numeric_limits<std::size_t>::max() / planned_alignment * planned_alignment;

constexpr std::size_t aligned_size(std::size_t bytes) {
    if (bytes > most_planned) return most_planned;
    return (bytes + planned_alignment - 1) / planned_alignment * planned_alignment;
}

/// Bytes that elements of a size take in these extents, at most most_planned. Not inlined into the
/// hundred places that take memory.
[[gnu::noinline]] constexpr std::size_t planned_size(std::size_t element,
                                                     std::span<const std::size_t> extents) {
    std::size_t bytes = element;
    for (const std::size_t n : extents) {
        if (n == 0) return 0;
        bytes = bytes > most_planned / n ? most_planned : bytes * n;
    }
    return aligned_size(bytes);
}
/// The same for a view of this shape.
template <class T, std::size_t... Extents>
constexpr std::size_t planned_size(const View<T, Extents...>& shape) {
    std::size_t extents[sizeof...(Extents)] = {};
    for (std::size_t axis = 0; axis < sizeof...(Extents); ++axis)
        extents[axis] = shape.extent(axis);
    return planned_size(sizeof(T), extents);
}

class MemoryPlan {
  public:
    template <class T, std::size_t... Extents, class... Sizes>
    constexpr View<T, Extents...> take(Sizes... sizes) {
        const View<T, Extents...> shape(nullptr, sizes...);
        add(planned_size(shape));
        return shape;
    }
    [[nodiscard]] constexpr std::size_t mark() const { return used_; }
    constexpr void rewind(std::size_t mark) { used_ = mark; }
    /// The most that was ever taken at once.
    [[nodiscard]] constexpr std::size_t bytes() const { return bytes_; }

  private:
    [[gnu::noinline]] constexpr void add(std::size_t size) {
        used_ = size > most_planned - used_ ? most_planned : used_ + size;
        bytes_ = used_ > bytes_ ? used_ : bytes_;
    }

    std::size_t used_ = 0, bytes_ = 0;
};

/// One block of zeroed memory, in huge pages where the system has them. Moves, never copies, never
/// grows.
class Arena {
  public:
    Arena() = default;
    /// Takes `bytes` at once; if the system refuses them, the arena is empty and false.
    explicit Arena(std::size_t bytes) noexcept {
        const std::size_t size = (bytes + page - 1) / page * page;
        if (size < bytes) return;
#if defined(__linux__)
        // Anonymous pages come zeroed and untouched, so that reserved context costs nothing until
        // it is used.
        void* p = ::mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
        if (p == MAP_FAILED) return;
        map_ = p;
        map_size_ = size + page;
        const auto address = reinterpret_cast<std::uintptr_t>(p);
        data_ = static_cast<std::byte*>(p) + ((page - address % page) % page);
        // Whole huge pages only: one at the end would be memory that no plan knows of.
        const std::size_t whole = bytes / page * page;
        if (whole > 0) ::madvise(data_, whole, MADV_HUGEPAGE);
        if (size > whole) ::madvise(data_ + whole, size - whole, MADV_NOHUGEPAGE);
#else
        data_ =
            static_cast<std::byte*>(::operator new (size, std::align_val_t{page}, std::nothrow));
        if (data_ == nullptr) return;
        for (std::size_t i = 0; i < size; ++i) data_[i] = std::byte{};
#endif
        size_ = bytes;
    }
    Arena(Arena&& other) noexcept { swap(other); }
    Arena& operator=(Arena&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Arena() {
#if defined(__linux__)
        if (map_ != nullptr) ::munmap(map_, map_size_);
#else
        ::operator delete (data_, std::align_val_t{page});
#endif
    }

    explicit operator bool() const noexcept { return data_ != nullptr; }

    /// A view of the next free bytes; one that points nowhere if the plan was too small.
    template <class T, std::size_t... Extents, class... Sizes>
    View<T, Extents...> take(Sizes... sizes) noexcept {
        const View<T, Extents...> shape(nullptr, sizes...);
        return View<T, Extents...>(reinterpret_cast<T*>(next(planned_size(shape))), sizes...);
    }
    [[nodiscard]] std::size_t mark() const noexcept { return used_; }
    void rewind(std::size_t mark) noexcept { used_ = mark; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    /// The next free bytes, or null.
    [[gnu::noinline]] std::byte* next(std::size_t bytes) noexcept {
        if (data_ == nullptr || bytes > size_ - used_) return nullptr;
        std::byte* place = data_ + used_;
        used_ += bytes;
        return place;
    }

    static constexpr std::size_t page = std::size_t{1} << 21;  // of x86-64 and most AArch64 systems

    void swap(Arena& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(used_, other.used_);
        std::swap(map_, other.map_);
        std::swap(map_size_, other.map_size_);
    }

    std::byte* data_ = nullptr;
    std::size_t size_ = 0, used_ = 0;
    void* map_ = nullptr;
    std::size_t map_size_ = 0;
};

/// Runs each part, which takes views from `space`, from the same place: what is never alive at the
/// same time shares its memory. What is taken afterwards lies behind the longest part.
template <class Space, class... Parts>
constexpr void share(Space& space, Parts&&... parts) {
    const std::size_t start = space.mark();
    std::size_t end = start;
    const auto run = [&](auto& part) {
        space.rewind(start);
        part();
        end = space.mark() > end ? space.mark() : end;
    };
    (run(parts), ...);
    space.rewind(end);
}

}  // namespace carat::inline CARAT_ABI
