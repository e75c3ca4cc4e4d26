/// \file
/// Where RapidJSON has its memory from. Its own allocator answers null where there is none, and its
/// code writes there without a look.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

namespace carat::inline CARAT_ABI::json {

/// operator new as an allocator of RapidJSON: memory that is refused is std::bad_alloc. The names
/// are RapidJSON's.
struct Memory {
    static constexpr bool kNeedFree = true;

    void* Malloc(std::size_t size) { return size == 0 ? nullptr : ::operator new(size); }
    void* Realloc(void* old, std::size_t old_size, std::size_t size) {
        void* const grown = Malloc(size);
        if (old_size > 0 && size > 0) std::memcpy(grown, old, std::min(old_size, size));
        Free(old);
        return grown;
    }
    static void Free(void* memory) noexcept { ::operator delete(memory); }

    friend bool operator==(const Memory&, const Memory&) noexcept { return true; }
};

}  // namespace carat::inline CARAT_ABI::json
