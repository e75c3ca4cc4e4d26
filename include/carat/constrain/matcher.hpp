/// \file
/// Where an output stands in a grammar: sets of states with what called them.
#pragma once

#include "carat/constrain/grammar.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

/// Goes through a grammar symbol by symbol, in all ways at once. Calls of one rule from one place
/// in the output share a frame, so that ambiguity does not multiply; every set and frame has a
/// number and is computed once. Refers to the grammar.
class Matcher {
  public:
    using Id = std::int32_t;
    static constexpr Id dead = -1;
    static constexpr std::uint32_t bottom = 0;  ///< the frame of what nothing called

    struct Position {
        std::uint32_t state = 0, frame = bottom;
        friend auto operator<=>(const Position&, const Position&) = default;
    };
    struct Set {
        std::vector<Position> positions{};  ///< where something can follow; ascending
        bool ended = false;                 ///< the rule that it started with may end here
        std::uint32_t cost = 0;             ///< symbols that lead at least to its end
    };

    explicit Matcher(const Grammar& grammar) : grammar_(&grammar) { clear(); }

    /// Forgets all sets and frames: their numbers mean nothing any more.
    void clear() {
        size_ = 0;
        frames_.assign(1, {});
        frame_ids_.clear();
        ended_.assign(1, 0);
        sets_.clear();
        set_ids_.clear();
        rows_.clear();
    }
    /// Forgets all but one set; its new number. Where memory is refused, nothing is forgotten.
    Id keep_only(Id id) {
        Matcher kept(*grammar_);
        const Set& set = sets_[static_cast<std::size_t>(id)];
        std::vector<bool> used(frames_.size());
        for (const Position& p : set.positions) used[p.frame] = true;
        for (std::size_t f = frames_.size(); f-- > 1;)  // callers' frames are older
            if (used[f])
                for (const Position& p : frames_[f].callers) used[p.frame] = true;
        std::vector<std::uint32_t> now(frames_.size(), bottom);
        const auto moved = [&](std::vector<Position> list) {
            for (Position& p : list) p.frame = now[p.frame];
            return list;
        };
        for (std::size_t f = 1; f < frames_.size(); ++f)
            if (used[f]) now[f] = kept.frame_of(moved(frames_[f].callers), frames_[f].nests);
        const Id out = kept.set_of({.positions = moved(set.positions), .ended = set.ended});
        *this = std::move(kept);
        return out;
    }
    /// How much is remembered, in kilobytes or so.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// In one state, called from a frame.
    Id at(std::uint32_t state, std::uint32_t frame) { return closed({{state, frame}}); }
    /// What follows once a frame's rule has ended.
    Id after(std::uint32_t frame) {
        std::vector<Position> open;
        for (const Position& p : frames_[frame].callers) open.push_back(p);
        return closed(std::move(open));
    }
    /// After one more symbol, `dead` where it cannot follow.
    Id next(Id set, Symbol symbol) {
        if (symbol >= first_control) return step(set, symbol);
        auto& row = rows_[static_cast<std::size_t>(set)];
        if (row == nullptr) {
            row = std::make_unique<Row>();
            row->fill(unknown);
        }
        if ((*row)[symbol] == unknown) {
            const Id to = step(set, symbol);  // which may move rows_, but not this row
            (*rows_[static_cast<std::size_t>(set)])[symbol] = to;
            return to;
        }
        return (*row)[symbol];
    }
    [[nodiscard]] const Set& operator[](Id set) const {
        return sets_[static_cast<std::size_t>(set)];
    }
    /// Symbols from the end of a frame's rule to the end of all.
    [[nodiscard]] std::uint32_t cost_of_frame(std::uint32_t frame) const {
        return frames_[frame].cost;
    }
    [[nodiscard]] std::uint32_t depth_of_frame(std::uint32_t frame) const {
        return frames_[frame].depth;
    }

    /// A shortest way from a set to the end, or its first `most` symbols.
    [[nodiscard]] std::vector<Symbol> way_out(Id id, std::size_t most) const {
        std::vector<Symbol> out;
        const Set& set = sets_[static_cast<std::size_t>(id)];
        if (set.ended) return out;
        Position p;
        std::uint32_t best = Grammar::unreachable;
        for (const Position& q : set.positions)
            if (const std::uint32_t c = cost(q); c < best) best = c, p = q;
        std::vector<std::uint32_t> calls;  // where those made on the way lead back to
        while (out.size() < most && out.size() <= best) {
            const GrammarState& s = grammar_->states[p.state];
            if (s.distance == 0) {
                if (!calls.empty()) {
                    p.state = calls.back();
                    calls.pop_back();
                    continue;
                }
                if (p.frame == bottom) break;
                std::uint32_t least = Grammar::unreachable;
                const auto frame = p.frame;
                for (const Position& q : frames_[frame].callers)
                    if (const std::uint32_t c = cost(q); c < least) least = c, p = q;
                continue;
            }
            const auto way = grammar_->way_out(p.state);
            if (way.edge != nullptr) {
                out.push_back(readable(*way.edge));
                p.state = way.edge->to;
            } else if (way.call != nullptr) {
                calls.push_back(way.call->to);
                p.state = grammar_->rules[way.call->rule].start;
            } else {
                break;
            }
        }
        return out;
    }

  private:
    static constexpr Id unknown = -2;
    static constexpr std::size_t positions_per_kilobyte = 64;  // kept twice: once in a key
    using Row = std::array<Id, 256>;
    /// A call that has not come back: the states to go on with, and their own frames.
    struct Frame {
        std::vector<Position> callers{};
        std::uint32_t cost = 0, depth = 0;
        bool nests = false;
    };

    static Symbol readable(const GrammarState::Edge& e) {
        for (const Symbol c : {Symbol{'a'}, Symbol{'0'}})
            if (e.lo <= c && c <= e.hi) return c;
        return e.lo;
    }
    [[nodiscard]] std::uint32_t cost(const Position& p) const {
        return add(grammar_->states[p.state].distance, frames_[p.frame].cost);
    }
    static std::uint32_t add(std::uint32_t a, std::uint32_t b) {
        return a > Grammar::unreachable - b ? Grammar::unreachable : a + b;
    }
    [[nodiscard]] bool fits(const Position& p) const {
        return grammar_->states[p.state].height + frames_[p.frame].depth <= Grammar::max_nesting;
    }

    Id step(Id set, Symbol symbol) {
        std::vector<Position> open;
        for (const Position& p : sets_[static_cast<std::size_t>(set)].positions)
            for (const auto& e : grammar_->states[p.state].edges)
                if (e.lo <= symbol && symbol <= e.hi) open.push_back({e.to, p.frame});
        return open.empty() ? dead : closed(std::move(open));
    }

    /// Ends what can end and calls what can be called.
    Id closed(std::vector<Position> open) {
        Set set;
        std::map<std::uint32_t, std::pair<std::uint32_t, std::vector<Position>>> calls;  // by rank
        ++closings_;
        const auto enter = [&] {
            std::sort(open.begin(), open.end());
            open.erase(std::unique(open.begin(), open.end()), open.end());
            for (std::size_t i = 0; i < open.size(); ++i) {
                const Position p = open[i];
                const GrammarState& s = grammar_->states[p.state];
                if (!fits(p)) continue;
                if (s.final && p.frame == bottom) set.ended = true;
                if (s.final && std::exchange(ended_[p.frame], closings_) != closings_) {
                    const auto& callers = frames_[p.frame].callers;
                    open.insert(open.end(), callers.begin(), callers.end());
                }
                if (!s.edges.empty()) set.positions.push_back(p);
                for (const auto& c : s.calls) {
                    auto& [rule, callers] = calls[grammar_->rules[c.rule].rank];
                    rule = c.rule;
                    if (fits({c.to, p.frame})) callers.push_back({c.to, p.frame});
                }
            }
            open.clear();
        };
        enter();
        while (!calls.empty()) {  // those of a rank call only those of higher ones
            auto [rule, callers] = std::move(calls.begin()->second);
            calls.erase(calls.begin());
            if (callers.empty()) continue;
            const std::uint32_t frame = frame_of(std::move(callers), grammar_->rules[rule].nests);
            open.push_back({grammar_->rules[rule].start, frame});
            enter();
        }
        return set.positions.empty() && !set.ended ? dead : set_of(std::move(set));
    }
    Id set_of(Set set) {
        std::sort(set.positions.begin(), set.positions.end());
        set.positions.erase(std::unique(set.positions.begin(), set.positions.end()),
                            set.positions.end());
        set.cost = set.ended ? 0 : Grammar::unreachable;
        for (const Position& p : set.positions) set.cost = std::min(set.cost, cost(p));

        std::string key(1, set.ended ? '1' : '0');
        append(key, set.positions);
        make_room(sets_);
        make_room(rows_);
        const auto [known, is_new] =
            set_ids_.emplace(std::move(key), static_cast<Id>(sets_.size()));
        if (is_new) {
            size_ += 1 + set.positions.size() / positions_per_kilobyte;
            sets_.push_back(std::move(set));
            rows_.emplace_back();
        }
        return known->second;
    }
    std::uint32_t frame_of(std::vector<Position> callers, bool nests) {
        std::sort(callers.begin(), callers.end());
        callers.erase(std::unique(callers.begin(), callers.end()), callers.end());
        Frame frame{.cost = Grammar::unreachable, .nests = nests};
        for (const Position& p : callers) {
            frame.cost = std::min(frame.cost, cost(p));
            frame.depth = std::max(frame.depth, frames_[p.frame].depth);
        }
        frame.depth += nests ? 1 : 0;
        std::string key(1, nests ? 'n' : '-');
        append(key, callers);
        make_room(frames_);
        make_room(ended_);
        const auto [known, is_new] =
            frame_ids_.emplace(std::move(key), static_cast<std::uint32_t>(frames_.size()));
        if (is_new) {
            size_ += callers.size() / positions_per_kilobyte;
            frame.callers = std::move(callers);
            frames_.push_back(std::move(frame));
            ended_.push_back(0);
        }
        return known->second;
    }
    /// For one more element: what a map already names is then added without memory.
    template <class T>
    static void make_room(std::vector<T>& list) {
        if (list.size() == list.capacity()) list.reserve(2 * list.size() + 1);
    }
    static void append(std::string& key, std::span<const Position> positions) {
        for (const Position& p : positions)
            for (const std::uint32_t n : {p.state, p.frame})
                for (int shift = 0; shift < 32; shift += 8)
                    key += static_cast<char>(static_cast<unsigned char>(n >> shift & 0xFF));
    }

    const Grammar* grammar_;
    std::vector<Frame> frames_;
    std::unordered_map<std::string, std::uint32_t> frame_ids_;
    std::vector<Set> sets_;
    std::unordered_map<std::string, Id> set_ids_;
    std::vector<std::unique_ptr<Row>> rows_;  // by set
    std::vector<std::uint64_t> ended_;        // by frame: the last closing in which its rule ended
    std::uint64_t closings_ = 0;
    std::size_t size_ = 0;
};

}  // namespace carat::inline CARAT_ABI::constrain
