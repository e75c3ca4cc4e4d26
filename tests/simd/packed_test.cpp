#include "carat/simd/packed.hpp"

#include "carat/simd/matmul.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

/// Packed products of random rows against a plain loop in double; nothing beyond them is written.
template <std::size_t out, std::size_t in>
void check_packed(std::size_t begin, std::size_t end, std::size_t tokens) {
    CAPTURE(out);
    CAPTURE(in);
    CAPTURE(begin);
    CAPTURE(end);
    CAPTURE(tokens);
    const auto w = Elements<bf16>::random(out * in, 1, 1);
    const auto x = Elements<bf16>::random(tokens * in, 2, 3);
    const std::size_t rows = end - begin, y_stride = rows + 2;
    std::vector<float> y(tokens * y_stride, -77.0f);
    simd::packed_matmul(begin, end, in, x.data(), tokens, y.data(), y_stride,
                        [&](std::size_t row, std::size_t n, std::size_t k, std::size_t depth,
                            simd::detail::PackedBlock& block) {
                            simd::detail::pack_rows(w.data() + row * in + k, in, n, depth, block);
                        });
    std::size_t wrong = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t r = 0; r < rows; ++r) {
            double sum = 0.0, size = 0.0;
            for (std::size_t k = 0; k < in; ++k) {
                const double term = static_cast<double>(to_f32(w[(begin + r) * in + k])) *
                                    static_cast<double>(to_f32(x[t * in + k]));
                sum += term;
                size += std::abs(term);
            }
            // a rounding for each step of a sum in order, of which most cancel
            const double error = std::abs(static_cast<double>(y[t * y_stride + r]) - sum);
            wrong += error <= size * 0x1p-24 * (3.0 + static_cast<double>(in) / 8.0) ? 0u : 1u;
        }
        for (std::size_t r = rows; r < y_stride; ++r)
            wrong += y[t * y_stride + r] == -77.0f ? 0u : 1u;
    }
    CHECK(wrong == 0);
}

TEST_CASE("packed products agree with a plain loop for odd numbers of rows, tokens and pairs") {
    for (const std::size_t tokens : {1u, 5u, 6u, 7u, 13u}) {
        check_packed<64, 32>(0, 64, tokens);
        check_packed<130, 34>(0, 130, tokens);
        check_packed<130, 34>(64, 127, tokens);
        check_packed<3, 2>(0, 3, tokens);
    }
}
TEST_CASE("packed products of rows longer than a block go on with the sums of the block before") {
    check_packed<70, simd::detail::packed_depth + 6>(0, 70, 8);
    check_packed<5, 3 * simd::detail::packed_depth>(1, 5, 7);
}
TEST_CASE("more tokens than a block is packed for go through it in parts") {
    for (const std::size_t tokens : {516u, 517u, 1037u})
        check_packed<70, simd::detail::packed_depth + 6>(3, 70, tokens);
}

}  // namespace
}  // namespace carat::test
