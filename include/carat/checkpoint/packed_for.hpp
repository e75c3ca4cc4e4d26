/// \file
/// PackedFor: the model and the kernels that a packed checkpoint is for.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/quantized.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace carat::inline CARAT_ABI {

/// What a packed checkpoint was made for. Two that differ have nothing to say to each other.
struct PackedFor {
    std::uint64_t config = 0;  ///< config_hash()
    std::string weights;       ///< weights_text()
    std::string layout;        ///< layout_text(): the same for every machine that carat knows

    friend bool operator==(const PackedFor&, const PackedFor&) = default;
};

namespace detail {

/// The name of a role's weight format.
template <class W>
constexpr std::string_view format_name() {
    if constexpr (std::is_same_v<W, as_stored>) {
        return "as stored";
    } else if constexpr (requires { sizeof(QuantBlock<W>); }) {
        return name_of(dtype_of<QuantBlock<W>>);
    } else {
        return name_of(dtype_of<W>);
    }
}

}  // namespace detail

/// The weight formats of a policy, role by role.
template <class Policy>
[[nodiscard]] std::string weights_text() {
    std::string text;
    const auto add = [&text](std::string_view role, std::string_view format) {
        text.append(text.empty() ? "" : ", ").append(role).append(" ").append(format);
    };
    add("linear", detail::format_name<typename Policy::linear>());
    add("embedding", detail::format_name<typename Policy::embedding>());
    add("per-layer", detail::format_name<typename Policy::per_layer>());
    add("experts", detail::format_name<typename Policy::experts>());
    add("towers", detail::format_name<typename Policy::tower>());
    return text;
}
/// The order of quantised weights in memory.
[[nodiscard]] inline std::string layout_text() {
    return joined({"little-endian, panels of ", panel_rows, " rows, layout ", panel_layout});
}

}  // namespace carat::inline CARAT_ABI
