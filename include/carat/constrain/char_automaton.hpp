/// \file
/// Sets of strings as deterministic automata over Unicode characters.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/work_limit.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

/// The characters from lo to hi, both included.
struct CharRange {
    char32_t lo = 0, hi = 0;
    friend auto operator<=>(const CharRange&, const CharRange&) = default;
};
/// Ascending, not touching (see merged).
using CharSet = std::vector<CharRange>;

inline constexpr char32_t last_char = 0x10FFFF;
inline constexpr char32_t first_surrogate = 0xD800, last_surrogate = 0xDFFF;

/// The same characters as ascending ranges that do not touch.
[[nodiscard]] inline CharSet merged(CharSet set) {
    std::sort(set.begin(), set.end());
    CharSet out;
    for (const CharRange& r : set) {
        if (!out.empty() && r.lo <= out.back().hi + 1) {
            out.back().hi = std::max(out.back().hi, r.hi);
        } else {
            out.push_back(r);
        }
    }
    return out;
}
/// All other characters; surrogates are none.
[[nodiscard]] inline CharSet complement(CharSet set) {
    set.push_back({first_surrogate, last_surrogate});
    CharSet out;
    char32_t next = 0;
    for (const CharRange& r : merged(std::move(set))) {
        if (r.lo > next) out.push_back({next, r.lo - 1});
        next = r.hi + 1;
    }
    if (next <= last_char) out.push_back({next, last_char});
    return out;
}
[[nodiscard]] inline CharSet all_chars() { return complement({}); }

/// A deterministic automaton. It starts in state 0; where no edge has a character, it ends.
struct CharAutomaton {
    struct Edge {
        CharRange chars;
        std::uint32_t to = 0;
    };
    struct State {
        std::vector<Edge> edges{};  ///< ascending, disjoint
        bool final = false;
    };
    std::vector<State> states{};

    /// Larger ones are refused: a pattern from outside must not take all memory.
    static constexpr std::size_t max_states = 20000;
    static constexpr std::size_t max_edges = 1'000'000;

    std::uint32_t add(bool final = false) {
        states.push_back({{}, final});
        return static_cast<std::uint32_t>(states.size() - 1);
    }
    void connect(std::uint32_t from, const CharSet& chars, std::uint32_t to) {
        auto& edges = states[from].edges;
        for (const CharRange& r : chars) edges.push_back({r, to});
        std::sort(edges.begin(), edges.end(),
                  [](const Edge& a, const Edge& b) { return a.chars < b.chars; });
    }
    /// The state after a character, nothing (max) where there is none.
    [[nodiscard]] std::uint32_t next(std::uint32_t state, char32_t c) const {
        for (const Edge& e : states[state].edges)
            if (c >= e.chars.lo && c <= e.chars.hi) return e.to;
        return none;
    }
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
};

/// All strings of at least `least` and at most `most` characters (no limit where most is none).
[[nodiscard]] inline Result<CharAutomaton> any_of_length(std::size_t least, std::size_t most) {
    const bool open = most == std::numeric_limits<std::size_t>::max();
    const std::size_t last = open ? least : most;
    if (last >= CharAutomaton::max_states)
        return Error{Errc::unsupported, joined({"a length of ", last, ", expected below ",
                                                CharAutomaton::max_states})};
    CharAutomaton out;
    for (std::size_t i = 0; i <= last; ++i) out.add(i >= least);
    const CharSet any = all_chars();
    for (std::uint32_t i = 0; i < last; ++i) out.connect(i, any, i + 1);
    if (open) out.connect(static_cast<std::uint32_t>(last), any, static_cast<std::uint32_t>(last));
    return out;
}

/// All strings in which none of some texts occurs.
[[nodiscard]] inline CharAutomaton without(const std::vector<std::u32string>& texts) {
    std::vector<std::u32string> prefixes{U""};  // a state: the longest that the string ends with
    for (const auto& text : texts)
        for (std::size_t n = 1; n < text.size(); ++n) prefixes.push_back(text.substr(0, n));
    std::sort(prefixes.begin(), prefixes.end());
    prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
    std::vector<char32_t> letters;
    for (const auto& text : texts) letters.insert(letters.end(), text.begin(), text.end());
    CharSet seen;
    for (const char32_t c : letters) seen.push_back({c, c});
    const CharSet letter_set = merged(seen), others = complement(letter_set);

    CharAutomaton out;
    for (std::size_t i = 0; i < prefixes.size(); ++i) out.add(true);
    for (std::uint32_t state = 0; state < prefixes.size(); ++state) {
        out.connect(state, others, 0);
        for (const CharRange& range : letter_set) {
            for (char32_t c = range.lo; c <= range.hi; ++c) {
                std::u32string now = prefixes[state] + c;
                const bool whole = std::any_of(texts.begin(), texts.end(), [&](const auto& text) {
                    return now.ends_with(text);
                });
                if (whole) continue;
                while (true) {
                    const auto at = std::lower_bound(prefixes.begin(), prefixes.end(), now);
                    if (at != prefixes.end() && *at == now) {
                        out.connect(state, {{c, c}},
                                    static_cast<std::uint32_t>(at - prefixes.begin()));
                        break;
                    }
                    now.erase(0, 1);
                }
            }
        }
    }
    return out;
}

/// All strings but these.
[[nodiscard]] inline CharAutomaton all_but(const std::vector<std::u32string>& texts) {
    CharAutomaton out;
    out.add(true);
    std::vector<std::map<char32_t, std::uint32_t>> tree(1);
    for (const auto& text : texts) {
        std::uint32_t at = 0;
        for (const char32_t c : text) {
            const auto [next, is_new] =
                tree[at].emplace(c, static_cast<std::uint32_t>(tree.size()));
            const std::uint32_t to = next->second;
            if (is_new) {
                tree.emplace_back();
                out.add(true);
            }
            at = to;
        }
        out.states[at].final = false;
    }
    const std::uint32_t other = out.add(true);
    out.connect(other, all_chars(), other);
    for (std::uint32_t at = 0; at < tree.size(); ++at) {
        CharSet known;
        for (const auto& [c, to] : tree[at]) {
            out.states[at].edges.push_back({{c, c}, to});
            known.push_back({c, c});
        }
        out.connect(at, complement(known), other);  // which sorts them
    }
    return out;
}

/// The strings that both have. Bad input: two that have more states or edges together than an
/// automaton may, or more work than is left.
[[nodiscard]] inline Result<CharAutomaton> intersection(const CharAutomaton& a,
                                                        const CharAutomaton& b, WorkLimit& work) {
    using Pair = std::pair<std::uint32_t, std::uint32_t>;
    CharAutomaton out;
    std::map<Pair, std::uint32_t> known;
    std::vector<Pair> pairs;
    const auto state = [&](Pair p) {
        const auto [at, is_new] = known.emplace(p, static_cast<std::uint32_t>(pairs.size()));
        if (is_new) {
            pairs.push_back(p);
            out.add(a.states[p.first].final && b.states[p.second].final);
        }
        return at->second;
    };
    state({0, 0});
    std::size_t edges = 0;
    for (std::uint32_t i = 0; i < pairs.size(); ++i) {
        const bool too_many = pairs.size() > CharAutomaton::max_states;
        if (too_many || edges > CharAutomaton::max_edges)
            return Error{Errc::unsupported,
                         joined({"patterns and lengths that need more than ",
                                 too_many ? CharAutomaton::max_states : CharAutomaton::max_edges,
                                 too_many ? " states" : " edges", " together"})};
        const auto& in_a = a.states[pairs[i].first].edges;
        const auto& in_b = b.states[pairs[i].second].edges;
        if (!work.take(in_a.size() + in_b.size()))
            return Error{Errc::unsupported, "patterns and lengths that take too long together"};
        for (std::size_t j = 0, k = 0; j < in_a.size() && k < in_b.size();) {
            const char32_t lo = std::max(in_a[j].chars.lo, in_b[k].chars.lo);
            const char32_t hi = std::min(in_a[j].chars.hi, in_b[k].chars.hi);
            if (lo <= hi) {
                const std::uint32_t to = state({in_a[j].to, in_b[k].to});
                out.states[i].edges.push_back({{lo, hi}, to});
            }
            in_a[j].chars.hi < in_b[k].chars.hi ? ++j : ++k;
        }
        edges += out.states[i].edges.size();
    }
    return out;
}

/// An automaton that may be in several states at once, from which a deterministic one is made.
class CharNfa {
  public:
    static constexpr std::size_t max_states = 50000;
    static constexpr std::size_t work_per_edge = 4;  // edges are kept: rather memory than time

    explicit CharNfa(WorkLimit& work) : work_(work) {}

    std::uint32_t add() {
        states_.emplace_back();
        return static_cast<std::uint32_t>(states_.size() - 1);
    }
    [[nodiscard]] bool is_full() const { return states_.size() >= max_states; }
    void connect(std::uint32_t from, std::uint32_t to) {
        if (work_.take(1)) states_[from].free.push_back(to);
    }
    void connect(std::uint32_t from, const CharSet& chars, std::uint32_t to) {
        if (!work_.take(work_per_edge * chars.size())) return;
        auto& edges = states_[from].edges;
        for (const CharRange& r : chars) edges.push_back({r, to});
    }

    /// Bad input: what needs more than CharAutomaton::max_states, or more work than is left.
    [[nodiscard]] Result<CharAutomaton> determinised(std::uint32_t start, std::uint32_t end) const {
        const Error long_work{Errc::unsupported, "it takes too long to read"};
        CharAutomaton out;
        std::map<std::vector<std::uint32_t>, std::uint32_t> known;
        std::vector<std::vector<std::uint32_t>> sets;
        const auto state = [&](std::vector<std::uint32_t> set) {
            close(set);
            const auto [at, is_new] = known.emplace(set, static_cast<std::uint32_t>(sets.size()));
            if (is_new) {
                out.add(std::binary_search(set.begin(), set.end(), end));
                sets.push_back(std::move(set));
            }
            return at->second;
        };
        state({start});
        for (std::uint32_t i = 0; i < sets.size(); ++i) {
            std::vector<CharAutomaton::Edge> edges;
            std::vector<char32_t> cuts;
            for (const std::uint32_t s : sets[i]) {
                if (!work_.take(states_[s].edges.size())) return long_work;
                for (const auto& e : states_[s].edges) {
                    edges.push_back(e);
                    cuts.push_back(e.chars.lo);
                    cuts.push_back(e.chars.hi + 1);
                }
            }
            std::sort(cuts.begin(), cuts.end());
            cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
            std::vector<std::vector<std::uint32_t>> to(cuts.size());
            for (const auto& e : edges) {
                const auto first = std::lower_bound(cuts.begin(), cuts.end(), e.chars.lo);
                const auto last = std::lower_bound(first, cuts.end(), e.chars.hi + 1);
                if (!work_.take(static_cast<std::size_t>(last - first))) return long_work;
                for (auto at = first; at != last; ++at)
                    to[static_cast<std::size_t>(at - cuts.begin())].push_back(e.to);
            }
            for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
                if (to[k].empty()) continue;
                const CharRange range{cuts[k], cuts[k + 1] - 1};
                const std::uint32_t target = state(std::move(to[k]));
                auto& list = out.states[i].edges;
                if (!list.empty() && list.back().to == target &&
                    list.back().chars.hi + 1 == range.lo) {
                    list.back().chars.hi = range.hi;
                } else {
                    list.push_back({range, target});
                }
                if (sets.size() > CharAutomaton::max_states)
                    return Error{Errc::unsupported, joined({"it needs more than ",
                                                            CharAutomaton::max_states, " states"})};
                if (work_.is_spent()) return long_work;
            }
        }
        return out;
    }

  private:
    struct State {
        std::vector<std::uint32_t> free;
        std::vector<CharAutomaton::Edge> edges;
    };

    /// Adds what is reached without a character.
    void close(std::vector<std::uint32_t>& set) const {
        std::sort(set.begin(), set.end());
        set.erase(std::unique(set.begin(), set.end()), set.end());
        std::vector<bool> in(states_.size());
        for (const std::uint32_t s : set) in[s] = true;
        std::size_t work = states_.size() / 64;
        for (std::size_t i = 0; i < set.size(); ++i) {
            for (const std::uint32_t to : states_[set[i]].free) {
                ++work;
                if (in[to]) continue;
                in[to] = true;
                set.push_back(to);
            }
        }
        work_.take(work + set.size());
        std::sort(set.begin(), set.end());
    }

    std::vector<State> states_;
    WorkLimit& work_;
};

}  // namespace carat::inline CARAT_ABI::constrain
