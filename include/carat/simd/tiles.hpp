/// \file
/// Matrix tiles: eight registers of sixteen rows of 64 bytes, and one instruction that multiplies
/// two of them (AMX, in Xeons since Sapphire Rapids). What a product needs of them, and nothing
/// else.
///
/// Left is a tile of sixteen tokens, 32 consecutive values each; right one of sixteen rows of
/// weights, [32 / n, 16, n] with n = 2 bf16 or n = 4 bytes together, as packed rows and panels lie.
/// The products are written over a set of tiles, so that they are tested where there is none.
#pragma once

#include "carat/simd/target.hpp"

#include <cstddef>
#include <cstdint>

// What tiles cannot take, or may not, goes to the bf16 dot product: with both or with neither.
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__) && \
    HWY_NATIVE_DOT_BF16 && defined(__linux__) && defined(__x86_64__)
#define CARAT_HAS_TILES 1
#include <sys/syscall.h>
#include <unistd.h>
#else
#define CARAT_HAS_TILES 0
#endif

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// Whether the machine compiled for has them, and the bf16 dot product as well.
inline constexpr bool has_tiles = CARAT_HAS_TILES == 1;
/// Whether bf16 is best multiplied in pairs: by matrix tiles, or by the bf16 dot product. That
/// of Sapphire Rapids is half as fast as f32 (35 to 42 and 70 to 83 G multiply-adds a second on a
/// core).
inline constexpr bool packs_pairs = has_tiles || (native_dot_bf16 && HWY_TARGET != HWY_AVX3_SPR);
/// Tokens and rows of a tile, and how many of their values are multiplied at once.
inline constexpr std::size_t tile_side = 16, tile_depth = 32;

#if CARAT_HAS_TILES
/// The thread's tiles, from here to the end of the scope. 0 to 3 hold sums, 4 and 5 tokens, 6 and 7
/// weights; values have `bytes` bytes. Where there are fewer than sixteen tokens, 0, 1 and 4 have
/// that many rows, and nothing else of memory is touched.
template <std::size_t bytes>
class Tiles {
  public:
    explicit Tiles(std::size_t tokens = tile_side) noexcept {
        struct alignas(64) {
            std::uint8_t palette = 1, start = 0, reserved[14] = {};
            std::uint16_t row_bytes[16] = {};
            std::uint8_t rows[16] = {};
        } config;
        for (std::size_t t = 0; t < 8; ++t) {
            config.row_bytes[t] = t == 4 || t == 5 ? tile_depth * bytes : 64;
            const bool few = t < 2 || t == 4;
            config.rows[t] = static_cast<std::uint8_t>(t >= 6 ? tile_depth * bytes / 4
                                                       : few  ? tokens
                                                              : tile_side);
        }
        asm volatile("ldtilecfg %0" ::"m"(config));
    }
    ~Tiles() { asm volatile("tilerelease" ::); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;

    /// Whether the system lets this process use them; it is asked once.
    static bool allowed() noexcept {
        static const bool answer = [] {
            constexpr long request_permission = 0x1023, tile_data = 18;
            return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
        }();
        return answer;
    }

    template <int t>
    HWY_INLINE void zero() {
        asm volatile("{tilezero %%tmm%c0|tilezero tmm%c0}" ::"i"(t));
    }
    /// Rows of the tile are `stride` bytes apart in memory.
    template <int t>
    HWY_INLINE void load(const void* from, std::size_t stride) {
        asm volatile("{tileloadd (%0,%1,1), %%tmm%c2|tileloadd tmm%c2, [%0+%1*1]}" ::"r"(from),
                     "r"(stride), "i"(t)
                     : "memory");
    }
    template <int t>
    HWY_INLINE void store(void* to, std::size_t stride) {
        asm volatile("{tilestored %%tmm%c2, (%0,%1,1)|tilestored [%0+%1*1], tmm%c2}" ::"r"(to),
                     "r"(stride), "i"(t)
                     : "memory");
    }
    /// sum += left · right: bf16 with sums in f32, or signed bytes with sums of 32 bits.
    template <int sum, int left, int right>
    HWY_INLINE void multiply() {
        if constexpr (bytes == 2)
            asm volatile(
                "{tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0|tdpbf16ps tmm%c0, tmm%c1, "
                "tmm%c2}" ::"i"(sum),
                "i"(left), "i"(right));
        else
            asm volatile(
                "{tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0|tdpbssd tmm%c0, tmm%c1, "
                "tmm%c2}" ::"i"(sum),
                "i"(left), "i"(right));
    }
};
#else
template <std::size_t bytes>
struct Tiles {
    static constexpr bool allowed() noexcept { return false; }
};
#endif
#undef CARAT_HAS_TILES

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
