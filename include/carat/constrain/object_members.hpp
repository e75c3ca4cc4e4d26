/// \file
/// The members of an object in a grammar: in one order, each at most once.
#pragma once

#include "carat/base/abi.hpp"
#include "carat/constrain/grammar.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI::constrain::detail {

struct ObjectMember {
    std::string key{};  ///< with its colon, as it is written
    std::uint32_t rule = 0;
    bool required = false;
};
/// Members with keys that are not declared, which come last: a rule for each part.
struct OtherMembers {
    std::uint32_t key = 0, value = 0;
};

/// An object, braces included, between two states. `quote` is a control token in keys.
inline void write_members(Grammar& g, const std::vector<ObjectMember>& members,
                          const std::optional<OtherMembers>& other, std::string_view quote,
                          std::uint32_t start, std::uint32_t closed) {
    const std::size_t n = members.size();
    std::size_t optional_from = 0;  // all from here on may be left out
    for (std::size_t i = 0; i < n; ++i)
        if (members[i].required) optional_from = i + 1;
    std::vector<std::uint32_t> next(n + 1);  // after a member, where the next may be i
    for (std::uint32_t& state : next) state = g.add_state();
    std::vector<std::uint32_t> keys(n);  // behind their first symbol
    for (std::size_t i = 0; i < n; ++i) {
        const std::string_view key = members[i].key;
        const std::uint32_t value = g.add_state();
        g.call(value, members[i].rule, next[i + 1]);
        keys[i] = g.add_state();
        g.text(keys[i], key.substr(key.starts_with(quote) ? quote.size() : 1), value, {quote});
    }
    const std::uint32_t colon = g.add_state(), after_other = g.add_state();
    if (other) {
        const std::uint32_t value = g.add_state();
        g.literal(colon, ":", value);
        g.call(value, other->value, after_other);
    }
    // `from` stands where a key may be, of member i or a later one.
    const auto key_at = [&](std::uint32_t from, std::size_t i) {
        for (; i < n && !g.is_full(); ++i) {
            const std::string_view key = members[i].key;
            key.starts_with(quote) ? g.control(from, quote, keys[i])
                                   : g.literal(from, key.substr(0, 1), keys[i]);
            if (members[i].required) return;
        }
        if (other) g.call(from, other->key, colon);
    };
    const std::uint32_t inside = g.add_state();
    g.literal(start, "{", inside);
    key_at(inside, 0);
    if (optional_from == 0) g.literal(inside, "}", closed);
    for (std::size_t i = 1; i <= n && !g.is_full(); ++i) {
        if (i >= optional_from) g.literal(next[i], "}", closed);
        if (i == n && !other) continue;
        const std::uint32_t comma = g.add_state();
        g.literal(next[i], ",", comma);
        key_at(comma, i);
    }
    if (other) {
        const std::uint32_t comma = g.add_state();
        g.literal(after_other, ",", comma);
        g.call(comma, other->key, colon);
        g.literal(after_other, "}", closed);
    }
}

}  // namespace carat::inline CARAT_ABI::constrain::detail
