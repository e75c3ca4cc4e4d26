/// \file
/// Regular expressions into automata: the subset of ECMA-262 that describes regular languages.
///
/// - a character: `a  \n \r \t \f \v \0  \xHH \uHHHH  \.` (any punctuation)
/// - one of several: `.  [a-z_]  [^a-z]  \d \w \s \D \W \S` (ASCII)
/// - groups, repeated: `(…)  (?:…)  a|b  *  +  ?  {n}  {n,}  {n,m}`, with a `?` behind, which
///   changes nothing
/// - `^ …  … $` at the ends of the expression, or of an alternative outside of groups
///
/// Everything else (`\b`, `\p`, back references, look-around, named groups) is refused.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/char_automaton.hpp"
#include "carat/constrain/work_limit.hpp"
#include "carat/text/unicode.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI::constrain {

/// Where an expression matches.
enum class RegexMatch : std::uint8_t {
    whole,   ///< the text is what it describes
    inside,  ///< the text contains it, unless ^ and $ say otherwise: JSON schema's `pattern`
};

namespace detail {

/// Reads an expression and builds the automaton on the way. Counts are written out, so that the
/// size of the automaton and the work that it takes are the limits of what is taken.
class RegexReader {
  public:
    RegexReader(std::string_view text, RegexMatch match, WorkLimit& work)
        : text_(text), match_(match), work_(work), nfa_(work) {}

    Result<CharAutomaton> read() {
        if (!unicode::is_valid(text_)) return Error{Errc::bad_format, "it is not UTF-8"};
        const std::uint32_t start = nfa_.add(), end = nfa_.add();
        if (!alternatives(start, end, 0) || (at_ < text_.size() && !fail("a ) that nothing opens")))
            return Error{Errc::bad_format, "at byte " + std::to_string(failed_at_) + ": " + why_};
        return nfa_.determinised(start, end);
    }

  private:
    static constexpr std::size_t max_nesting = 200;
    static constexpr std::size_t work_per_byte = 4;  // of an atom, read again for each repetition
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    bool fail(std::string why) {
        if (why_.empty()) {
            why_ = std::move(why);
            failed_at_ = at_;
        }
        return false;
    }
    bool fits() {
        if (work_.is_spent()) return fail("it takes too long to read");
        return !nfa_.is_full() ||
               fail(joined({"it needs more than ", CharNfa::max_states, " states"}));
    }
    [[nodiscard]] bool sees(std::string_view what) const {
        return text_.substr(at_).starts_with(what);
    }
    bool take(std::string_view what) {
        if (!sees(what)) return false;
        at_ += what.size();
        return true;
    }

    /// a|b|c from one state to another.
    bool alternatives(std::uint32_t from, std::uint32_t to, std::size_t depth) {
        if (depth > max_nesting) return fail("groups nested too deep");
        do {
            if (!fits()) return false;
            std::uint32_t at = from;
            if (depth == 0) {
                const bool bound = take("^");
                at = nfa_.add();
                nfa_.connect(from, at);
                if (!bound && match_ == RegexMatch::inside) nfa_.connect(at, all_chars(), at);
            }
            bool bound = false;
            if (!sequence(at, depth, bound)) return false;
            if (depth == 0 && !bound && match_ == RegexMatch::inside) {
                const std::uint32_t rest = nfa_.add();
                nfa_.connect(at, rest);
                nfa_.connect(rest, all_chars(), rest);
                at = rest;
            }
            nfa_.connect(at, to);
        } while (take("|"));
        return true;
    }
    /// Moves `at` to the end of what it reads.
    bool sequence(std::uint32_t& at, std::size_t depth, bool& bound) {
        while (at_ < text_.size() && !sees("|") && !sees(")")) {
            if (sees("$")) {
                ++at_;
                if (depth > 0 || (at_ < text_.size() && !sees("|")))
                    return fail("a $ that does not end the expression");
                bound = true;
                return true;
            }
            if (!repeated(at, depth)) return false;
        }
        return true;
    }
    /// One atom with its quantifier.
    bool repeated(std::uint32_t& at, std::size_t depth) {
        const std::size_t start = at_;
        if (!skip_atom(depth)) return false;
        const std::size_t atom_end = at_;
        work_.take(work_per_byte * (atom_end - start));
        std::size_t least = 1, most = 1;
        if (!quantifier(least, most)) return false;
        const std::size_t end = at_;
        const auto once = [&](std::uint32_t from) {
            at_ = start;
            const std::uint32_t to = nfa_.add();
            work_.take(work_per_byte * (atom_end - start));
            return fits() && atom(from, to, depth) && at_ == atom_end ? to : CharAutomaton::none;
        };
        for (std::size_t i = 0; i < least; ++i)
            if ((at = once(at)) == CharAutomaton::none) return false;
        if (most == unlimited) {
            const std::uint32_t loop = nfa_.add();
            nfa_.connect(at, loop);
            const std::uint32_t back = once(loop);
            if (back == CharAutomaton::none) return false;
            nfa_.connect(back, loop);
            at = loop;
        } else if (most > least) {
            const std::uint32_t behind = nfa_.add();
            for (std::size_t i = least; i < most; ++i) {
                nfa_.connect(at, behind);
                if ((at = once(at)) == CharAutomaton::none) return false;
            }
            nfa_.connect(at, behind);
            at = behind;
        }
        at_ = end;
        return true;
    }
    bool quantifier(std::size_t& least, std::size_t& most) {
        if (take("*")) {
            least = 0, most = unlimited;
        } else if (take("+")) {
            most = unlimited;
        } else if (take("?")) {
            least = 0;
        } else if (sees("{")) {
            ++at_;
            if (!number(least)) return fail("expected {n}, {n,} or {n,m}; a brace is \\{");
            most = least;
            if (take(",") && !number(most)) most = unlimited;
            if (!take("}")) return fail("expected {n}, {n,} or {n,m}; a brace is \\{");
            if (most < least) return fail("a count whose end is below its start");
        } else {
            return true;
        }
        take("?");
        if (sees("*") || sees("+") || sees("?") || sees("{"))
            return fail("a quantifier behind a quantifier");
        return true;
    }
    bool number(std::size_t& out) {
        const std::size_t start = at_;
        out = 0;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
            out = out * 10 + static_cast<std::size_t>(text_[at_++] - '0');
            if (out > CharNfa::max_states) return fail("a count that is too large");
        }
        return at_ > start;
    }

    /// Goes past an atom, to find its quantifier.
    bool skip_atom(std::size_t depth) {
        if (sees("(")) {
            std::size_t open = 0;
            for (bool in_class = false; at_ < text_.size(); ++at_) {
                const char c = text_[at_];
                if (c == '\\') {
                    ++at_;
                } else if (in_class) {
                    in_class = c != ']';
                } else if (c == '[') {
                    in_class = true;
                } else if (c == '(') {
                    if (++open + depth > max_nesting) return fail("groups nested too deep");
                } else if (c == ')' && --open == 0) {
                    ++at_;
                    return true;
                }
            }
            at_ = std::min(at_, text_.size());
            return fail("a group that does not end");
        }
        CharSet ignored;
        return set(ignored);
    }
    bool atom(std::uint32_t from, std::uint32_t to, std::size_t depth) {
        if (!take("(")) {
            CharSet chars;
            if (!set(chars)) return false;
            nfa_.connect(from, chars, to);
            return true;
        }
        if (sees("?") && !take("?:"))
            return fail("look-around, named groups and flags are not supported, only (?:…)");
        return alternatives(from, to, depth + 1) &&
               (take(")") || fail("a group that does not end"));
    }
    /// One character, or one of several.
    bool set(CharSet& out) {
        if (at_ >= text_.size()) return fail("it ends too early");
        if (take(".")) {
            out = complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}});
            return true;
        }
        if (sees("[")) return char_class(out);
        if (sees("\\")) return escape(out, false);
        if (std::string_view("*+?{^").find(text_[at_]) != std::string_view::npos)
            return fail(sees("^") ? "a ^ that does not start the expression"
                                  : "a quantifier with nothing before it");
        const auto c = unicode::first_code_point(text_.substr(at_));
        at_ += c.length;
        out = {{c.value, c.value}};
        return true;
    }
    bool char_class(CharSet& out) {
        take("[");
        const bool negated = take("^");
        while (!take("]")) {
            if (at_ >= text_.size()) return fail("a [ that does not end");
            CharSet one;
            if (!class_char(one)) return false;
            const bool single = one.size() == 1 && one[0].lo == one[0].hi;
            if (single && sees("-") && text_.substr(at_, 2) != "-]") {
                ++at_;
                CharSet last;
                if (!class_char(last)) return false;
                if (last.size() != 1 || last[0].lo != last[0].hi || last[0].lo < one[0].lo)
                    return fail("a range whose end is no character, or below its start");
                one[0].hi = last[0].hi;
            }
            out.insert(out.end(), one.begin(), one.end());
        }
        if (negated) out = complement(out);
        out = complement(complement(out));  // in order, without surrogates
        return !out.empty() || fail("a class of no characters");
    }
    bool class_char(CharSet& out) {
        if (at_ >= text_.size()) return fail("a [ that does not end");
        if (sees("\\")) return escape(out, true);
        const auto c = unicode::first_code_point(text_.substr(at_));
        at_ += c.length;
        out = {{c.value, c.value}};
        return true;
    }
    bool escape(CharSet& out, bool in_class) {
        ++at_;
        if (at_ >= text_.size()) return fail("a \\ at the end");
        const char c = text_[at_++];
        const CharSet digit = {{'0', '9'}}, word = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                      space = {{'\t', '\r'}, {' ', ' '}};
        const auto one = [&](char32_t value) { return out = {{value, value}}, true; };
        switch (c) {
            case 'd':
                return out = digit, true;
            case 'D':
                return out = complement(digit), true;
            case 'w':
                return out = word, true;
            case 'W':
                return out = complement(word), true;
            case 's':
                return out = space, true;
            case 'S':
                return out = complement(space), true;
            case 'n':
                return one('\n');
            case 'r':
                return one('\r');
            case 't':
                return one('\t');
            case 'f':
                return one('\f');
            case 'v':
                return one('\v');
            case '0':
                return one(0);
            case 'x':
                return hexadecimal(2, out);
            case 'u':
                return hexadecimal(4, out);
            case 'b':
                if (in_class) return one('\b');
                [[fallthrough]];
            default:
                break;
        }
        const bool letter =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (letter || static_cast<unsigned char>(c) >= 0x80) {
            const auto whole = unicode::first_code_point(text_.substr(at_ - 1));
            const std::string name = printable(text_.substr(at_ - 1, whole.length));
            at_ -= 2;
            return fail("\\" + name + " is not supported");
        }
        return one(static_cast<char32_t>(c));
    }
    bool hexadecimal(std::size_t digits, CharSet& out) {
        char32_t value = 0;
        for (std::size_t i = 0; i < digits; ++i, ++at_) {
            const char c = at_ < text_.size() ? text_[at_] : ' ';
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0) return fail("expected hexadecimal digits");
            value = value * 16 + static_cast<char32_t>(digit);
        }
        if (value >= first_surrogate && value <= last_surrogate)
            return fail("half of a surrogate pair, which is no character");
        out = {{value, value}};
        return true;
    }

    std::string_view text_;
    RegexMatch match_;
    std::size_t at_ = 0, failed_at_ = 0;
    std::string why_;
    WorkLimit& work_;
    CharNfa nfa_;
};

}  // namespace detail

/// The texts that an expression describes. Bad input: what is none, what is not supported, and what
/// needs more than CharAutomaton::max_states or more work than is left; the error names the byte.
[[nodiscard]] inline Result<CharAutomaton> regex(std::string_view text, RegexMatch match,
                                                 WorkLimit& work) {
    return memory_errors([&]() -> Result<CharAutomaton> {
        auto automaton = detail::RegexReader(text, match, work).read();
        if (!automaton)
            return Error{automaton.error().code, joined({"regular expression ", printable(text, 60),
                                                         ": ", automaton.error().text})};
        return automaton;
    });
}
[[nodiscard]] inline Result<CharAutomaton> regex(std::string_view text,
                                                 RegexMatch match = RegexMatch::whole) {
    WorkLimit work;
    return regex(text, match, work);
}

}  // namespace carat::inline CARAT_ABI::constrain
