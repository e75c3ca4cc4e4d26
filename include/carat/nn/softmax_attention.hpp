/// \file
/// softmax(q kᵀ) v over cached keys and values, a tile of keys at a time: never more scores at once
/// than a block of queries has with one tile.
///
///     of tile j:   z = q k_jᵀ,  m_j = max z,  p = exp(z - m_j),  s_j = Σ p,  o_j = p v_j
///     in order:    m = max(m, m_j),  (s, o) = (s, o) · exp(m' - m) + (s_j, o_j) · exp(m_j - m)
///     at the end:  o / s
///
/// Tiles lie at multiples of their length whatever the call, and are merged in order, so that a
/// token's result is the same bits in any chunk, on any number of threads, alone or among others.
/// Tiles that the mask excludes are not touched; within a tile a value that is no number can reach
/// tokens that do not see it, as 0 · ∞.
#pragma once

#include "carat/nn/bands.hpp"
#include "carat/nn/kv_cache.hpp"
#include "carat/nn/mask.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/simd/softmax.hpp"
#include "carat/tensor/weights.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// What may change scores before the mask, or be a mask: f(query, head, first_key, scores), where
/// scores [n] are those of one query head with the keys first_key …; -infinity hides a key.
/// It is called on the executor's threads, where an exception ends the program; only what it throws
/// on the caller's own comes out of a ThreadPool, when the others have returned.
template <class F>
concept ScoreFunction = requires(const F f, std::size_t i, std::span<float> scores) {
    f(i, i, i, scores);
};

/// Leaves scores as they are.
struct PlainScores {
    void operator()(std::size_t, std::size_t, std::size_t, std::span<float>) const {}
};

/// Element is what keys and values are stored as.
template <class Element, Arithmetic arithmetic, std::size_t kv_heads, std::size_t group,
          std::size_t head_dim, std::size_t tile_keys = kv_tile>
struct SoftmaxAttention {
    using Cache = KvCache<Element, kv_heads, head_dim, tile_keys>;
    using Tile = typename Cache::Tile;
    using Query = typename Tile::template Query<arithmetic>;
    using P = AttentionOperand<arithmetic>;
    static_assert(head_dim % simd::panel_pair<P> == 0,
                  "carat: head_dim must be even in fast arithmetic, whose products take pairs");
    static constexpr std::size_t heads = kv_heads * group, q_size = heads * head_dim;
    static constexpr std::size_t tile = Cache::tile, lanes = Cache::lanes;
    static constexpr float lowest = -std::numeric_limits<float>::infinity();
    static constexpr bool rounds = !std::is_same_v<P, float>;

    /// Queries of one key/value head that are scored together: enough for a tile read from the
    /// second-level cache to cost little, few enough that a sliding window's ends waste little.
    static constexpr std::size_t block_tokens = (32 + group - 1) / group;
    static constexpr std::size_t block_rows = block_tokens * group;

    /// What a thread needs for itself, in one piece: a thread that goes down the rows of its scores
    /// has the machine's prefetchers ask for what lies that far behind them, and another's scores
    /// there would be taken from it (vision attention with two threads of Zen 5: 54 ms before, 43
    /// since).
    struct alignas(simd::cache_line) Work {
        std::array<float, block_rows * tile> scores;
        std::array<P, rounds ? block_rows * tile : 0> rounded;
        typename Tile::template Room<arithmetic> room;
        std::array<float, block_rows * lanes> part, mixed;
        std::array<Query, block_rows> queries;
    };
    struct Scratch {
        View<Work, dynamic> workers;
        View<simd::SoftmaxPart, dynamic, heads> tops;  ///< [tiles]: of one token
        View<float, dynamic, heads * lanes> tiles;     ///< [tiles]: of one token

        /// Threads, slots of the longest cache.
        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t workers, std::size_t slots) {
            const std::size_t n = (slots + tile - 1) / tile + 1;  // a ring's first tile wraps
            return {space.template take<Work, dynamic>(workers),
                    space.template take<simd::SoftmaxPart, dynamic, heads>(n),
                    space.template take<float, dynamic, heads * lanes>(n)};
        }
    };

    /// q, out [tokens, heads · head_dim]; out may be q. visible(t) is what token t sees of the
    /// cache; key_mask, by cache index, has 0 for padding, and nothing is if it is empty.
    template <class Seen, class Adjust = PlainScores>
    void forward(Rows<const float, q_size> q, const Seen& visible,
                 std::span<const std::uint8_t> key_mask, const Cache& cache,
                 Rows<float, q_size> out, const Scratch& s, ExecutorRef executor,
                 const Adjust& adjust = {}) const {
        const Task<Seen, Adjust> task{q, visible, key_mask, cache, out, s, adjust};
        if (q.rows() == 1) return task.one(executor);
        task.many(executor);
    }

    /// The probabilities of one query head over the keys that it sees, for those who look.
    template <class Seen, class Adjust = PlainScores>
    void probabilities(Rows<const float, q_size> q, const Seen& visible,
                       std::span<const std::uint8_t> key_mask, const Cache& cache, std::size_t t,
                       std::size_t head, const Scratch& s, float* out,
                       const Adjust& adjust = {}) const {
        const Task<Seen, Adjust> task{q, visible, key_mask, cache, {}, s, adjust};
        const Visible seen = visible(t);
        Tile::take(q.row(t).data() + head * head_dim, s.workers[0].queries[0]);
        for (std::size_t key = seen.begin; key < seen.end; key = next(key)) {
            const Visible part{key, std::min(seen.end, next(key))};
            task.score(head / group, part, 1, s.workers[0]);
            float* z = s.workers[0].scores.data();
            task.mask(t, head, part, z);
            std::copy(z + part.begin % tile, z + part.begin % tile + (part.end - part.begin),
                      out + (part.begin - seen.begin));
        }
        simd::softmax(out, seen.end - seen.begin);
    }

  private:
    /// First key of the tile behind the one that holds `key`.
    static constexpr std::size_t next(std::size_t key) { return (key / tile + 1) * tile; }
    /// Whole panels around the keys `v` of one tile: the first, and how many.
    static constexpr std::size_t first_panel(Visible v) {
        return v.begin % tile / simd::panel_width;
    }
    static constexpr std::size_t panels(Visible v) {
        return (v.end - 1) % tile / simd::panel_width + 1 - first_panel(v);
    }

    template <class Seen, class Adjust>
    struct Task {
        Rows<const float, q_size> q;
        const Seen& visible;
        std::span<const std::uint8_t> key_mask;
        const Cache& cache;
        Rows<float, q_size> out;
        const Scratch& s;
        const Adjust& adjust;

        /// One token: heads share the keys, and threads share the tiles.
        void one(ExecutorRef executor) const {
            const Visible seen = visible(0);
            const std::size_t first = seen.begin / tile;
            const std::size_t n = seen.end > seen.begin ? (seen.end - 1) / tile + 1 - first : 0;
            parallel_for(executor, n * kv_heads, 2,
                         [&](std::size_t begin, std::size_t end, std::size_t worker) {
                             for (std::size_t i = begin; i < end; ++i) {
                                 const std::size_t kv = i / n, j = i % n;
                                 const std::size_t key = std::max(seen.begin, (first + j) * tile);
                                 if (i == begin || j == 0)
                                     take_queries(kv, 0, 1, s.workers[worker]);
                                 attend({key, std::min(seen.end, next(key))}, kv, 0, 1,
                                        s.workers[worker], s.tops.row(j).data() + kv * group,
                                        s.tiles.row(j).data() + kv * group * lanes);
                             }
                         });
            // A merge of a row takes some ten nanoseconds: not worth a second thread before many.
            parallel_for(executor, heads, 1 + 256 / (n + 1),
                         [&](std::size_t begin, std::size_t end, std::size_t worker) {
                             for (std::size_t h = begin; h < end; ++h) {
                                 float* mixed = s.workers[worker].mixed.data();
                                 simd::SoftmaxPart total;
                                 for (std::size_t j = 0; j < n; ++j)
                                     simd::merge(total, mixed, s.tops.row(j)[h],
                                                 s.tiles.row(j).data() + h * lanes, lanes);
                                 simd::finish(total, mixed, head_dim,
                                              out.row(0).data() + h * head_dim);
                             }
                         });
        }

        /// Blocks of queries of one key/value head are independent. In a band of them a thread
        /// stays with a head, whose keys and values its cache holds.
        void many(ExecutorRef executor) const {
            const std::size_t workers = executor.concurrency();
            const std::size_t even = (q.rows() * kv_heads + 2 * workers - 1) / (2 * workers);
            const std::size_t some = std::clamp<std::size_t>(even, 1, block_tokens);
            const std::size_t blocks = (q.rows() + some - 1) / some;
            const std::size_t bands = std::max<std::size_t>(1, Bands(q.rows()).count());
            const std::size_t each = (blocks + bands - 1) / bands;
            parallel_for_2d(
                executor, bands, kv_heads * each, 1,
                [&](std::size_t band, std::size_t begin, std::size_t end, std::size_t worker) {
                    for (std::size_t i = begin; i < end; ++i) {
                        const std::size_t t = (band * each + i % each) * some;
                        if (t < q.rows())
                            block(i / each, t, std::min(some, q.rows() - t), s.workers[worker]);
                    }
                });
        }
        void block(std::size_t kv, std::size_t first, std::size_t tokens, Work& work) const {
            const std::size_t rows = tokens * group;
            std::array<simd::SoftmaxPart, block_rows> totals{}, parts{};
            float* mixed = work.mixed.data();
            float* part = work.part.data();
            take_queries(kv, first, tokens, work);
            Visible all{std::numeric_limits<std::size_t>::max(), 0};
            for (std::size_t t = 0; t < tokens; ++t) {
                const Visible v = visible(first + t);
                all = {std::min(all.begin, v.begin), std::max(all.end, v.end)};
            }
            for (std::size_t key = all.begin; key < all.end; key = next(key)) {
                attend({key, std::min(all.end, next(key))}, kv, first, tokens, work, parts.data(),
                       part);
                for (std::size_t r = 0; r < rows; ++r)
                    simd::merge(totals[r], mixed + r * lanes, parts[r], part + r * lanes, lanes);
            }
            for (std::size_t r = 0; r < rows; ++r)
                simd::finish(totals[r], mixed + r * lanes, head_dim, row(out, kv, first, r));
        }

        /// Queries of the tokens [first, first + tokens), all heads of kv, as they are multiplied.
        void take_queries(std::size_t kv, std::size_t first, std::size_t tokens, Work& work) const {
            for (std::size_t r = 0; r < tokens * group; ++r)
                Tile::take(row(q, kv, first, r), work.queries[r]);
        }
        /// The part that the keys `keys` of one tile have in these tokens' results.
        ///   parts [rows], mixed [rows, lanes]
        void attend(Visible keys, std::size_t kv, std::size_t first, std::size_t tokens, Work& work,
                    simd::SoftmaxPart* parts, float* mixed) const {
            const std::size_t rows = tokens * group, from = first_panel(keys) * simd::panel_width;
            const std::size_t n = panels(keys) * simd::panel_width;
            score(kv, keys, rows, work);
            P* p;  // [rows, tile]
            if constexpr (rounds)
                p = work.rounded.data();
            else
                p = work.scores.data();
            for (std::size_t r = 0; r < rows; ++r) {
                float* z = work.scores.data() + r * tile;
                mask(first + r / group, kv * group + r % group, keys, z);
                const float top = simd::max_of(z + from, n);
                P* exps = p + r * tile + from;
                parts[r] = {top, 0.0f};
                if (top == lowest)
                    std::fill_n(exps, n, P{});
                else
                    parts[r].sum = simd::exp_below(z + from, n, top, exps);
            }
            const std::size_t begin = keys.begin % tile, end = begin + (keys.end - keys.begin);
            cache.values(kv, keys.begin)
                .template mix<arithmetic>(p, rows, begin, end, mixed, work.room);
        }
        /// Scores of the queries taken with the panels around `keys`.
        void score(std::size_t kv, Visible keys, std::size_t rows, Work& work) const {
            const std::size_t first = first_panel(keys);
            cache.keys(kv, keys.begin)
                .template score<arithmetic>(work.queries.data(), rows, first, panels(keys),
                                            work.scores.data() + first * simd::panel_width,
                                            work.room);
        }
        /// Leaves of z [tile] the scores that query t may have, and makes the others -infinity.
        void mask(std::size_t t, std::size_t head, Visible keys, float* z) const {
            const std::size_t origin = keys.begin / tile * tile;
            const std::size_t from = origin + first_panel(keys) * simd::panel_width;
            const std::size_t to = from + panels(keys) * simd::panel_width;
            const Visible v = visible(t);
            const std::size_t begin = std::clamp(v.begin, keys.begin, keys.end);
            const std::size_t end = std::clamp(v.end, begin, keys.end);
            adjust(t, head, begin, {z + (begin - origin), end - begin});
            std::fill(z + (from - origin), z + (begin - origin), lowest);
            std::fill(z + (end - origin), z + (to - origin), lowest);
            if (!key_mask.empty())
                for (std::size_t key = begin; key < end; ++key)
                    if (key_mask[key] == 0) z[key - origin] = lowest;
        }

        /// Row r of a block: token first + r / group, head r % group of kv.
        template <class T>
        static T* row(Rows<T, q_size> x, std::size_t kv, std::size_t first, std::size_t r) {
            return x.row(first + r / group).data() + (kv * group + r % group) * head_dim;
        }
    };
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn
