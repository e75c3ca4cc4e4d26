#include "carat/checkpoint/tensors/convert_elements.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace carat;

namespace {

/// Converts through memory that is aligned to nothing.
template <class To, class From>
To through_bytes(From x) {
    std::vector<std::byte> from(1 + sizeof(From)), to(3 + sizeof(To));
    std::memcpy(from.data() + 1, &x, sizeof x);
    convert_elements(to.data() + 3, dtype_of<To>, from.data() + 1, dtype_of<From>, 1);
    To y;
    std::memcpy(&y, to.data() + 3, sizeof y);
    return y;
}

}  // namespace

TEST_CASE("every 16-bit float widens exactly and narrows back to itself") {
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const bf16 b{static_cast<std::uint16_t>(bits)};
        const f16 h{static_cast<std::uint16_t>(bits)};
        const float wide_b = through_bytes<float>(b), wide_h = through_bytes<float>(h);
        if (std::isnan(wide_b) || std::isnan(wide_h)) {
            CHECK(std::isnan(wide_b) ==
                  std::isnan(through_bytes<float>(through_bytes<bf16>(wide_b))));
            CHECK(std::isnan(wide_h) ==
                  std::isnan(through_bytes<float>(through_bytes<f16>(wide_h))));
            continue;
        }
        if (through_bytes<bf16>(wide_b) != b || through_bytes<f16>(wide_h) != h) FAIL(bits);
    }
}

TEST_CASE("narrowing rounds to nearest, ties to even") {
    CHECK(through_bytes<bf16>(1.00390625f) == to_bf16(1.0f));  // a tie: to even
    CHECK(through_bytes<bf16>(1.01171875f) == to_bf16(1.015625f));
    CHECK(through_bytes<bf16>(1.0039064f) == to_bf16(1.0078125f));
    CHECK(through_bytes<f16>(2049.0f) == to_f16(2048.0f));
    CHECK(through_bytes<f16>(2051.0f) == to_f16(2052.0f));
    CHECK(through_bytes<f16>(to_bf16(1e6f)) == f16{0x7c00});
    CHECK(through_bytes<bf16>(to_f16(0.5f)) == to_bf16(0.5f));
    CHECK(through_bytes<float>(std::numeric_limits<float>::denorm_min()) ==
          std::numeric_limits<float>::denorm_min());
}

TEST_CASE("equal types are copied bit by bit, whatever they are") {
    const std::int64_t ids[] = {1, -2, 3};
    std::int64_t copy[3] = {};
    convert_elements(reinterpret_cast<std::byte*>(copy), DType::i64,
                     reinterpret_cast<const std::byte*>(ids), DType::i64, 3);
    CHECK(copy[1] == -2);
    convert_elements(nullptr, DType::f32, nullptr, DType::bf16, 0);
}
