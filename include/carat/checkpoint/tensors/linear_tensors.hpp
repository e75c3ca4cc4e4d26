/// \file
/// The tensors of a tower's linear layer by name: a weight and, where the config says so, the
/// bounds of its input and output. Source: spec/checkpoint.md section 3.
#pragma once

#include "carat/checkpoint/bind.hpp"

namespace carat::inline CARAT_ABI {

/// `name` ("self_attn.q_proj") is followed by ".linear.weight", ".input_min" and so on. A file
/// without a bound has a layer that is not bounded there.
template <class Bind, class Weights>
constexpr void bind_linear(Bind& bind, const typename Bind::Name& name, Weights& w) {
    bind(name + ".linear.weight", w.weight);
    if constexpr (requires { w.input_min; }) {
        bind.optional(name + ".input_min", w.input_min);
        bind.optional(name + ".input_max", w.input_max);
        bind.optional(name + ".output_min", w.output_min);
        bind.optional(name + ".output_max", w.output_max);
    }
}

}  // namespace carat::inline CARAT_ABI
