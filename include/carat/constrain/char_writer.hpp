/// \file
/// Automata over characters written into a grammar, which is over bytes.
#pragma once

#include "carat/base/abi.hpp"
#include "carat/constrain/char_automaton.hpp"
#include "carat/constrain/grammar.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

/// How characters stand in the output.
enum class Spelling : std::uint8_t {
    plain,  ///< as they are, in UTF-8
    json,   ///< as in a JSON string, escaped where they must be
};

/// Writes the strings of an automaton into a grammar, in UTF-8.
class CharWriter {
  public:
    CharWriter(Grammar& grammar, Spelling spelling) : grammar_(grammar), spelling_(spelling) {}

    /// The states of the automaton become states of the grammar, of which the first is `start`, and
    /// end(state) is called for each where a string may end.
    template <class End>
    void write(const CharAutomaton& a, std::uint32_t start, End&& end) {
        std::vector<std::uint32_t> at(a.states.size(), start);
        for (std::size_t i = 1; i < at.size(); ++i) at[i] = grammar_.add_state();
        for (std::size_t i = 0; i < at.size(); ++i) {
            const auto& edges = a.states[i].edges;
            for (const auto& e : edges) chars(at[i], e.chars, at[e.to]);
            // Where any character may stand, it may also stand as four digits.
            if (spelling_ == Spelling::json && edges.size() == 2 && edges[0].to == edges[1].to &&
                edges[0].chars == all_chars()[0] && edges[1].chars == all_chars()[1])
                any_hexadecimal(backslash(at[i], at[edges[0].to]), at[edges[0].to]);
            if (a.states[i].final) end(at[i]);
            if (grammar_.is_full()) return;  // finish() says it
        }
    }

  private:
    void chars(std::uint32_t from, CharRange r, std::uint32_t to) {
        if (spelling_ == Spelling::plain) return utf8(from, r, to);
        for (const CharRange raw : {CharRange{0x20, 0x21}, {0x23, 0x5B}, {0x5D, last_char}})
            if (r.lo <= raw.hi && r.hi >= raw.lo)
                utf8(from, {std::max(r.lo, raw.lo), std::min(r.hi, raw.hi)}, to);
        constexpr std::string_view meanings = "\"\\\b\f\n\r\t", names = "\"\\bfnrt";
        for (std::size_t i = 0; i < names.size(); ++i) {
            const auto c = static_cast<char32_t>(meanings[i]);
            if (c >= r.lo && c <= r.hi) byte(backslash(from, to), names[i], names[i], to);
        }
        if (r.lo == 0 && r.hi > 0x7F) return;  // control characters are few among so many
        for (char32_t c = r.lo; c <= std::min<char32_t>(r.hi, 0x1F); ++c) {
            if (meanings.find(static_cast<char>(c)) != std::string_view::npos) continue;
            constexpr std::string_view digits = "0123456789abcdef";
            grammar_.literal(backslash(from, to),
                             std::string("u00") + digits[c >> 4] + digits[c & 15], to);
        }
    }
    /// The state after a backslash that leads on to `to`.
    std::uint32_t backslash(std::uint32_t from, std::uint32_t to) {
        auto& state = after_backslash_[{from, to}];
        if (state == 0) {
            state = grammar_.add_state();
            byte(from, '\\', '\\', state);
        }
        return state;
    }
    /// uXXXX for any character that has four digits.
    void any_hexadecimal(std::uint32_t from, std::uint32_t to) {
        auto& first = after_u_[to];
        if (first == 0) {
            first = grammar_.add_state();
            const auto digit = [&](std::uint32_t a, std::uint32_t b) {
                for (const auto& [lo, hi] : {std::pair{'0', '9'}, {'a', 'f'}, {'A', 'F'}})
                    byte(a, lo, hi, b);
            };
            const std::uint32_t second = grammar_.add_state(), third = grammar_.add_state(),
                                last = grammar_.add_state(), d = grammar_.add_state();
            for (const auto& [lo, hi] :
                 {std::pair{'0', '9'}, {'a', 'c'}, {'A', 'C'}, {'e', 'f'}, {'E', 'F'}})
                byte(first, lo, hi, second);
            for (const char c : {'d', 'D'}) byte(first, c, c, d);
            byte(d, '0', '7', third);  // from D800 on they are halves of pairs
            digit(second, third);
            digit(third, last);
            digit(last, to);
        }
        byte(from, 'u', 'u', first);
    }

    void byte(std::uint32_t from, char lo, char hi, std::uint32_t to) {
        grammar_.connect(from, static_cast<std::uint8_t>(lo), static_cast<std::uint8_t>(hi), to);
    }
    /// The bytes of a range of characters: of each length, and of each run in which all but the
    /// last bytes are free.
    void utf8(std::uint32_t from, CharRange r, std::uint32_t to) {
        constexpr std::array<CharRange, 5> lengths = {{{0, 0x7F},
                                                       {0x80, 0x7FF},
                                                       {0x800, first_surrogate - 1},
                                                       {last_surrogate + 1, 0xFFFF},
                                                       {0x10000, last_char}}};
        for (const CharRange& one : lengths) {
            const char32_t lo = std::max(r.lo, one.lo), hi = std::min(r.hi, one.hi);
            if (lo > hi) continue;
            const int more = lo < 0x80 ? 0 : lo < 0x800 ? 1 : lo < 0x10000 ? 2 : 3;
            same_length(from, lo, hi, more, more, to);
        }
    }
    void same_length(std::uint32_t from, char32_t lo, char32_t hi, int more, int all,
                     std::uint32_t to) {
        const auto lead = [&](char32_t c) {
            const char32_t bits = c >> (6 * more);
            if (more < all) return static_cast<std::uint8_t>(0x80 | (bits & 0x3F));
            constexpr std::array<char32_t, 4> marks = {0, 0xC0, 0xE0, 0xF0};
            return static_cast<std::uint8_t>(marks[static_cast<std::size_t>(all)] | bits);
        };
        if (more == 0) return grammar_.connect(from, lead(lo), lead(hi), to);
        const char32_t rest = (char32_t{1} << (6 * more)) - 1;
        char32_t begin = lo;
        // The first and the last lead byte may have only part of what can follow them.
        if ((begin & rest) != 0 || (begin | rest) > hi) {
            const char32_t end = std::min<char32_t>(hi, begin | rest);
            part(from, lead(begin), lead(begin), begin, end, more, all, to);
            if (end == hi) return;
            begin = end + 1;
        }
        const char32_t whole_end = (hi & rest) == rest ? hi : (hi & ~rest) - 1;
        if (begin <= whole_end && whole_end <= hi) {
            part(from, lead(begin), lead(whole_end), whole_end & ~rest, whole_end, more, all, to);
            if (whole_end == hi) return;
            begin = whole_end + 1;
        }
        part(from, lead(begin), lead(begin), begin, hi, more, all, to);
    }
    /// One lead byte, or several with all that can follow, and then the characters lo to hi without
    /// it. States in the middle are shared.
    void part(std::uint32_t from, std::uint8_t first, std::uint8_t last, char32_t lo, char32_t hi,
              int more, int all, std::uint32_t to) {
        const char32_t rest = (char32_t{1} << (6 * more)) - 1;
        auto& middle = middles_[{to, more, lo & rest, hi & rest}];
        if (middle == 0) {
            const std::uint32_t state = middle = grammar_.add_state();
            grammar_.connect(from, first, last, state);
            same_length(state, lo & rest, hi & rest, more - 1, all, to);
            return;
        }
        grammar_.connect(from, first, last, middle);
    }

    Grammar& grammar_;
    Spelling spelling_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> after_backslash_;
    std::map<std::uint32_t, std::uint32_t> after_u_;
    std::map<std::tuple<std::uint32_t, int, char32_t, char32_t>, std::uint32_t> middles_;
};

}  // namespace carat::inline CARAT_ABI::constrain
