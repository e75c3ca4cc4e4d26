/// \file
/// Grammar: which outputs are allowed, as automata over bytes and control tokens that call each
/// other.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/work_limit.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

/// A byte, or from 256 on a control token: 256 + i is Grammar::controls[i].
using Symbol = std::uint16_t;
inline constexpr Symbol first_control = 256;

/// One state of a rule. `distance` symbols lead at least from here to the rule's end.
struct GrammarState {
    struct Edge {
        Symbol lo = 0, hi = 0;
        std::uint32_t to = 0;
    };
    /// All of another rule stands between here and `to`.
    struct Call {
        std::uint32_t rule = 0, to = 0;
    };
    std::vector<Edge> edges{};
    std::vector<Call> calls{};
    bool final = false;
    std::uint32_t distance = 0;
    /// Levels of nesting that the shortest way from here to the rule's end goes through.
    std::uint32_t height = 0;
};

struct GrammarRule {
    std::uint32_t start = 0;
    bool nests = false;      ///< a level of nesting, of which there may be max_nesting
    std::uint32_t rank = 0;  ///< a rule that starts with a call of another ranks before it
    std::string where{};     ///< what it was made from, for errors; may be empty
};

/// Rules as automata. Built state by state, then finished once; the first rule is the whole. One
/// that is full takes no more states and edges, whoever goes on, and finish() refuses it.
class Grammar {
  public:
    static constexpr std::uint32_t unreachable = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::size_t max_states = 200000;
    /// Calls are among them. An object of 2000 members that may all be left out has two millions.
    static constexpr std::size_t max_edges = 5'000'000;
    /// Well below what readers of JSON take.
    static constexpr std::uint32_t max_nesting = 200;

    std::vector<GrammarState> states{};
    std::vector<GrammarRule> rules{};
    std::vector<std::string> controls{};
    std::uint32_t max_height = 0;  ///< of any state
    WorkLimit work{};              ///< of what strangers' patterns and alternatives take to read

    [[nodiscard]] bool is_full() const { return states.size() > max_states || edges_ > max_edges; }
    [[nodiscard]] Error full(const std::string& what) const {
        const bool states_ended = states.size() > max_states;
        return Error{Errc::unsupported,
                     joined({what, " needs more than ", states_ended ? max_states : max_edges,
                             states_ended ? " states" : " edges", ", which is too large"})};
    }

    std::uint32_t add_state(bool final = false) {
        if (!is_full()) states.push_back({.final = final});
        return static_cast<std::uint32_t>(states.size() - 1);
    }
    /// A rule and its start.
    std::uint32_t add_rule(bool nests = false, std::string where = {}) {
        rules.push_back({.start = add_state(), .nests = nests, .where = std::move(where)});
        return static_cast<std::uint32_t>(rules.size() - 1);
    }
    void connect(std::uint32_t from, Symbol lo, Symbol hi, std::uint32_t to) {
        if (is_full()) return;
        states[from].edges.push_back({lo, hi, to});
        ++edges_;
    }
    void call(std::uint32_t from, std::uint32_t rule, std::uint32_t to) {
        if (is_full()) return;
        states[from].calls.push_back({rule, to});
        ++edges_;
    }
    /// Bytes one after the other.
    void literal(std::uint32_t from, std::string_view text, std::uint32_t to) {
        for (std::size_t i = 0; i < text.size() && !is_full(); ++i) {
            const auto byte = static_cast<std::uint8_t>(text[i]);
            const std::uint32_t next = i + 1 == text.size() ? to : add_state();
            connect(from, byte, byte, next);
            from = next;
        }
    }
    void control(std::uint32_t from, std::string_view token, std::uint32_t to) {
        auto at = std::find(controls.begin(), controls.end(), token);
        if (at == controls.end()) at = controls.insert(controls.end(), std::string(token));
        const auto symbol = static_cast<Symbol>(first_control + (at - controls.begin()));
        connect(from, symbol, symbol, to);
    }
    /// A text in which control tokens stand: each that is in `tokens` is one symbol.
    void text(std::uint32_t from, std::string_view text, std::uint32_t to,
              const std::vector<std::string_view>& tokens) {
        while (!text.empty() && !is_full()) {
            std::size_t first = text.size(), length = 0;
            for (const std::string_view token : tokens) {
                const std::size_t at = text.find(token);
                if (at < first) first = at, length = token.size();
            }
            const std::string_view head = text.substr(0, first);
            const std::string_view token = text.substr(first, length);
            text.remove_prefix(first + length);
            if (!head.empty()) {
                const std::uint32_t next = token.empty() ? to : add_state();
                literal(from, head, next);
                from = next;
            }
            if (token.empty()) continue;
            const std::uint32_t next = text.empty() ? to : add_state();
            control(from, token, next);
            from = next;
        }
    }
    /// One of several texts, which share their beginnings; ends in final states.
    void one_of(std::uint32_t from, const std::vector<std::string>& texts) {
        std::map<std::pair<std::uint32_t, std::uint8_t>, std::uint32_t> known;
        for (const std::string& text : texts) {
            std::uint32_t at = from;
            for (const char c : text) {
                if (is_full()) return;
                const auto byte = static_cast<std::uint8_t>(c);
                auto& next = known[{at, byte}];
                if (next == 0) {
                    next = add_state();
                    connect(at, byte, byte, next);
                }
                at = next;
            }
            states[at].final = true;
        }
    }

    /// Distances, heights and ranks; what leads nowhere is taken away. Bad input: a grammar that is
    /// full, a rule that starts with itself, one that may be empty, nothing that ends.
    [[nodiscard]] Result<void> finish() {
        if (is_full()) return full(at(0) + "it");
        measure_distances();
        if (states[rules[0].start].distance == unreachable)
            return Error{Errc::unsupported, at(0) + "nothing of finite length satisfies it"};
        for (GrammarState& s : states) {
            std::erase_if(s.edges,
                          [&](const auto& e) { return states[e.to].distance == unreachable; });
            std::erase_if(s.calls, [&](const auto& c) {
                return states[c.to].distance == unreachable || distance_of(c.rule) == unreachable;
            });
        }
        for (std::size_t r = 1; r < rules.size(); ++r)
            if (states[rules[r].start].final)
                return Error{Errc::unsupported,
                             at(r) + "it may be empty, expected a value that is written"};
        if (auto ranked = rank(); !ranked) return ranked;
        measure_heights();
        for (const GrammarState& s : states) max_height = std::max(max_height, s.height);
        if (max_height > max_nesting)
            return Error{Errc::unsupported,
                         joined({at(0), "its values nest deeper than ", max_nesting, " levels"})};
        return {};
    }
    [[nodiscard]] std::uint32_t distance_of(std::uint32_t rule) const {
        return states[rules[rule].start].distance;
    }

    /// How the shortest way to the rule's end goes on from a state that is not its end: an edge, or
    /// else a call.
    struct Way {
        const GrammarState::Edge* edge = nullptr;
        const GrammarState::Call* call = nullptr;
    };
    [[nodiscard]] Way way_out(std::uint32_t state) const {
        const GrammarState& s = states[state];
        for (const auto& e : s.edges)
            if (states[e.to].distance != unreachable && states[e.to].distance + 1 == s.distance)
                return {&e, nullptr};
        for (const auto& c : s.calls)
            if (through(c) == s.distance) return {nullptr, &c};
        return {};
    }

  private:
    /// Symbols of a call and of what follows it.
    [[nodiscard]] std::uint32_t through(const GrammarState::Call& c) const {
        const std::uint32_t a = distance_of(c.rule), b = states[c.to].distance;
        return a > max_distance || b > max_distance - a ? unreachable : a + b;
    }
    /// What is longer ends nowhere.
    static constexpr std::uint32_t max_distance = 1u << 30;

    /// The place of a rule, as errors begin with it.
    [[nodiscard]] std::string at(std::size_t rule) const {
        return rules[rule].where.empty() ? "" : rules[rule].where + ": ";
    }

    /// The nearest states first, in the way of Dijkstra: a distance is never smaller than those
    /// that it is the sum of. Source: Knuth 1977, "A generalization of Dijkstra's algorithm".
    void measure_distances() {
        // What leads on to a state: an edge, or a call that comes back to it or starts in it.
        struct Use {
            std::uint32_t from = 0, call = 0;
        };
        constexpr std::uint32_t an_edge = unreachable;
        const auto for_each_use = [&](auto&& f) {
            for (std::uint32_t i = 0; i < states.size(); ++i) {
                for (const auto& e : states[i].edges) f(e.to, Use{i, an_edge});
                for (std::uint32_t k = 0; k < states[i].calls.size(); ++k) {
                    const auto& c = states[i].calls[k];
                    f(c.to, Use{i, k});
                    f(rules[c.rule].start, Use{i, k});
                }
            }
        };
        std::vector<std::size_t> end(states.size() + 1);  // in `uses`, of those of a state
        for_each_use([&](std::uint32_t of, Use) { ++end[of + std::size_t{1}]; });
        for (std::size_t i = 1; i < end.size(); ++i) end[i] += end[i - 1];
        std::vector<Use> uses(end.back());
        for_each_use([&](std::uint32_t of, Use use) { uses[end[of]++] = use; });

        using Near = std::pair<std::uint32_t, std::uint32_t>;  // a distance and a state
        std::priority_queue<Near, std::vector<Near>, std::greater<>> queue;
        const auto reach = [&](std::uint32_t state, std::uint32_t distance) {
            if (distance > max_distance || distance >= states[state].distance) return;
            states[state].distance = distance;
            queue.push({distance, state});
        };
        for (std::uint32_t i = 0; i < states.size(); ++i) {
            states[i].distance = unreachable;
            if (states[i].final) reach(i, 0);
        }
        while (!queue.empty()) {
            const auto [distance, state] = queue.top();
            queue.pop();
            if (distance > states[state].distance) continue;  // it was reached on a shorter way
            for (std::size_t u = state == 0 ? 0 : end[state - 1]; u < end[state]; ++u) {
                const auto& [from, call] = uses[u];
                reach(from, call == an_edge ? distance + 1 : through(states[from].calls[call]));
            }
        }
    }
    /// In an order in which the shortest way out of a state leads to states that came before it.
    void measure_heights() {
        std::vector<std::uint32_t> order, late(states.size(), unreachable);
        for (const GrammarRule& r : rules) late[r.start] = unreachable - 1 - r.rank;
        for (std::uint32_t i = 0; i < states.size(); ++i)
            if (!states[i].final && states[i].distance != unreachable) order.push_back(i);
        std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
            return std::pair(states[a].distance, late[a]) < std::pair(states[b].distance, late[b]);
        });
        for (const std::uint32_t i : order) {
            const Way way = way_out(i);
            if (way.edge != nullptr) {
                states[i].height = states[way.edge->to].height;
            } else if (way.call != nullptr) {
                const GrammarRule& rule = rules[way.call->rule];
                states[i].height = std::max(states[way.call->to].height,
                                            states[rule.start].height + (rule.nests ? 1 : 0));
            }
        }
    }

    /// Orders the rules so that those which a rule starts with come after it.
    Result<void> rank() {
        std::vector<std::uint32_t> callers(rules.size(), 0), order;
        for (const GrammarRule& r : rules)
            for (const auto& c : states[r.start].calls) ++callers[c.rule];
        for (std::uint32_t r = 0; r < rules.size(); ++r)
            if (callers[r] == 0) order.push_back(r);
        for (std::size_t i = 0; i < order.size(); ++i) {
            rules[order[i]].rank = static_cast<std::uint32_t>(i);
            for (const auto& c : states[rules[order[i]].start].calls)
                if (--callers[c.rule] == 0) order.push_back(c.rule);
        }
        if (order.size() == rules.size()) return {};
        // Whoever is left has a caller that is left: so many steps back, it is one of a circle.
        std::vector<std::uint32_t> caller(rules.size(), 0);
        std::uint32_t in_circle = 0;
        for (std::uint32_t r = 0; r < rules.size(); ++r) {
            if (callers[r] == 0) continue;
            in_circle = r;
            for (const auto& c : states[rules[r].start].calls) caller[c.rule] = r;
        }
        for (std::size_t i = 0; i < rules.size(); ++i) in_circle = caller[in_circle];
        return Error{Errc::unsupported, at(in_circle) + "a reference that leads to itself"};
    }

    std::size_t edges_ = 0;
};

}  // namespace carat::inline CARAT_ABI::constrain
