/// \file
/// How a model's numbers are stored and multiplied: one policy type, a template argument of every
/// model.
#pragma once

#include "carat/tensor/element.hpp"
#include "carat/tensor/quantized.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <cstdint>

namespace carat::inline CARAT_ABI {

enum class Arithmetic : std::uint8_t {
    exact,  ///< f32 activations, f32 sums: agrees with the reference in f32 to its noise floor
    fast,   ///< activations rounded to what the machine's dot product takes; the distance is
            ///< measured, not assumed
};

namespace weights {

/// Weights of every role in one element type; derive and replace a name to mix.
template <class Element>
struct Uniform {
    using linear = Element;     ///< projections of attention and mlp
    using embedding = Element;  ///< embed_tokens, which is the output head too
    using per_layer = Element;  ///< embed_tokens_per_layer, read a row a token; or as_stored
    using experts = Element;    ///< routed experts
    using tower = Element;      ///< vision and audio towers
    using cache = float;        ///< keys and values: float, bf16, q8_0 or q4_0
    static constexpr Arithmetic arithmetic = Arithmetic::exact;
};
using f32 = Uniform<carat::f32>;
using bf16 = Uniform<carat::bf16>;
using f16 = Uniform<carat::f16>;

/// Quantised, from whatever type the checkpoint has. The per-layer table stays in its file as it
/// is, of whatever type that is, and towers are bound by arithmetic, not by memory.
template <class Format>
struct Quantized : Uniform<Format> {
    using per_layer = as_stored;
    using tower = carat::bf16;
};
using q8_0 = Quantized<carat::q8_0>;
using q4_0 = Quantized<carat::q4_0>;

/// The same weights with rounded activations and a bf16 cache.
template <class Policy>
struct Fast : Policy {
    using cache = carat::bf16;
    static constexpr Arithmetic arithmetic = Arithmetic::fast;
};

/// The same with keys and values of another type; applied last, for Fast names its own.
template <class Policy, class Element>
struct WithCache : Policy {
    using cache = Element;
};

}  // namespace weights
}  // namespace carat::inline CARAT_ABI
