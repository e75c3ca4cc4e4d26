#include "carat/simd/batch.hpp"

#include <doctest/doctest.h>

#include <array>

namespace carat::test {
namespace {

using simd::Batch;

TEST_CASE("a product and a sum are rounded once where the machine can, and as the lanes say") {
    const float x = 1.0f + 0x1p-23f;  // x² = 1 + 2^-22 + 2^-46, whose last term two roundings lose
    std::array<float, Batch::size> a{}, b{}, c{}, out{};
    for (std::size_t i = 0; i < Batch::size; ++i) {
        a[i] = i % 2 == 0 ? x : static_cast<float>(i);
        b[i] = i % 2 == 0 ? x : -2.0f;
        c[i] = i % 2 == 0 ? -(1.0f + 0x1p-22f) : 1.0f;
    }
    simd::store(out.data(), Batch::size,
                simd::mul_add(simd::load(a.data(), Batch::size), simd::load(b.data(), Batch::size),
                              simd::load(c.data(), Batch::size)));
    for (std::size_t i = 0; i < Batch::size; ++i) {
        CAPTURE(i);
        if (i % 2 != 0) CHECK(out[i] == 1.0f - 2.0f * static_cast<float>(i));
#if HWY_NATIVE_FMA
        if (i % 2 == 0) CHECK(out[i] == 0x1p-46f);
#endif
    }
}

}  // namespace
}  // namespace carat::test
