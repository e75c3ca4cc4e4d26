/// \file
/// What constraint.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/constraint.hpp"
#include "carat/constrain/grammar.hpp"
#include "carat/constrain/matcher.hpp"
#include "carat/constrain/token_trie.hpp"
#include "carat/generate/token_mask.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

namespace constrain {

CARAT_ONCE std::vector<std::uint64_t> kinds_of(const Grammar& grammar, std::size_t longest) {
    const auto mix = [](std::uint64_t h, std::uint64_t v) {
        h = (h ^ v) * 0x9E3779B97F4A7C15u;
        return h ^ (h >> 29);
    };
    const std::size_t n = grammar.states.size();
    std::vector<std::uint64_t> now(n), before(n);
    for (std::size_t i = 0; i < n; ++i) now[i] = grammar.states[i].final ? 1 : 2;
    for (std::size_t round = 0; round <= longest; ++round) {
        before.swap(now);
        for (std::size_t i = 0; i < n; ++i) {
            const GrammarState& s = grammar.states[i];
            std::uint64_t h = s.final ? 3 : 4;
            const auto further = [&](std::uint32_t state) {
                return std::uint64_t{grammar.states[state].distance} - s.distance;
            };
            for (const auto& e : s.edges) {
                h = mix(h, std::uint64_t{e.lo} << 16 | e.hi);
                h = mix(mix(h, before[e.to]), further(e.to));
            }
            for (const auto& c : s.calls) {
                const std::uint32_t start = grammar.rules[c.rule].start;
                h = mix(mix(h, 5), grammar.rules[c.rule].nests ? 1 : 0);
                h = mix(mix(h, before[start]), before[c.to]);
                h = mix(mix(h, further(start)), further(c.to));
            }
            now[i] = h;
        }
    }
    return now;
}

}  // namespace constrain

CARAT_ONCE Constraint::Constraint(std::shared_ptr<const constrain::Compiled> compiled)
    : compiled_(std::move(compiled)),
      matcher_(compiled_->grammar),
      words_(TokenMask::words_for(compiled_->trie->vocab_size())) {
    now_ = matcher_.at(compiled_->starts[0], Matcher::bottom);
}

CARAT_ONCE Result<void> Constraint::begin(std::size_t max_tokens, OutputStart start) {
    return memory_errors([&]() -> Result<void> {
        plan_.clear();
        now_ = masked_ = Matcher::dead;  // until there is memory for another
        if (matcher_.size() > max_size) forget();
        now_ = matcher_.at(compiled_->starts[static_cast<std::size_t>(start)], Matcher::bottom);
        const std::size_t cost = matcher_[now_].cost;  // every symbol has a token of its own
        if (cost <= max_tokens) return {};
        // A schema of two kilobytes may ask for gigabytes: only what may fit is written out.
        const std::size_t least = least_tokens(cost);
        const std::size_t n = least > max_tokens ? least : closing(now_, max_tokens).size();
        if (n <= max_tokens) return {};
        return Error{Errc::out_of_range,
                     joined({"a limit of ", max_tokens,
                             " tokens: the shortest answer of the form that was asked for takes ",
                             least > max_tokens ? "at least " : "", n})};
    });
}

CARAT_ONCE TokenMask Constraint::allowed(std::size_t tokens_left) {
    const std::size_t room = tokens_left > 0 ? tokens_left - 1 : 0;
    if (now_ != Matcher::dead && now_ == masked_ && room >= bound_) return TokenMask(words_);
    std::fill(words_.begin(), words_.end(), std::uint64_t{0});
    masked_ = Matcher::dead;
    if (now_ == Matcher::dead || matcher_[now_].positions.empty()) {
        for (const std::int32_t id : compiled_->stops) set(id);
        return TokenMask(words_);
    }
    bound_ = 0;
    tight_ = false;
    walked_ = written_ = 0;
    const auto positions = matcher_[now_].positions;
    for (const auto& p : positions) add(p, room);
    if (tight_) {
        if (auto fresh = closing(now_, tokens_left); plan_.empty() || fresh.size() < plan_.size()) {
            std::reverse(fresh.begin(), fresh.end());
            plan_ = std::move(fresh);
        }
        if (!plan_.empty()) set(plan_.back());
    } else {
        masked_ = now_;
        plan_.clear();
    }
    return TokenMask(words_);
}

CARAT_ONCE void Constraint::accept(std::int32_t id) {
    // Nothing changes before all memory is there: what was refused may be accepted again.
    Matcher::Id to = now_;
    if (const auto bytes = compiled_->trie->bytes(id); !bytes.empty()) {
        for (const char c : bytes)
            if (to != Matcher::dead) to = matcher_.next(to, static_cast<std::uint8_t>(c));
    } else if (to != Matcher::dead) {
        const auto at = std::find(compiled_->controls.begin(), compiled_->controls.end(), id);
        to = at == compiled_->controls.end()
                 ? Matcher::dead
                 : matcher_.next(
                       to, static_cast<constrain::Symbol>(constrain::first_control +
                                                          (at - compiled_->controls.begin())));
    }
    if (to != Matcher::dead && matcher_.size() > max_size) {
        to = matcher_.keep_only(to);
        plan_sizes_.clear();
        masked_ = Matcher::dead;
    }
    now_ = to;
    if (!plan_.empty() && plan_.back() == id) {
        plan_.pop_back();
    } else {
        plan_.clear();
    }
}

CARAT_ONCE const Constraint::Local& Constraint::local(std::uint32_t state) {
    if (locals_.size() > max_locals) locals_.clear();
    const std::uint64_t kind = compiled_->kinds[state];
    if (const auto known = locals_.find(kind); known != locals_.end()) return known->second;
    Local l;
    const auto distance = std::int64_t{compiled_->grammar.states[state].distance};
    const auto mark = [&](std::int32_t id) {
        l.words[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
    };
    walk(0, compiled_->trie->nodes().size(), matcher_.at(state, Matcher::bottom),
         [&](std::uint32_t i, const Node& node, Matcher::Id to) {
             if (matcher_[to].ended && node.end > i + 1) l.exits.push_back(i);
             if (node.token == constrain::TokenTrie::no_token) return;
             l.growth = std::max(l.growth, std::int64_t{matcher_[to].cost} - distance);
             if (!l.words.empty()) return mark(node.token);
             l.ids.push_back(node.token);
             if (l.ids.size() <= few) return;
             l.words.resize(words_.size());
             for (const std::int32_t id : std::exchange(l.ids, {})) mark(id);
         });
    return locals_.emplace(kind, std::move(l)).first->second;
}

CARAT_ONCE void Constraint::add(const Matcher::Position& p, std::size_t room) {
    const auto& state = compiled_->grammar.states[p.state];
    const std::uint32_t rest = matcher_.cost_of_frame(p.frame);
    for (const auto& e : state.edges) {
        for (std::uint32_t s = std::max<std::uint32_t>(e.lo, constrain::first_control); s <= e.hi;
             ++s) {
            const Matcher::Id to = matcher_.next(now_, static_cast<constrain::Symbol>(s));
            if (to != Matcher::dead && suffices(to, room))
                set(compiled_->controls[s - constrain::first_control]);
        }
    }
    if (walked_ > max_walked) {  // very many alternatives: the mask has those that came first
        tight_ = true;
        return;
    }
    const auto end = compiled_->trie->nodes().size();
    const auto allow = [&](std::uint32_t, const Node& node, Matcher::Id to) {
        if (node.token != constrain::TokenTrie::no_token && suffices(to, room)) set(node.token);
    };
    // Close to the deepest nesting, the rule's own view does not tell.
    const bool deep = matcher_.depth_of_frame(p.frame) + constrain::TokenTrie::max_token_bytes +
                          compiled_->grammar.max_height >
                      constrain::Grammar::max_nesting;
    if (deep) {
        tight_ = true;
        return walk(0, end, matcher_.at(p.state, p.frame), allow);
    }
    const Local& l = local(p.state);
    const auto most = static_cast<std::size_t>(l.growth + std::int64_t{state.distance}) + rest;
    if (most > room) {
        tight_ = true;
        return walk(0, end, matcher_.at(p.state, p.frame), allow);
    }
    bound_ = std::max(bound_, most);
    for (const std::int32_t id : l.ids) set(id);
    for (std::size_t i = 0; i < l.words.size(); ++i) words_[i] |= l.words[i];
    if (p.frame == Matcher::bottom || l.exits.empty()) return;
    const Matcher::Id after = matcher_.after(p.frame);
    if (after == Matcher::dead) return;
    for (const std::uint32_t node : l.exits)
        walk(node + std::size_t{1}, compiled_->trie->nodes()[node].end, after, allow);
}

CARAT_ONCE bool Constraint::suffices(Matcher::Id set, std::size_t room) {
    const std::size_t cost = matcher_[set].cost;  // every symbol has a token of its own
    if (cost <= room) {
        bound_ = std::max(bound_, cost);
        return true;
    }
    tight_ = true;
    if (least_tokens(cost) > room) return false;
    const auto i = static_cast<std::size_t>(set);
    if (i >= plan_sizes_.size()) plan_sizes_.resize(i + 1, not_planned);
    if (plan_sizes_[i] == not_planned) {
        if (cost > max_written - written_) return false;  // the plan is still a way to the end
        written_ += cost;
        plan_sizes_[i] = closing(set, cost).size();
    }
    return plan_sizes_[i] <= room;
}

CARAT_ONCE std::vector<std::int32_t> Constraint::closing(Matcher::Id set, std::size_t room) const {
    std::vector<std::int32_t> out;
    std::string text;
    const std::size_t longest = compiled_->trie->longest();
    const std::size_t endless = std::numeric_limits<std::size_t>::max();
    const std::size_t most = room < endless / longest ? room * longest + 1 : endless;
    for (const constrain::Symbol s : matcher_.way_out(set, most)) {
        if (s < constrain::first_control) {
            text += static_cast<char>(static_cast<std::uint8_t>(s));
            continue;
        }
        compiled_->trie->spell(text, out);
        text.clear();
        out.push_back(compiled_->controls[s - constrain::first_control]);
    }
    compiled_->trie->spell(text, out);
    return out;
}

}  // namespace carat::inline CARAT_ABI
