/// \file
/// Gated feed-forward of the vision tower: down_proj · (act(gate_proj · x) ⊙ (up_proj · x)), each
/// projection clipped where the config says so. Source: spec/vision.md sections 6 and 7.2.
#pragma once

#include "carat/config/vision_config.hpp"
#include "carat/nn/clipped_linear.hpp"
#include "carat/nn/gated_mlp.hpp"

#include <algorithm>
#include <cstddef>

namespace carat::inline CARAT_ABI::nn::vision {
inline namespace HWY_NAMESPACE {

/// act(gate) ⊙ up between the bounds of both halves and of the layer that follows.
template <class Act>
struct ClippedGated {
    Clamp gate, up, down;
    [[no_unique_address]] Act act;
    template <class V>
    V operator()(V g, V u) const {
        return down(act(gate(g)) * up(u));
    }
};

template <VisionConfig C, class Policy, class Act = simd::ActivationFor<C.hidden_activation>>
struct GatedMlp {
    static constexpr std::size_t hidden = C.hidden_size, inner = C.intermediate_size;
    static constexpr bool clipped = C.use_clipped_linears;
    using W = typename Policy::tower;
    using A = Activation<W, Policy::arithmetic>;
    using Up = ClippedLinear<inner, hidden, clipped, Policy>;
    using Down = ClippedLinear<hidden, inner, clipped, Policy>;

    struct Weights {
        typename Up::Weights gate_proj, up_proj;
        typename Down::Weights down_proj;
    };
    struct Scratch {
        typename Up::Scratch gate, up;
        Rows<A, inner> gated;
        View<float, dynamic, dynamic> halves;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t patches, std::size_t workers) {
            return {Up::Scratch::take(space, patches), Up::Scratch::take(space, patches),
                    space.template take<A, dynamic, inner>(patches),
                    take_halves(space, workers, patches)};
        }
    };
    [[no_unique_address]] Act act{};

    /// x, out [patches, hidden].
    void forward(const Weights& w, Rows<const float, hidden> x, Rows<float, hidden> out,
                 const Scratch& s, ExecutorRef executor) const {
        const Rows<const A, hidden> for_gate = s.gate(w.gate_proj, x, executor);
        const Rows<A, inner> gated = s.gated.rows(0, x.rows());
        const auto both = [&](Rows<const A, hidden> for_up, const auto& combine) {
            gated_product(executor, w.gate_proj.weight, w.up_proj.weight, for_gate, for_up, gated,
                          s.halves, combine);
        };
        const Rows<const A, inner> middle(gated);
        if constexpr (clipped) {
            both(s.up(w.up_proj, x, executor),
                 ClippedGated<Act>{w.gate_proj.output(), w.up_proj.output(), w.down_proj.input(),
                                   act});
            project(executor, middle,
                    ClippedProduct{Product{w.down_proj.weight, out}, w.down_proj.output()});
        } else {
            both(for_gate, Gated<Act>{act});
            project(executor, middle, Product{w.down_proj.weight, out});
        }
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::vision
