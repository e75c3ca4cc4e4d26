/// \file
/// The functions `hidden_activation` can name. Each works on a float and on a batch of floats.
#pragma once

#include "carat/config/text_config.hpp"
#include "carat/simd/map.hpp"

#include <cmath>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// 0.5 x (1 + tanh u) = x / (1 + exp(-2 u)), u = √(2/π) (x + 0.044715 x³). The second form is less
/// work, and loses nothing where tanh u is nearly -1. Source: spec/text.md section 10.
struct GeluTanh {
    template <class V>
    V operator()(V x) const {
        using std::exp;
        return x / (V(1.0f) + exp(V(-1.5957691216057308f) * (x + V(0.044715f) * x * x * x)));
    }
};

/// 0.5 x (1 + erf(x / √2)).
struct Gelu {
    template <class V>
    V operator()(V x) const {
        using std::erf;
        return V(0.5f) * x * (V(1.0f) + erf(x * V(0.7071067811865476f)));
    }
};

/// x / (1 + exp(-x)).
struct Silu {
    template <class V>
    V operator()(V x) const {
        using std::exp;
        return x / (V(1.0f) + exp(-x));
    }
};

/// x, or 0 where x is below it. A NaN is not: max() would drop it on some machines.
struct Relu {
    float operator()(float x) const { return x < 0.0f ? 0.0f : x; }
    Batch operator()(Batch x) const { return xsimd::select(x < Batch(0.0f), Batch(0.0f), x); }
};

namespace detail {

template <Activation a>
struct ActivationNamed;
template <>
struct ActivationNamed<Activation::gelu_tanh> {
    using type = GeluTanh;
};
template <>
struct ActivationNamed<Activation::gelu> {
    using type = Gelu;
};
template <>
struct ActivationNamed<Activation::silu> {
    using type = Silu;
};
template <>
struct ActivationNamed<Activation::relu> {
    using type = Relu;
};

}  // namespace detail

/// The functor of a config's activation.
template <Activation a>
using ActivationFor = typename detail::ActivationNamed<a>::type;

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
