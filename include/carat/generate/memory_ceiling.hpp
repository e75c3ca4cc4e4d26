/// \file
/// MemoryCeiling: how much a model may take, and, where it would take more, what to shrink.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/generate/session.hpp"

#include <cstddef>
#include <string>

namespace carat::inline CARAT_ABI {

/// The most bytes that a model and one session of it may take. An assistant comes on top:
/// Gemma4Drafter::weight_bytes() and speculation_bytes(), known before anything is opened.
struct MemoryCeiling {
    std::size_t bytes = most_planned;
    SessionOptions session{};  ///< the session that it is to have room for
    std::size_t threads = 1;
};

namespace detail {

/// The largest n in [1, most] for which fits(n), 0 if there is none; fits is true up to some n.
template <class Fits>
std::size_t largest_that_fits(std::size_t most, Fits&& fits) {
    std::size_t low = 0;
    for (std::size_t high = most; low < high;) {
        const std::size_t middle = low + (high - low + 1) / 2;
        if (fits(middle)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

}  // namespace detail

/// Whether weights of so many bytes and a session fit below the ceiling. Errc::out_of_memory if
/// not, with what each part takes and which context_tokens, chunk_tokens or threads would do, alone
/// or together. `what` names the model.
template <class Session>
Result<void> check_ceiling(const MemoryCeiling& c, std::size_t weights, const std::string& what) {
    const auto total = [&](std::size_t context, std::size_t chunk, std::size_t threads) {
        const std::size_t session = Session::bytes({context, chunk}, threads);
        return session > most_planned - weights ? most_planned : weights + session;
    };
    const auto fits = [&](std::size_t context, std::size_t chunk, std::size_t threads) {
        return total(context, chunk, threads) <= c.bytes;
    };
    const SessionOptions o = c.session;
    if (fits(o.context_tokens, o.chunk_tokens, c.threads)) return {};

    const auto would_do = [&](const char* name, std::size_t n, std::size_t now) {
        if (n == 0 || n >= now) return std::string();
        return joined({"; ", name, " = ", n, " would fit"});
    };
    const auto part = Session::bytes_by_part(o, c.threads);
    const auto alone = Session::bytes_by_part(o, 1);
    const std::size_t context = detail::largest_that_fits(
        o.context_tokens, [&](std::size_t n) { return fits(n, o.chunk_tokens, c.threads); });
    const std::size_t chunk = detail::largest_that_fits(
        o.chunk_tokens, [&](std::size_t n) { return fits(o.context_tokens, n, c.threads); });
    const std::size_t threads = detail::largest_that_fits(
        c.threads, [&](std::size_t n) { return fits(o.context_tokens, o.chunk_tokens, n); });

    Error error{Errc::out_of_memory,
                joined({what, ": takes ", total(o.context_tokens, o.chunk_tokens, c.threads),
                        " bytes, which do not fit into ", c.bytes})};
    std::string& text = error.text;
    text += joined({"\n  weights: ", weights, " bytes"});
    if (weights >= c.bytes) text += "; alone too many, a smaller weight format is needed";
    text += joined({"\n  cache: ", part.cache, " bytes for context_tokens = ", o.context_tokens,
                    would_do("context_tokens", context, o.context_tokens)});
    text += joined({"\n  scratch: ", alone.scratch, " bytes for chunk_tokens = ", o.chunk_tokens,
                    would_do("chunk_tokens", chunk, o.chunk_tokens)});
    text += joined({"\n  threads: ", part.scratch - alone.scratch, " bytes of scratch more for ",
                    c.threads, " than for 1", would_do("threads", threads, c.threads)});
    text += joined({"\n  logits and the rest: ", part.rest, " bytes"});
    if (context == 0 && chunk == 0 && threads == 0) {
        const std::size_t few = o.chunk_tokens < 32 ? o.chunk_tokens : 32;
        const std::size_t rest = detail::largest_that_fits(
            o.context_tokens, [&](std::size_t n) { return fits(n, few, 1); });
        if (rest > 0)
            text += joined({"\n  together chunk_tokens = ", few,
                            ", threads = 1 and context_tokens = ", rest, " would fit"});
        else
            text += "\n  no context, chunk or number of threads would fit";
    }
    return error;
}

}  // namespace carat::inline CARAT_ABI
