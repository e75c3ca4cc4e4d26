/// \file
/// A drafter that knows what it has been told, for tests of what drafts are good for.
#pragma once

#include "carat/generate/speculation.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace carat::test {

/// In place of a drafter: says what it was told, by the place in the sequence, and a token nobody
/// wants where it was told nothing.
template <class TargetModel>
struct Oracle {
    using Target = TargetModel;
    static constexpr std::size_t backbone = Target::hidden;
    struct Weights {
        std::vector<std::int32_t> says{};  ///< by cache index
        mutable std::size_t position = 0, next = 0, steps = 0;
        /// What the first step of each round was given: the position, and the state.
        mutable std::vector<std::pair<std::size_t, std::vector<float>>> rounds{};
    };
    struct Scratch {
        Rows<float, backbone> state;
        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t, std::size_t) {
            return {space.template take<float, dynamic, backbone>(1)};
        }
    };
    static void begin(const DraftRound&, const Scratch&) {}
    static std::int32_t step(const Weights& w, const typename Target::Weights&,
                             const typename Target::Cache&, const DraftRound& round, std::int32_t,
                             std::span<const float> state, const Scratch&, ExecutorRef) {
        if (w.position != round.position) w.next = 0;
        w.position = round.position;
        ++w.steps;
        if (w.next == 0) w.rounds.push_back({round.position, {state.begin(), state.end()}});
        const std::size_t at = round.position + ++w.next;
        return at < w.says.size() ? w.says[at] : 0;
    }
};

}  // namespace carat::test
