/// \file
/// Constraint: which tokens may come next, so that the whole output is one that a grammar allows,
/// also where the token limit ends it.
#pragma once

#include "carat/base/result.hpp"
#include "carat/constrain/grammar.hpp"
#include "carat/constrain/matcher.hpp"
#include "carat/constrain/token_trie.hpp"
#include "carat/generate/token_mask.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <unordered_map>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Where an output begins.
enum class OutputStart : std::uint8_t {
    answer,      ///< with what is constrained
    may_think,   ///< the same, or a thought before it
    in_thought,  ///< in a thought that the prompt opened
};

namespace constrain {

/// A finished grammar for one vocabulary, shared by the constraints that follow it.
struct Compiled {
    Grammar grammar;
    std::shared_ptr<const TokenTrie> trie;
    std::array<std::uint32_t, 3> starts{};  ///< states, by OutputStart
    std::vector<std::int32_t> controls{};   ///< token ids of Grammar::controls
    std::vector<std::int32_t> stops{};      ///< those that end the output
    std::vector<std::uint64_t> kinds{};     ///< by state: equal where no token tells them apart
};

/// States that differ only in what is further away than the longest token have one kind, and with
/// it the same tokens; distances enter as differences.
std::vector<std::uint64_t> kinds_of(const Grammar& grammar, std::size_t longest);

}  // namespace constrain

/// A TokenConstraint for one output at a time. A copy shares what was compiled and starts anew.
/// Cheap to ask: the tokens that a state allows by itself are found once in the tree of tokens, and
/// only those that go on after the end of its rule are looked at again.
class Constraint {
  public:
    /// `compiled` comes from make_constraint, which most want instead.
    explicit Constraint(std::shared_ptr<const constrain::Compiled> compiled);
    Constraint(const Constraint& other) : Constraint(other.compiled_) {}
    Constraint& operator=(const Constraint& other) { return *this = Constraint(other); }
    Constraint(Constraint&&) = default;
    Constraint& operator=(Constraint&&) = default;

    /// Begins a new output of at most max_tokens. Bad input: fewer tokens than the shortest output
    /// takes.
    [[nodiscard]] Result<void> begin(std::size_t max_tokens,
                                     OutputStart start = OutputStart::answer);
    /// Whether all that was chosen was allowed.
    [[nodiscard]] bool alive() const { return now_ != Matcher::dead; }
    /// Whether the output may end here.
    [[nodiscard]] bool complete() const { return now_ != Matcher::dead && matcher_[now_].ended; }

    /// The tokens that may come next, of which tokens_left are still to come. Where few are left,
    /// only those after which the rest suffices to complete the output. Where more than some 150
    /// alternatives with nearly all tokens each are open at once, those of the first; the next
    /// masks have more.
    [[nodiscard]] TokenMask allowed(std::size_t tokens_left);

    /// What was chosen. After a token that was not allowed, only the end is.
    void accept(std::int32_t id);

  private:
    using Matcher = constrain::Matcher;
    using Node = constrain::TokenTrie::Node;
    static constexpr std::size_t max_size = 20000;   ///< of what the matcher remembers
    static constexpr std::size_t max_locals = 2000;  ///< with many tokens, one takes a bit for each
    static constexpr std::size_t few = 1000;
    static constexpr std::size_t max_walked = std::size_t{1} << 27;   ///< a second or so
    static constexpr std::size_t max_written = std::size_t{1} << 20;  ///< a quarter of a second

    /// The tokens that a state allows without leaving its rule.
    struct Local {
        std::vector<std::int32_t> ids{};     ///< where they are few,
        std::vector<std::uint64_t> words{};  ///< else
        std::vector<std::uint32_t> exits{};  ///< nodes behind which the rule may have ended
        std::int64_t growth = 0;             ///< how much further from the end, at most
    };

    void set(std::int32_t id) {
        words_[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
    }
    void forget() {
        matcher_.clear();
        plan_sizes_.clear();
    }

    /// on_token(id, set after it, node) for the tokens in nodes [begin, end) that can follow `set`,
    /// which is where the nodes' parent leads to.
    template <class OnNode>
    void walk(std::size_t begin, std::size_t end, Matcher::Id set, OnNode&& on_node) {
        const auto nodes = compiled_->trie->nodes();
        if (begin >= end) return;
        path_[nodes[begin].depth - std::size_t{1}] = set;
        std::size_t steps = 0;
        for (std::size_t i = begin; i < end; ++steps) {
            const Node& node = nodes[i];
            const Matcher::Id to = matcher_.next(path_[node.depth - std::size_t{1}], node.byte);
            if (to == Matcher::dead) {
                i = node.end;
                continue;
            }
            path_[node.depth] = to;
            on_node(static_cast<std::uint32_t>(i), node, to);
            ++i;
        }
        walked_ += steps;
    }

    const Local& local(std::uint32_t state);

    /// The tokens that can follow a position.
    void add(const Matcher::Position& p, std::size_t room);

    /// Whether `room` tokens are enough to complete the output from a set.
    bool suffices(Matcher::Id set, std::size_t room);

    /// The tokens that so many symbols take at least.
    [[nodiscard]] std::size_t least_tokens(std::size_t symbols) const {
        const std::size_t longest = compiled_->trie->longest();
        return symbols / longest + (symbols % longest != 0 ? 1 : 0);
    }

    /// A short way to complete the output, in tokens. More than `room` say only that it takes more.
    std::vector<std::int32_t> closing(Matcher::Id set, std::size_t room) const;

    static constexpr std::size_t not_planned = std::numeric_limits<std::size_t>::max();

    std::shared_ptr<const constrain::Compiled> compiled_;
    Matcher matcher_;
    Matcher::Id now_ = Matcher::dead;
    std::vector<std::uint64_t> words_;
    Matcher::Id masked_ = Matcher::dead;     ///< the set whose mask words_ holds,
    std::size_t bound_ = 0;                  ///< as long as so many tokens are left after the next
    bool tight_ = false;                     ///< the mask that is being made depends on the room
    std::size_t walked_ = 0;                 ///< nodes that were looked at for it
    std::size_t written_ = 0;                ///< symbols that were written out for it
    std::vector<std::int32_t> plan_{};       ///< how to end while room is scarce, last token first
    std::vector<std::size_t> plan_sizes_{};  ///< by set
    std::unordered_map<std::uint64_t, Local> locals_;
    std::array<Matcher::Id, constrain::TokenTrie::max_token_bytes + 1> path_{};
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/constrain/constraint.inl.hpp"
#endif
