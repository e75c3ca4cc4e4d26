/// \file
/// What a session remembers as bytes: keys and values as they are stored, token by token, behind a
/// header that says how many tokens they are, of what type and of how many bytes each. A model of
/// the same shape with other weights, a fine-tune say, takes them too: whose they are the caller
/// knows.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/tensor/element.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>

namespace carat::inline CARAT_ABI {

template <class Model>
struct SessionState {
    using Cache = typename Model::Cache;

    /// Whether there are such bytes: keys and values are rings of the usual kind.
    static constexpr bool possible = requires(Cache & cache) {
        cache.sliding[0].stored(0, 0);
        cache.full[0].stored(0, 0);
    };

    std::uint64_t seen = 0;    ///< tokens
    std::uint64_t oldest = 0;  ///< sliding layers have keys from this index on
    bool masked = false;       ///< some of the tokens are padding

    /// write(std::span<const std::byte>) takes it piece by piece. mask and positions [seen].
    template <class Write>
    void save(const Cache& cache, std::span<const std::uint8_t> mask,
              std::span<const std::int32_t> positions, Write&& write) const {
        positions = positions.first(seen);
        bool placed = false;
        for (std::size_t i = 0; i < seen; ++i)
            placed = placed || positions[i] != static_cast<std::int32_t>(i);
        const Header header{seen, oldest, (masked ? has_mask : 0) | (placed ? has_positions : 0),
                            token_bytes(), cache_type()};
        write(std::as_bytes(std::span(&header, 1)));
        if (masked) write(std::as_bytes(mask.first(seen)));
        if (placed) write(std::as_bytes(positions));
        for_each_part(cache, [&](const auto& ring, std::size_t head, std::size_t index) {
            const auto part = ring.stored(head, index);
            write(std::as_bytes(std::span(&part, 1)));
        });
    }

    /// read(std::span<std::byte>) fills the span and returns true, or false at the end of its
    /// bytes. mask and positions have a place for each token of the context. Bad input: a state of
    /// another shape or type (mismatch), one that is cut off (bad_format) or longer than the
    /// context (out_of_range).
    template <class Read>
    static Result<SessionState> load(const Cache& cache, std::span<std::uint8_t> mask,
                                     std::span<std::int32_t> positions, Read&& read) {
        const Error cut_off{Errc::bad_format, "the saved state is cut off"};
        Header header{};
        if (!read(std::as_writable_bytes(std::span(&header, 1)))) return cut_off;
        if (header.cache_type != cache_type())
            return Error{
                Errc::mismatch,
                "the saved state has keys and values of another type than this session's " +
                    std::string(name_of(static_cast<DType>(cache_type())))};
        if (header.token_bytes != token_bytes() || header.oldest > header.seen)
            return Error{Errc::mismatch,
                         joined({"the saved state is of another model: it has ", header.token_bytes,
                                 " bytes a token, expected ", token_bytes()})};
        if (header.oldest > 0 && header.seen - header.oldest + 1 < Model::config.sliding_window)
            return Error{Errc::bad_format,
                         joined({"the saved state has sliding keys from token ", header.oldest,
                                 " of ", header.seen, " on, fewer than a window of ",
                                 Model::config.sliding_window})};
        if (header.seen > mask.size())
            return Error{Errc::out_of_range,
                         joined({"the saved state has ", header.seen,
                                 " tokens, which do not fit into a context of ", mask.size()})};
        const SessionState state{header.seen, header.oldest, (header.parts & has_mask) != 0};
        if (state.masked && !read(std::as_writable_bytes(mask.first(state.seen)))) return cut_off;
        positions = positions.first(state.seen);
        if ((header.parts & has_positions) == 0)
            std::iota(positions.begin(), positions.end(), 0);
        else if (!read(std::as_writable_bytes(positions)))
            return cut_off;
        bool whole = true;
        state.for_each_part(cache, [&](const auto& ring, std::size_t head, std::size_t index) {
            typename std::remove_cvref_t<decltype(ring)>::Stored part;
            whole = whole && read(std::as_writable_bytes(std::span(&part, 1)));
            if (whole) ring.restore(head, index, part);
        });
        if (!whole) return cut_off;
        return state;
    }

  private:
    struct Header {
        std::uint64_t seen, oldest, parts, token_bytes, cache_type;
    };
    /// What stands before the keys and values. Without positions tokens are counted from 0.
    static constexpr std::uint64_t has_mask = 1, has_positions = 2;
    /// Which type keys and values have: bf16 and f16 take the same bytes.
    static constexpr std::uint64_t cache_type() {
        using Ring = typename decltype(Cache::full)::value_type;
        return static_cast<std::uint64_t>(Ring::stored_as);
    }
    /// Bytes of keys and values of one token in all layers that own some.
    static constexpr std::size_t token_bytes() {
        std::size_t bytes = 0;
        const auto add = [&](auto rings) {
            using Ring = typename decltype(rings)::value_type;
            bytes += rings.size() * Ring::heads * sizeof(typename Ring::Stored);
        };
        add(decltype(Cache::sliding){});
        add(decltype(Cache::full){});
        return bytes;
    }
    /// f(ring, head, index) for the keys and values of tokens [oldest, seen) of sliding layers and
    /// [0, seen) of full ones, in order of the tokens: in a ring that is shorter than that, a later
    /// one takes the place of an earlier one.
    template <class F>
    void for_each_part(const Cache& cache, F&& f) const {
        const auto rings = [&](const auto& all, std::size_t first) {
            using Ring = std::remove_cvref_t<decltype(all[0])>;
            for (const auto& ring : all)
                for (std::size_t head = 0; head < Ring::heads; ++head)
                    for (std::size_t index = first; index < seen; ++index) f(ring, head, index);
        };
        rings(cache.sliding, oldest);
        rings(cache.full, 0);
    }
};

}  // namespace carat::inline CARAT_ABI
