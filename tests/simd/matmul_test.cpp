#include "carat/simd/matmul.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

/// Every element is dot() of its row and column bit for bit, whatever the number of rows, of
/// columns and the strides. dot() itself is checked against a plain loop in dot_test.cpp.
template <class W, class X>
void check_matmul(std::size_t rows, std::size_t columns, std::size_t k) {
    CAPTURE(rows);
    CAPTURE(columns);
    CAPTURE(k);
    const std::size_t w_stride = k + 3, x_stride = k + 2, y_stride = rows + 1;
    const auto w = Elements<W>::random((rows - 1) * w_stride + k, rows, 1);
    const auto x = Elements<X>::random((columns - 1) * x_stride + k, columns, 1);
    Elements<float> y((columns - 1) * y_stride + rows, 1);
    for (float& v : y) v = -77.0f;
    simd::matmul(w.data(), w_stride, rows, x.data(), x_stride, columns, k, y.data(), y_stride);
    std::size_t wrong = 0;
    for (std::size_t c = 0; c < columns; ++c) {
        for (std::size_t r = 0; r < rows; ++r)
            wrong += y[c * y_stride + r] ==
                             simd::dot(w.data() + r * w_stride, x.data() + c * x_stride, k)
                         ? 0u
                         : 1u;
        if (c + 1 < columns) wrong += y[c * y_stride + rows] == -77.0f ? 0u : 1u;
    }
    CHECK(wrong == 0);
}

template <class W, class X>
void check_sizes() {
    for (const std::size_t columns : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 11u, 22u})
        for (const std::size_t rows : {1u, 2u, 5u, 6u, 7u, 8u, 9u, 24u, 25u})
            check_matmul<W, X>(rows, columns, 35);
    for (const std::size_t k : {1u, 16u, 64u, 97u}) check_matmul<W, X>(19, 6, k);
}

TEST_CASE("a value of matmul is the dot of its row and column, bit for bit: f32") {
    check_sizes<float, float>();
}
TEST_CASE("a value of matmul is the dot of its row and column, bit for bit: bf16") {
    check_sizes<bf16, float>();
}
TEST_CASE("a value of matmul is the dot of its row and column, bit for bit: f16") {
    check_sizes<f16, float>();
}
TEST_CASE("a value of matmul is the dot of its row and column, bit for bit: bf16 by bf16") {
    check_sizes<bf16, bf16>();
}

TEST_CASE("more columns than a block of the cache holds are all computed") {
    check_matmul<bf16, bf16>(7, 45, 12000);  // blocks of some twenty columns
    check_matmul<bf16, bf16>(2, 9, 280000);  // a column alone is larger than a block
}

TEST_CASE("rows of several groups and tokens of several pieces have the sums of dot") {
    for (const std::size_t k : {511u, 512u, 513u, 1024u, 1541u}) {
        check_matmul<float, float>(65, 7, k);
        check_matmul<bf16, float>(270, 15, k);
        for (const std::size_t tokens : {4u, 5u}) {
            check_matmul<bf16, float>(530, tokens, k);
            check_matmul<bf16, bf16>(530, tokens, k);
        }
    }
    check_matmul<f16, float>(128, 6, 2048);
}

TEST_CASE("no rows and no columns write nothing; no inner dimension writes zeros") {
    float y[4] = {1, 2, 3, 4};
    const float one[4] = {1, 1, 1, 1};
    simd::matmul(one, 1, 0, one, 1, 2, 1, y, 2);
    simd::matmul(one, 1, 2, one, 1, 0, 1, y, 2);
    CHECK(y[0] == 1.0f);
    CHECK(y[3] == 4.0f);
    simd::matmul(one, 0, 2, one, 0, 2, 0, y, 2);
    for (const float v : y) CHECK(v == 0.0f);
    std::vector<float> many(14, 1.0f);
    simd::matmul(one, 0, 2, one, 0, 7, 0, many.data(), 2);
    for (const float v : many) CHECK(v == 0.0f);
}

}  // namespace
}  // namespace carat::test
