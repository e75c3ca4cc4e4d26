#include "carat/nn/kv_tile.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

namespace carat::test {
namespace {

/// A tile of random keys and values, and queries and probabilities for them.
template <class Element, Arithmetic a, std::size_t head_dim>
struct Setup {
    using Tile = nn::KvTile<Element, head_dim>;
    using P = nn::AttentionOperand<a>;
    static constexpr std::size_t tile = nn::kv_tile, rows = 21, lanes = Tile::lanes;

    struct Stored {
        typename Tile::Keys keys;
        typename Tile::Values values;
        typename Tile::template Room<a> room;
    };
    std::unique_ptr<Stored> s = std::make_unique<Stored>();
    std::vector<std::array<float, head_dim>> keys, values, queries;  ///< as they count
    std::vector<typename Tile::template Query<a>> taken;
    Elements<P> p{rows * tile};

    Setup() {
        for (std::size_t t = 0; t < tile; ++t) {
            keys.push_back(random(t));
            values.push_back(random(1000 + t));
            const auto k = Tile::round(keys[t].data()), v = Tile::round(values[t].data());
            s->keys.set(t, k);
            s->values.set(t, v);
            Tile::widen(k, keys[t].data());
            Tile::widen(v, values[t].data());
        }
        taken.resize(rows);
        for (std::size_t r = 0; r < rows; ++r) {
            queries.push_back(random(2000 + r));
            Tile::take(queries[r].data(), taken[r]);
        }
    }
    static std::array<float, head_dim> random(std::size_t seed) {
        const auto x = Elements<float>::random(head_dim, seed);
        std::array<float, head_dim> out;
        std::copy(x.begin(), x.end(), out.begin());
        return out;
    }
    /// Half a unit of what a query is rounded to, and of an operand that blocks expand to.
    [[nodiscard]] double query_unit(std::size_t r, std::size_t i) const {
        if constexpr (a == Arithmetic::exact) {
            return 0;
        } else if constexpr (is_quantized<Element>) {
            float largest = 0;
            const std::size_t first = i / quant_block * quant_block;
            for (std::size_t j = first; j < std::min(head_dim, first + quant_block); ++j)
                largest = std::max(largest, std::abs(queries[r][j]));
            return 0.501 * static_cast<double>(largest) / 127;
        } else {
            return sizeof(P) == 2 ? std::abs(static_cast<double>(queries[r][i])) * 0x1p-8 : 0;
        }
    }
    std::vector<float> scores(std::size_t first, std::size_t n, std::size_t queries_at_once) {
        std::vector<float> y(rows * tile, -77.0f);
        for (std::size_t r = 0; r < rows; r += queries_at_once)
            s->keys.template score<a>(&taken[r], std::min(queries_at_once, rows - r), first, n,
                                      &y[r * tile], s->room);
        return y;
    }
    std::size_t wrong_scores(std::size_t first, std::size_t n, std::size_t queries_at_once) {
        const auto y = scores(first, n, queries_at_once);
        std::size_t wrong = 0;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t t = 0; t < tile; ++t) {
                if (t >= 16 * n) {
                    wrong += y[r * tile + t] == -77.0f ? 0u : 1u;
                    continue;
                }
                double sum = 0, bound = 0;
                for (std::size_t i = 0; i < head_dim; ++i) {
                    const double k = static_cast<double>(keys[16 * first + t][i]);
                    const double product = k * static_cast<double>(queries[r][i]);
                    const double operand = std::is_same_v<Element, P> || is_quantized<Element>
                                               ? 0
                                               : 0x1p-8 * (sizeof(P) == 2);
                    sum += product;
                    bound +=
                        query_unit(r, i) * std::abs(k) + std::abs(product) * (operand + 0x1p-20);
                }
                const double error = std::abs(static_cast<double>(y[r * tile + t]) - sum);
                wrong += error <= bound + 1e-9 ? 0u : 1u;
            }
        return wrong;
    }
    std::vector<float> mixes(std::size_t begin, std::size_t end, std::size_t rows_at_once) {
        Random random(begin + 1000 * end);
        const std::size_t from = begin / 16 * 16, to = (end + 15) / 16 * 16;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t t = from; t < to; ++t) {
                const float x = 0.5f + 0.5f * random.number();
                p[r * tile + t] = from_f32<P>(t < begin || t >= end ? 0.0f : t == begin ? 1.0f : x);
            }
        std::vector<float> y(rows * lanes, -77.0f);
        for (std::size_t r = 0; r < rows; r += rows_at_once)
            s->values.template mix<a>(&p[r * tile], std::min(rows_at_once, rows - r), begin, end,
                                      &y[r * lanes], s->room);
        return y;
    }
    std::size_t wrong_mixes(std::size_t begin, std::size_t end, std::size_t rows_at_once) {
        const auto y = mixes(begin, end, rows_at_once);
        std::size_t wrong = 0;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t i = 0; i < head_dim; ++i) {
                double sum = 0, size = 0;
                for (std::size_t t = begin; t < end; ++t) {
                    const double product = static_cast<double>(to_f32(p[r * tile + t])) *
                                           static_cast<double>(values[t][i]);
                    sum += product;
                    size += std::abs(product);
                }
                // Blocks and floats as bf16, or shares of 1/32767 of a row's largest.
                const bool rounds = a == Arithmetic::fast && !std::is_same_v<Element, P>;
                const double bound = size * (rounds ? 0x1p-8 : 0x1p-20);
                const double error = std::abs(static_cast<double>(y[r * lanes + i]) - sum);
                wrong += error <= bound + 1e-9 ? 0u : 1u;
            }
        return wrong;
    }
};

template <class Element, Arithmetic a, std::size_t... head_dims>
void check() {
    const auto one = []<std::size_t head_dim>() {
        CAPTURE(head_dim);
        Setup<Element, a, head_dim> s;
        const auto scores = s.scores(0, 8, 21), mixes = s.mixes(17, 90, 21);
        for (const std::size_t at_once : {1u, 4u, 16u, 21u}) {
            CAPTURE(at_once);
            CHECK(s.scores(0, 8, at_once) == scores);
            CHECK(s.mixes(17, 90, at_once) == mixes);
            CHECK(s.wrong_scores(0, 8, at_once) == 0);
            CHECK(s.wrong_scores(3, 2, at_once) == 0);
            CHECK(s.wrong_scores(7, 1, at_once) == 0);
            CHECK(s.wrong_mixes(0, 128, at_once) == 0);
            CHECK(s.wrong_mixes(5, 6, at_once) == 0);
            CHECK(s.wrong_mixes(17, 90, at_once) == 0);
            CHECK(s.wrong_mixes(126, 127, at_once) == 0);
        }
    };
    (one.template operator()<head_dims>(), ...);
}

TEST_CASE("scores with a tile's keys and sums of its values are those of a plain loop: exact") {
    check<float, Arithmetic::exact, 1, 6, 16, 18, 64>();
    check<bf16, Arithmetic::exact, 2, 6, 16, 18, 64>();
    check<q8_0, Arithmetic::exact, 2, 6, 16, 18, 32, 34, 64, 80>();
    check<q4_0, Arithmetic::exact, 2, 16, 18, 32, 34, 64, 80>();
}
TEST_CASE("scores with a tile's keys and sums of its values are those of a plain loop: fast") {
    check<float, Arithmetic::fast, 2, 6, 16, 18, 64>();
    check<bf16, Arithmetic::fast, 2, 6, 16, 18, 64>();
    check<q8_0, Arithmetic::fast, 2, 6, 16, 18, 32, 34, 64, 80>();
    check<q4_0, Arithmetic::fast, 2, 16, 18, 32, 34, 64, 80>();
}

/// A key whose scale is no finite number, among others.
template <Arithmetic a>
void check_no_number(float scale) {
    CAPTURE(scale);
    Setup<q8_0, a, 64> s;
    const auto before = s.scores(0, 8, 21);
    auto key = nn::KvTile<q8_0, 64>::round(s.keys[37].data());
    key[1].scale = to_f16(scale);
    s.s->keys.set(37, key);
    const auto after = s.scores(0, 8, 21);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
        const bool hit = i % nn::kv_tile == 37;
        wrong += (hit ? !std::isfinite(after[i]) : after[i] == before[i]) ? 0u : 1u;
    }
    CHECK(wrong == 0);
}
TEST_CASE("a scale that is no finite number makes its key's scores none, and no others") {
    constexpr float inf = std::numeric_limits<float>::infinity();
    for (const float scale : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
        check_no_number<Arithmetic::exact>(scale);
        check_no_number<Arithmetic::fast>(scale);
    }
}

}  // namespace
}  // namespace carat::test
