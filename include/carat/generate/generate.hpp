/// \file
/// The generation loop: read a prompt, then choose tokens one by one until something says stop.
#pragma once

#include "carat/generate/sampler.hpp"
#include "carat/generate/session.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace carat {

enum class StopReason : std::uint8_t {
    stop_token,    ///< one of stop_ids was chosen
    max_tokens,    ///< so many were generated
    context_full,  ///< no room for another token
    caller,        ///< on_token returned false
};

constexpr const char* name_of(StopReason reason) {
    switch (reason) {
        case StopReason::stop_token:
            return "stop_token";
        case StopReason::max_tokens:
            return "max_tokens";
        case StopReason::context_full:
            return "context_full";
        case StopReason::caller:
            return "caller";
    }
    return "unknown";
}

struct GenerateOptions {
    std::size_t max_tokens = 256;
    std::vector<std::int32_t> stop_ids{1};
};

/// Appends `prompt` to the session, then generates. on_token(id) is called for each token chosen, a
/// stop token included, and may return false to stop; progress while the prompt is read. The last
/// token is not fed back: after it, the session holds the prompt and all generated tokens but the
/// last. Decoding allocates nothing. Bad input: what Session::append refuses, and a cancellation
/// through progress; nothing is generated then.
template <class Model, class OnToken>
Result<StopReason> generate(Session<Model>& session, SessionInput<Model> prompt, Sampler& sampler,
                            const GenerateOptions& options, OnToken&& on_token,
                            Progress progress = {}) {
    prompt.logits_to_keep = 1;
    std::span<const float> logits;
    const Result<void> read = session.append(
        prompt, [&](std::size_t, std::span<const float> z) { logits = z; }, progress);
    if (!read) return read.error();
    for (const std::int32_t id : prompt.ids) sampler.observe(id);
    for (std::size_t n = 0; n < options.max_tokens; ++n) {
        const std::int32_t id = sampler(logits);
        sampler.observe(id);
        if constexpr (std::is_convertible_v<std::invoke_result_t<OnToken&, std::int32_t>, bool>) {
            if (!on_token(id)) return StopReason::caller;
        } else {
            on_token(id);
        }
        if (std::find(options.stop_ids.begin(), options.stop_ids.end(), id) !=
            options.stop_ids.end())
            return StopReason::stop_token;
        if (n + 1 == options.max_tokens) break;
        if (session.size() == session.context_tokens()) return StopReason::context_full;
        const Result<std::span<const float>> next = session.append(std::span(&id, 1));
        if (!next) return next.error();
        logits = *next;
    }
    return StopReason::max_tokens;
}

}  // namespace carat
