// A model's session under a clock, fed with tokens that are made up.
#pragma once

#include "../../examples/program.hpp"
#include "carat/parallel/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

/// One of the system's clocks.
template <clockid_t Id>
struct SystemClock {
    using duration = std::chrono::duration<double>;
    using time_point = std::chrono::time_point<SystemClock, duration>;
    static time_point now() {
        timespec t{};
        clock_gettime(Id, &t);
        return time_point(
            duration(static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec)));
    }
    static double seconds_since(time_point start) { return (now() - start).count(); }
};
using WallClock = SystemClock<CLOCK_MONOTONIC>;
/// What the program has had of the processor: for one thread, on a machine that does other things
/// as well.
using ProcessorClock = SystemClock<CLOCK_PROCESS_CPUTIME_ID>;

template <class Clock>
class TimedModel {
  public:
    TimedModel(const Model& model, std::size_t context_tokens)
        : model_(model), context_tokens_(context_tokens) {}

    /// Starts over, with so many threads.
    carat::Result<void> start(std::size_t threads) {
        session_.reset();
        pool_ = std::make_unique<carat::ThreadPool>(threads);
        auto session = model_.session(*pool_, {.context_tokens = context_tokens_});
        if (!session) return session.error();
        session_.emplace(std::move(*session));
        return {};
    }
    Model::Session& session() { return *session_; }

    /// Tokens a second of a prompt of n tokens into an empty context.
    carat::Result<double> prompt(std::size_t n) {
        session_->clear();
        const auto start = Clock::now();
        if (auto done = session_->append(tokens(n)); !done) return done.error();
        return static_cast<double>(n) / Clock::seconds_since(start);
    }
    /// Tokens a second of n tokens one by one, after `depth` tokens of context.
    carat::Result<double> generate(std::size_t n, std::size_t depth) {
        if (session_->size() > depth && !session_->rewind(depth)) session_->clear();
        if (session_->size() < depth)
            if (auto done = session_->append(tokens(depth - session_->size())); !done)
                return done.error();
        const auto start = Clock::now();
        std::int32_t id = 2;
        for (std::size_t i = 0; i < n; ++i) {
            const auto logits = session_->append(std::span(&id, 1));
            if (!logits) return logits.error();
            id = static_cast<std::int32_t>(std::max_element(logits->begin(), logits->end()) -
                                           logits->begin());
        }
        return static_cast<double>(n) / Clock::seconds_since(start);
    }

    /// Made up, the same each time.
    std::span<const std::int32_t> tokens(std::size_t n) {
        ids_.resize(n);
        std::uint32_t state = 1;
        for (std::int32_t& id : ids_) {
            state = state * 1664525u + 1013904223u;
            id = static_cast<std::int32_t>(state % Model::Text::vocab);
        }
        return ids_;
    }

  private:
    const Model& model_;
    std::size_t context_tokens_;
    std::unique_ptr<carat::ThreadPool> pool_;
    std::optional<Model::Session> session_;
    std::vector<std::int32_t> ids_;
};
