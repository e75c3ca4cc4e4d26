/// \file
/// The tensors of a Gemma 4 text model by name: which weight of a TextModel is which entry of a
/// file.
///
/// The layers' own weights are found by their members' names, so that this works for any TextModel
/// of any config; a module of a researcher's brings its own names as `template <class Bind> static
/// constexpr void bind(Bind&, const typename Bind::Name& prefix, Weights&)`. Source:
/// spec/checkpoint.md section 2.
#pragma once

#include "carat/checkpoint/bind.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/view.hpp"

#include <cstddef>
#include <string>
#include <tuple>

namespace carat::inline CARAT_ABI {

/// What `bind` is for the weights of a module: names below `prefix` to views.
template <class Module, class Bind, class Weights>
[[gnu::cold]] constexpr void bind_module(Bind& bind, const typename Bind::Name& prefix,
                                         Weights& w) {
    if constexpr (requires { Module::bind(bind, prefix, w); }) {
        Module::bind(bind, prefix, w);
    } else {
        static_assert(
            !requires { &Module::bind; } && !requires { &Module::template bind<Bind>; },
            "carat: a module's bind is template <class Bind> static constexpr void "
            "bind(Bind&, const typename Bind::Name& prefix, Weights&)");
        // Attention; kinds that share keys and values have no k and v, k_eq_v kinds no v.
        if constexpr (requires { w.q_proj; }) {
            bind(prefix + "self_attn.q_proj.weight", w.q_proj);
            bind(prefix + "self_attn.o_proj.weight", w.o_proj);
            bind(prefix + "self_attn.q_norm.weight", w.q_norm);
        }
        if constexpr (requires { w.k_proj; }) {
            bind(prefix + "self_attn.k_proj.weight", w.k_proj);
            bind(prefix + "self_attn.k_norm.weight", w.k_norm);
        }
        if constexpr (requires { w.v_proj; }) bind(prefix + "self_attn.v_proj.weight", w.v_proj);
        if constexpr (requires { w.gate_proj; }) {
            bind(prefix + "mlp.gate_proj.weight", w.gate_proj);
            bind(prefix + "mlp.up_proj.weight", w.up_proj);
            bind(prefix + "mlp.down_proj.weight", w.down_proj);
        }
        if constexpr (requires { w.per_expert_scale; }) {
            bind(prefix + "router.proj.weight", w.proj);
            bind(prefix + "router.scale", w.scale);
            bind(prefix + "router.per_expert_scale", w.per_expert_scale);
        }
        if constexpr (requires { w.gate_up_proj; }) {
            bind(prefix + "experts.gate_up_proj", w.gate_up_proj,
                 FileShape<Module::experts, 2 * Module::inner, Module::hidden>{});
            bind(prefix + "experts.down_proj", w.down_proj,
                 FileShape<Module::experts, Module::hidden, Module::inner>{});
        }
        if constexpr (requires { w.per_layer_input_gate; }) {
            bind(prefix + "per_layer_input_gate.weight", w.per_layer_input_gate);
            bind(prefix + "per_layer_projection.weight", w.per_layer_projection);
            bind(prefix + "post_per_layer_input_norm.weight", w.post_per_layer_input_norm);
        }
    }
}

/// One decoder layer, names below `prefix` ("layers.0.").
template <class Layer, class Bind>
[[gnu::cold]] constexpr void bind_layer(Bind& bind, const typename Bind::Name& prefix,
                                        typename Layer::Weights& w) {
    bind(prefix + "input_layernorm.weight", w.input_layernorm);
    bind(prefix + "post_attention_layernorm.weight", w.post_attention_layernorm);
    bind(prefix + "pre_feedforward_layernorm.weight", w.pre_feedforward_layernorm);
    bind(prefix + "post_feedforward_layernorm.weight", w.post_feedforward_layernorm);
    bind(prefix + "layer_scalar", w.layer_scalar);
    bind_module<typename Layer::Attention>(bind, prefix, w.self_attn);
    bind_module<typename Layer::Mlp>(bind, prefix, w.mlp);
    if constexpr (Layer::has_experts) {
        bind(prefix + "pre_feedforward_layernorm_2.weight", w.mixture.pre_feedforward_layernorm_2);
        bind(prefix + "post_feedforward_layernorm_1.weight",
             w.mixture.post_feedforward_layernorm_1);
        bind(prefix + "post_feedforward_layernorm_2.weight",
             w.mixture.post_feedforward_layernorm_2);
        bind_module<typename Layer::Router>(bind, prefix, w.mixture.router);
        bind_module<typename Layer::Experts>(bind, prefix, w.mixture.experts);
    }
    if constexpr (Layer::has_per_layer)
        bind_module<typename Layer::PerLayer>(bind, prefix, w.per_layer);
}

/// All weights of a text model, names below bind's own prefix. The per-layer table stays in the
/// file: of its many bytes, a token reads one row.
template <class Model, class Bind>
[[gnu::cold]] constexpr void bind_text_model(Bind& bind, typename Model::Weights& w) {
    bind(typename Bind::Name("embed_tokens.weight"), w.embed_tokens);
    bind(typename Bind::Name("norm.weight"), w.norm);
    if constexpr (Model::per_layer > 0) {
        bind(typename Bind::Name("embed_tokens_per_layer.weight"),
             w.per_layer.embed_tokens_per_layer, Residence::mapped);
        bind(typename Bind::Name("per_layer_model_projection.weight"),
             w.per_layer.per_layer_model_projection);
        bind(typename Bind::Name("per_layer_projection_norm.weight"),
             w.per_layer.per_layer_projection_norm);
    }
    Model::for_each_layer([&]<std::size_t kind>(std::size_t layer, std::size_t ordinal) {
        bind_layer<typename Model::template Layer<kind>>(bind, Bind::layer_prefix(layer),
                                                         std::get<kind>(w.layers)[ordinal]);
        return true;
    });
}

/// A Bind that only counts: the bytes that binding a model takes. Names do not matter to it.
class WeightBytes {
  public:
    struct Name {
        constexpr explicit Name(const char*) {}
        friend constexpr Name operator+(Name name, const char*) { return name; }
        friend constexpr Name operator+(Name name, Name) { return name; }
    };
    static constexpr Name layer_prefix(std::size_t) { return Name(""); }

    /// For a checkpoint whose tensors are of this type: those of another are converted, which makes
    /// them resident.
    constexpr explicit WeightBytes(DType stored) : stored_(stored) {}

    template <class T, std::size_t... Extents>
    constexpr void operator()(Name, View<const T, Extents...>& slot,
                              Residence residence = Residence::resident) {
        const bool mapped = residence == Residence::mapped && dtype_of<T> == stored_;
        (mapped ? mapped_ : resident_) += aligned_size(slot.size() * sizeof(T));
    }
    template <class T, std::size_t... Extents>
    constexpr void optional(Name name, View<const T, Extents...>& slot,
                            Residence residence = Residence::resident) {
        (*this)(name, slot, residence);
    }
    template <class T, std::size_t... Extents, class Shape>
    constexpr void operator()(Name name, View<const T, Extents...>& slot, Shape) {
        (*this)(name, slot);
    }
    /// Two bytes a value, as published checkpoints have.
    template <std::size_t rows, std::size_t width>
    constexpr void operator()(Name, StoredRows<rows, width>&, Residence) {
        mapped_ += aligned_size(rows * width * sizeof(bf16));
    }
    template <class Format, std::size_t out, std::size_t in>
    constexpr void operator()(Name, PanelView<Format, out, in>&) {
        resident_ += aligned_size(PanelView<Format, out, in>::panels * sizeof(Panel<Format, in>));
    }
    template <class Format, std::size_t n, std::size_t out, std::size_t in, class Shape>
    constexpr void operator()(Name, PanelStack<Format, n, out, in>&, Shape) {
        resident_ +=
            aligned_size(n * PanelView<Format, out, in>::panels * sizeof(Panel<Format, in>));
    }
    template <class Format, std::size_t out, std::size_t in>
    constexpr void operator()(Name name, PanelView<Format, out, in>& slot, RowOrder) {
        (*this)(name, slot);
    }
    [[nodiscard]] constexpr std::size_t resident() const { return resident_; }
    [[nodiscard]] constexpr std::size_t mapped() const { return mapped_; }

  private:
    DType stored_;
    std::size_t resident_ = 0, mapped_ = 0;
};

/// The weights of a TextModel in bytes, at compile time, for a checkpoint of the given type.
template <class Model>
constexpr WeightBytes weight_bytes(DType stored) {
    WeightBytes count(stored);
    typename Model::Weights nowhere{};
    bind_text_model<Model>(count, nowhere);
    return count;
}

}  // namespace carat::inline CARAT_ABI
