/// \file
/// The vision tower: patches of one picture into soft tokens for the text model. Source:
/// spec/vision.md sections 7 to 9.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/nn/projector.hpp"
#include "carat/nn/tap.hpp"
#include "carat/nn/vision/encoder_layer.hpp"
#include "carat/nn/vision/patch_embedder.hpp"
#include "carat/nn/vision/pooler.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/finite.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace carat::inline CARAT_ABI {
inline namespace HWY_NAMESPACE {

/// One picture as the tower takes it. Patches are in any order; padding is left out.
template <std::size_t patch>
struct Picture {
    Rows<const float, patch> patches;  ///< [patches, 3 · patch_size²], values from 0 to 1
    nn::vision::Positions positions;   ///< [patches, 2], x and y in the grid
};

template <VisionConfig C, std::size_t text_hidden, class Policy = weights::bf16>
struct VisionTower {
    using Embedder = nn::vision::PatchEmbedder<C, Policy>;
    using Layer = nn::vision::EncoderLayer<C, Policy>;
    using Pooler = nn::vision::Pooler<C>;
    using Projector = nn::Projector<text_hidden, C.hidden_size, Policy>;
    using Rotary = typename Layer::Attention::Rotary;
    static constexpr VisionConfig config = C;
    static constexpr std::size_t hidden = C.hidden_size, layers = C.num_hidden_layers;
    static constexpr std::size_t patch = Embedder::patch, cell = Pooler::cell;
    using Picture = carat::Picture<patch>;

    struct NoStandard {};
    struct Standard {
        View<const float, hidden> std_bias, std_scale;
    };
    struct Weights {
        typename Embedder::Weights patch_embedder;
        std::array<typename Layer::Weights, C.num_hidden_layers> layers;
        [[no_unique_address]] std::conditional_t<C.standardize, Standard, NoStandard> standard;
        typename Projector::Weights embed_vision;
    };
    struct Scratch {
        Rows<float, hidden> x, pooled;
        Rotary rotary;
        typename Embedder::Scratch embedder;
        typename Layer::Scratch layer;
        typename Projector::Scratch projector;

        /// For pictures of at most so many patches.
        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t patches, std::size_t workers) {
            Scratch s;
            s.x = space.template take<float, dynamic, hidden>(patches);
            s.rotary = Rotary::take(space, patches);
            share(
                space, [&] { s.embedder = Embedder::Scratch::take(space, patches); },
                [&] { s.layer = Layer::Scratch::take(space, patches, workers); },
                [&] {
                    s.pooled = space.template take<float, dynamic, hidden>(patches / cell);
                    s.projector = Projector::Scratch::take(space, patches / cell);
                });
            return s;
        }
    };

    /// Bytes that a Scratch takes.
    static constexpr std::size_t scratch_bytes(std::size_t patches, std::size_t workers) {
        MemoryPlan plan;
        (void)Scratch::take(plan, patches, workers);
        return plan.bytes();
    }

    /// Whether forward can take a picture: its positions lie in the table and fill whole cells of
    /// pooling_kernel_size². `what` names the picture in the error.
    static Result<void> check(Picture picture, const std::string& what) {
        const auto text = [](auto n) { return std::to_string(n); };
        const std::size_t n = picture.patches.rows();
        if (n == 0 || n % cell != 0 || picture.positions.rows() != n)
            return Error{
                Errc::mismatch,
                joined({what, " has ", text(n), " patches and ", text(picture.positions.rows()),
                        " positions, expected as many, and a multiple of ", text(cell)})};
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t axis = 0; axis < 2; ++axis)
                if (const std::int32_t at = picture.positions(i, axis);
                    at < 0 || static_cast<std::size_t>(at) >= C.position_embedding_size)
                    return Error{Errc::out_of_range,
                                 joined({what, " has a patch at ", text(picture.positions(i, 0)),
                                         ", ", text(picture.positions(i, 1)), ", expected 0 to ",
                                         text(C.position_embedding_size - 1)})};
        if (const std::size_t i = first_not_finite(picture.patches.span());
            i < picture.patches.size())
            return Error{Errc::invalid_argument,
                         joined({what, " has a value in patch ", text(i / patch),
                                 " that is not a finite number"})};
        std::vector<std::size_t> filled(n / cell);
        const std::size_t columns = Pooler::columns(picture.positions);
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t at = Pooler::cell_of(picture.positions, columns, i);
            if (at >= filled.size() || ++filled[at] > cell)
                return Error{
                    Errc::mismatch,
                    joined({what, ": its patches do not fill a grid of squares of ",
                            text(C.pooling_kernel_size), " by ", text(C.pooling_kernel_size)})};
        }
        return {};
    }

    /// out [patches / cell, text_hidden]: the soft tokens of a picture that check() accepts. False
    /// if progress cancelled. A tap sees as hidden states 0 the embedded patches, l the output of
    /// layer l - 1; layers + 1 the pooled rows, layers + 2 the same standardised.
    template <Tap T = NoTap>
    bool forward(const Weights& w, Picture picture, Rows<float, text_hidden> out, const Scratch& s,
                 ExecutorRef executor, Progress progress, T& tap) const {
        const std::size_t n = picture.patches.rows();
        const Rows<float, hidden> x = s.x.rows(0, n), pooled = s.pooled.rows(0, n / cell);
        s.rotary.set(C.rope_theta, picture.positions);
        Embedder{}.forward(w.patch_embedder, picture.patches, picture.positions, x, s.embedder,
                           executor);
        show_hidden_state(tap, 0, 0, x);
        for (std::size_t l = 0; l < layers; ++l) {
            if (!progress(l, layers)) return false;
            Layer{}.forward(w.layers[l], s.rotary, x, s.layer, executor);
            show_hidden_state(tap, l + 1, 0, x);
        }
        Pooler{}.forward(x, picture.positions, pooled);
        show_hidden_state(tap, layers + 1, 0, pooled);
        if constexpr (C.standardize) standardize(w.standard, pooled);
        show_hidden_state(tap, layers + 2, 0, pooled);
        Projector{}.forward(w.embed_vision, static_cast<float>(C.rms_norm_eps), pooled, out,
                            s.projector, executor);
        return progress(layers, layers);
    }
    bool forward(const Weights& w, Picture picture, Rows<float, text_hidden> out, const Scratch& s,
                 ExecutorRef executor, Progress progress = {}) const {
        NoTap tap;
        return forward(w, picture, out, s, executor, progress, tap);
    }

  private:
    static void standardize(const Standard& w, Rows<float, hidden> x) {
        for (std::size_t i = 0; i < x.rows(); ++i)
            for (std::size_t j = 0; j < hidden; ++j)
                x(i, j) = (x(i, j) - w.std_bias[j]) * w.std_scale[j];
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI
