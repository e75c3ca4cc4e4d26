// The modules of a conformer layer, each fed what the reference's module read.
#include "carat/nn/audio/conformer_layer.hpp"

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/tensors/audio_tensors.hpp"
#include "carat/model/audio_tower.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/e4b_mini.hpp>
#include <string>
#include <vector>

namespace carat::test {
namespace {

template <AudioConfig C, std::size_t text_hidden>
struct ConformerFixture {
    using Tower = AudioTower<C, text_hidden, weights::bf16>;
    using Layer = nn::audio::ConformerLayer<C, weights::bf16>;
    using Attention = typename Layer::Attention;
    static constexpr std::size_t hidden = C.hidden_size;

    Fixture audio;
    CheckpointFiles files;
    typename Tower::Weights tower;
    Arena weight_memory, memory;
    typename Layer::Scratch scratch;
    typename Attention::Positions positions;
    ThreadPool pool{2};
    std::size_t most = 0;
    std::vector<std::size_t> tokens;  // of each clip, without padding

    explicit ConformerFixture(const std::string& model) : audio(model, "audio") {
        auto opened = CheckpointFiles::open(fixture_path(model));
        REQUIRE(opened);
        files = std::move(*opened);
        Binder bind(files, "model.");
        bind_audio_tower<Tower>(bind, tower);
        auto bound = bind.finish();
        if (!bound) FAIL(bound.error().text);
        weight_memory = std::move(*bound);
        const auto mask = audio.bytes("mask");
        most = audio.shape("mask")[1];
        for (std::size_t i = 0; i < mask.size(); i += most)
            tokens.push_back(static_cast<std::size_t>(
                std::count(mask.begin() + static_cast<std::ptrdiff_t>(i),
                           mask.begin() + static_cast<std::ptrdiff_t>(i + most), 1)));
        REQUIRE(tokens.size() == 2);
        const auto take = [&](auto& space) {
            scratch = Layer::Scratch::take(space, most);
            positions = Attention::Positions::take(space);
        };
        MemoryPlan plan;
        take(plan);
        memory = Arena(plan.bytes());
        take(memory);
        positions.set();
    }

    /// Every clip's rows of the tensors `from` through f(clip's rows …), compared with `to`.
    template <class F>
    void check(const std::string& to, std::vector<std::vector<float>> from, F&& f) {
        CAPTURE(to);
        std::vector<float> out(from[0].size(), 0.0f);  // padding rows are zero in the file
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const auto rows = [&](std::vector<float>& all) {
                return Rows<float, hidden>(all.data() + i * most * hidden, tokens[i]);
            };
            for (auto& x : from) REQUIRE(x.size() == out.size());
            f(from, rows, rows(out));
        }
        audio.check(to, out);
    }
    void modules() {
        using Norm = typename Layer::Norm;
        const auto& w = tower.layers[0];
        const auto tap = [&](const char* name) {
            return audio.floats(std::string("tap.0.") + name);
        };
        const auto copy = [](auto from, auto to) {
            std::copy_n(from.data(), from.size(), to.data());
        };
        check("tap.0.feed_forward1", {audio.floats("subsample")},
              [&](auto& in, auto rows, auto out) {
                  copy(rows(in[0]), out);
                  typename Layer::FeedForward{}.forward(w.feed_forward1, out, scratch.feed_forward,
                                                        pool);
              });
        check("tap.0.norm_pre_attn", {tap("feed_forward1")}, [&](auto& in, auto rows, auto out) {
            for (std::size_t t = 0; t < out.rows(); ++t)
                Norm::apply(w.norm_pre_attn, rows(in[0]).row(t).data(), out.row(t).data());
        });
        check("tap.0.self_attn.q_proj", {tap("norm_pre_attn")}, [&](auto& in, auto rows, auto out) {
            typename Attention::Linear{}.forward(w.self_attn.q_proj, rows(in[0]), out,
                                                 scratch.attention.input, pool);
        });
        check("tap.0.self_attn", {tap("norm_pre_attn")}, [&](auto& in, auto rows, auto out) {
            Attention{}.forward(w.self_attn, positions, rows(in[0]), out, scratch.attention, pool);
        });
        check("tap.0.lconv1d", {tap("feed_forward1"), tap("self_attn")},
              [&](auto& in, auto rows, auto out) {
                  copy(rows(in[0]), out);
                  for (std::size_t t = 0; t < out.rows(); ++t)
                      Norm::add(w.norm_post_attn, rows(in[1]).row(t).data(), 1.0f,
                                out.row(t).data());
                  typename Layer::Convolution{}.forward(w.lconv1d, out, scratch.convolution, pool);
              });
        check("tap.0.feed_forward2", {tap("lconv1d")}, [&](auto& in, auto rows, auto out) {
            copy(rows(in[0]), out);
            typename Layer::FeedForward{}.forward(w.feed_forward2, out, scratch.feed_forward, pool);
        });
        check("layer.0", {tap("feed_forward2")}, [&](auto& in, auto rows, auto out) {
            for (std::size_t t = 0; t < out.rows(); ++t)
                Norm::apply(w.norm_out, rows(in[0]).row(t).data(), out.row(t).data());
        });
        check("layer.0", {audio.floats("subsample")}, [&](auto& in, auto rows, auto out) {
            copy(rows(in[0]), out);
            Layer{}.forward(w, positions, out, scratch, pool);
        });
    }

    /// A frame is heard by itself and as many after it as the span says, and by no other.
    void span(std::size_t expected) {
        auto x = audio.floats("tap.0.norm_pre_attn");
        const std::size_t n = tokens[0], changed = 7;
        const auto attend = [&] {
            std::vector<float> out(n * hidden);
            Attention{}.forward(tower.layers[0].self_attn, positions,
                                Rows<const float, hidden>(x.data(), n),
                                Rows<float, hidden>(out.data(), n), scratch.attention, pool);
            return out;
        };
        const auto before = attend();
        for (std::size_t i = 0; i < hidden; ++i) x[changed * hidden + i] *= -1.0f;
        const auto after = attend();
        for (std::size_t t = 0; t < n; ++t) {
            CAPTURE(t);
            const auto row = [&](const auto& all) {
                return std::span(all).subspan(t * hidden, hidden);
            };
            CHECK(std::equal(row(before).begin(), row(before).end(), row(after).begin()) ==
                  (t < changed || t >= changed + expected));
        }
    }
};

constexpr AudioConfig origin = [] {
    AudioConfig c = models::e2b_mini.audio;
    c.left_span = 13;
    return c;
}();

TEST_CASE("e2b-mini: each module of a conformer layer gives what the reference's gives") {
    ConformerFixture<models::e2b_mini.audio, models::e2b_mini.text.hidden_size>("e2b-mini")
        .modules();
}
TEST_CASE("e4b-mini: each module of a conformer layer gives what the reference's gives") {
    ConformerFixture<models::e4b_mini.audio, models::e4b_mini.text.hidden_size>("e4b-mini")
        .modules();
}
TEST_CASE("a frame hears as many before it as left_span says, 12 if it says nothing") {
    static_assert(models::e2b_mini.audio.frames_seen() == 12);
    ConformerFixture<models::e2b_mini.audio, models::e2b_mini.text.hidden_size>("e2b-mini")
        .span(12);
    ConformerFixture<origin, models::e2b_mini.text.hidden_size>("e2b-mini").span(13);
}

}  // namespace
}  // namespace carat::test
