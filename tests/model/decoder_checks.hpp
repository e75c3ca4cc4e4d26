/// \file
/// What every variant's decoder must do, checked against the reference. One unit for each variant
/// includes this.
#pragma once

#include "carat/gemma4.hpp"
#include "carat/generate/generate.hpp"
#include "carat/generate/loss.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace carat::test {

/// Keeps everything a forward pass shows.
template <class Model>
struct KeepAll : NoTap {
    static constexpr bool hidden_states = true, attentions = true, router = true;
    std::size_t tokens;
    std::vector<std::vector<float>> hidden, attended, routes;

    explicit KeepAll(std::size_t n)
        : tokens(n),
          hidden(Model::layers + 1, std::vector<float>(n * Model::hidden)),
          attended(Model::layers, std::vector<float>(Model::config.num_attention_heads * n * n)),
          routes(Model::layers, std::vector<float>(n * Model::config.experts())) {}
    void hidden_state(std::size_t entry, std::size_t row, std::span<const float> x) {
        std::copy(x.begin(), x.end(),
                  hidden[entry].begin() + static_cast<std::ptrdiff_t>(row * Model::hidden));
    }
    void attention(std::size_t layer, std::size_t row, std::size_t head, std::size_t first,
                   std::span<const float> p) {
        std::copy(p.begin(), p.end(),
                  attended[layer].begin() +
                      static_cast<std::ptrdiff_t>((head * tokens + row) * tokens + first));
    }
    void route(std::size_t layer, std::size_t row, std::span<const float> p) {
        std::copy(p.begin(), p.end(),
                  routes[layer].begin() + static_cast<std::ptrdiff_t>(row * p.size()));
    }
};

template <class Gemma>
struct DecoderChecks {
    using Text = typename Gemma::Text;
    using Session = typename Gemma::Session;
    using Input = typename Session::Input;
    static constexpr std::size_t vocab = Text::vocab, hidden = Text::hidden;

    std::string folder;
    Gemma model;
    ThreadPool pool{2};

    explicit DecoderChecks(std::string name) : folder(std::move(name)), model(open(folder)) {}

    static Gemma open(const std::string& name) {
        auto opened = Gemma::open(fixture_path(name));
        if (!opened) FAIL(opened.error().text);
        return std::move(*opened);
    }
    Session session(SessionOptions options = {.context_tokens = 128, .chunk_tokens = 128}) {
        auto s = model.session(pool, options);
        REQUIRE(s);
        return std::move(*s);
    }
    /// Logits of every row.
    std::vector<float> logits(Session& s, Input in, std::size_t tokens) {
        std::vector<float> out(tokens * vocab);
        in.logits_to_keep = 0;
        const Result<void> r = s.append(in, [&](std::size_t row, std::span<const float> z) {
            std::copy(z.begin(), z.end(), out.begin() + static_cast<std::ptrdiff_t>(row * vocab));
        });
        if (!r) FAIL(r.error().text);
        return out;
    }

    void text() {
        const Fixture f(folder, "text");
        const auto ids = f.ints("input_ids");
        Session s = session();
        KeepAll<Text> tap(ids.size());
        std::vector<float> out(ids.size() * vocab);
        REQUIRE(s.append(
            Input{.ids = ids, .logits_to_keep = 0},
            [&](std::size_t row, std::span<const float> z) {
                std::copy(z.begin(), z.end(),
                          out.begin() + static_cast<std::ptrdiff_t>(row * vocab));
            },
            {}, tap));
        for (std::size_t l = 0; l < Text::layers; ++l)
            f.check("hidden." + std::to_string(l), tap.hidden[l]);
        f.check("final_norm", tap.hidden[Text::layers]);
        f.check("logits", out);
        std::size_t attentions = 0;
        for (std::size_t l = 0; l < Text::layers; ++l) {
            const std::string n = std::to_string(l);
            if (f.has("attention." + n)) {
                f.check("attention." + n, tap.attended[l]);
                ++attentions;
            }
            if (Text::config.enable_moe_block) f.check("router." + n + ".probs", tap.routes[l]);
        }
        CHECK(attentions == 2);
    }

    /// However a prompt is cut, and whatever the threads: the same logits, bit for bit.
    void chunks() {
        const Fixture f(folder, "text");
        const auto ids = f.ints("input_ids");
        Session whole = session();
        const auto expected = logits(whole, {.ids = ids}, ids.size());
        for (const std::size_t chunk : {1u, 7u, 15u, 16u, 17u, 48u, 80u}) {
            CAPTURE(chunk);
            Session s = session({.context_tokens = 128, .chunk_tokens = chunk});
            CHECK(logits(s, {.ids = ids}, ids.size()) == expected);
        }
        for (const std::size_t threads : {1u, 3u}) {
            CAPTURE(threads);
            ThreadPool other(threads);
            auto s = model.session(other, {.context_tokens = 80, .chunk_tokens = 33});
            REQUIRE(s);
            CHECK(logits(*s, {.ids = ids}, ids.size()) == expected);
        }
    }

    /// The last rows alone are the last rows of all: layers that share keys and values may skip the
    /// others.
    void kept_rows() {
        const Fixture f(folder, "text");
        const auto ids = f.ints("input_ids");
        Session whole = session();
        const auto all = logits(whole, {.ids = ids}, ids.size());
        for (const std::size_t chunk : {7u, 80u})
            for (const std::size_t keep : {1u, 2u, 9u}) {
                CAPTURE(chunk);
                CAPTURE(keep);
                Session s = session({.context_tokens = 80, .chunk_tokens = chunk});
                std::size_t row = ids.size() - keep;
                REQUIRE(s.append(Input{.ids = ids, .logits_to_keep = keep},
                                 [&](std::size_t r, std::span<const float> z) {
                                     CHECK(r == row);
                                     CHECK(std::equal(
                                         z.begin(), z.end(),
                                         all.begin() + static_cast<std::ptrdiff_t>(row * vocab)));
                                     ++row;
                                 }));
                CHECK(row == ids.size());
            }
        const std::size_t last = ids.size() - 1;
        for (const std::size_t chunk : {7u, 80u})
            for (const std::vector<std::size_t>& at : {std::vector<std::size_t>{0},
                                                       {2, 3, 5, 8, 20, 21, 22, 23, 24, 25, 30},
                                                       {0, last}}) {
                CAPTURE(chunk);
                CAPTURE(at);
                Session s = session({.context_tokens = 128, .chunk_tokens = chunk});
                std::vector<std::size_t> rows;
                REQUIRE(s.append(Input{.ids = ids, .logits_at = at}, [&](std::size_t r,
                                                                         std::span<const float> z) {
                    rows.push_back(r);
                    CHECK(std::equal(z.begin(), z.end(),
                                     all.begin() + static_cast<std::ptrdiff_t>(r * vocab)));
                }));
                CHECK(rows == at);
                // What was read is read whole: the session goes on as the other does.
                Session other = session({.context_tokens = 128, .chunk_tokens = chunk});
                REQUIRE(other.append(ids));
                const auto next = s.append(std::span(ids).first(1));
                const auto expected = other.append(std::span(ids).first(1));
                REQUIRE(next);
                REQUIRE(expected);
                CHECK(std::equal(next->begin(), next->end(), expected->begin(), expected->end()));
            }
    }

    /// Lengths around the window, prompt against token by token, and a cache that was cleared and
    /// rewound.
    void window() {
        const Fixture f(folder, "text");
        auto ids = f.ints("input_ids");
        constexpr std::size_t w = Text::config.sliding_window;
        for (const std::size_t n : {w - 1, w, w + 1, 3 * w}) {
            CAPTURE(n);
            const std::span<const std::int32_t> some(ids.data(), n);
            Session prompt = session(), steps = session({.context_tokens = n, .chunk_tokens = 1});
            const auto expected = logits(prompt, {.ids = some}, n);
            CHECK(logits(steps, {.ids = some}, n) == expected);
            CHECK(steps.size() == n);
            CHECK_FALSE(steps.append(some.first(1)));  // the context is full
            steps.clear();
            CHECK(logits(steps, {.ids = some}, n) == expected);
            REQUIRE(prompt.rewind(n - 1));
            const auto last = prompt.append(some.last(1));
            REQUIRE(last);
            CHECK(std::equal(last->begin(), last->end(),
                             expected.end() - static_cast<std::ptrdiff_t>(vocab)));
        }
    }

    void greedy() {
        const Fixture f(folder, "generate");
        const auto prompt = f.ints("prompt_ids"), expected = f.ints("greedy_ids");
        for (const std::size_t chunk : {1u, 7u, 64u}) {
            CAPTURE(chunk);
            Session s = session({.context_tokens = 80, .chunk_tokens = chunk});
            auto sampler = Sampler::create(vocab, {.greedy = true});
            REQUIRE(sampler);
            std::vector<std::int32_t> ids;
            const auto stop = generate(s, Input{.ids = prompt}, *sampler,
                                       {.max_tokens = expected.size(), .stop_ids = {}},
                                       [&](std::int32_t id) { ids.push_back(id); });
            REQUIRE(stop);
            CHECK(*stop == StopReason::max_tokens);
            CHECK(ids == expected);
        }
        // The logits of each step, fed with the reference's own tokens.
        Session s = session();
        std::vector<float> steps;
        auto next = s.append(prompt);
        for (const std::int32_t id : expected) {
            REQUIRE(next);
            steps.insert(steps.end(), next->begin(), next->end());
            next = s.append(std::span(&id, 1));
        }
        f.check_like("step_logits", steps, "text", "logits");
    }

    void batch() {
        const Fixture f(folder, "batch");
        const auto ids = f.ints("input_ids"), positions = f.ints("position_ids"),
                   greedy = f.ints("greedy_ids");
        const auto mask = f.bytes("attention_mask");
        const std::size_t rows = f.shape("input_ids")[0], tokens = f.shape("input_ids")[1];
        const std::size_t steps = f.shape("greedy_ids")[1];
        std::vector<float> all;
        for (std::size_t b = 0; b < rows; ++b) {
            CAPTURE(b);
            Session s = session();
            const auto row = [&](const auto& v) {
                return std::span(v).subspan(b * tokens, tokens);
            };
            auto out = logits(
                s, {.ids = row(ids), .positions = row(positions), .attention_mask = row(mask)},
                tokens);
            for (std::size_t t = 0; t < tokens; ++t)
                if (mask[b * tokens + t] == 0)
                    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(t * vocab), vocab, 0.0f);
            all.insert(all.end(), out.begin(), out.end());
            // Positions go on behind those of the prompt, not behind the padding.
            std::vector<float> z(out.end() - static_cast<std::ptrdiff_t>(vocab), out.end());
            for (std::size_t i = 0; i < steps; ++i) {
                const auto id =
                    static_cast<std::int32_t>(std::max_element(z.begin(), z.end()) - z.begin());
                CHECK(id == greedy[b * steps + i]);
                z = logits(s, {.ids = std::span(&id, 1)}, 1);
            }
        }
        f.check("logits", all);
    }

    void far() {
        const Fixture f(folder, "far");
        const auto ids = f.ints("input_ids"), positions = f.ints("position_ids");
        Session s = session();
        f.check("logits", logits(s, {.ids = ids, .positions = positions}, ids.size()));
    }

    void loss() {
        const Fixture f(folder, "loss");
        const auto ids = f.ints("input_ids"), labels = f.ints("labels");
        const auto mask = f.bytes("attention_mask");
        const std::size_t rows = f.shape("input_ids")[0], tokens = f.shape("input_ids")[1];
        Loss total;
        std::vector<float> nll;
        for (std::size_t b = 0; b < rows; ++b) {
            Session s = session();
            const auto row = [&](const auto& v) {
                return std::span(v).subspan(b * tokens, tokens);
            };
            const auto z = logits(s, {.ids = row(ids), .attention_mask = row(mask)}, tokens);
            for (std::size_t t = 0; t + 1 < tokens; ++t)
                nll.push_back(static_cast<float>(
                    total.add(std::span(z).subspan(t * vocab, vocab), row(labels)[t + 1])));
        }
        f.check("nll", nll);
        const auto mean = static_cast<float>(total.mean());
        f.check("loss", std::span(&mean, 1));
    }

    /// Soft tokens given as embeddings, with the masks of their token types; prompts cut anywhere
    /// but in an image.
    void multimodal() {
        const Fixture f(folder, "multimodal");
        for (const std::string name : {"image", "two_images", "video", "audio", "image_audio"}) {
            if (!f.has(name + ".embeds")) continue;
            CAPTURE(name);
            const auto ids = f.ints(name + ".input_ids"),
                       types = f.ints(name + ".mm_token_type_ids");
            const std::vector<std::uint8_t> token_types(types.begin(), types.end());
            const auto embeds = f.floats(name + ".embeds");
            const Input in{.ids = ids,
                           .embeds = View<const float, dynamic, hidden>(embeds.data(), ids.size()),
                           .token_types = token_types};
            Session s = session();
            const auto whole = logits(s, in, ids.size());
            f.check(name + ".logits", whole);
            Session cut = session({.context_tokens = 128, .chunk_tokens = 21});
            CHECK(logits(cut, in, ids.size()) == whole);
            // The same rows as soft tokens beside the ids.
            std::vector<float> soft;
            for (std::size_t t = 0; t < ids.size(); ++t)
                if (Gemma::config.tokens.is_placeholder(ids[t]))
                    soft.insert(soft.end(),
                                embeds.begin() + static_cast<std::ptrdiff_t>(t * hidden),
                                embeds.begin() + static_cast<std::ptrdiff_t>((t + 1) * hidden));
            const Input merged{.ids = ids,
                               .soft_tokens = View<const float, dynamic, hidden>(
                                   soft.data(), soft.size() / hidden),
                               .token_types = token_types};
            cut.clear();
            f.check(name + ".logits", logits(cut, merged, ids.size()));
            Input too_few = merged;
            too_few.soft_tokens = merged.soft_tokens.rows(1, merged.soft_tokens.rows() - 1);
            cut.clear();
            CHECK_FALSE(cut.append(too_few, [](std::size_t, std::span<const float>) {}));
            if (!f.has(name + ".greedy_ids")) continue;
            const auto greedy = f.ints(name + ".greedy_ids");
            std::vector<float> steps(whole.end() - static_cast<std::ptrdiff_t>(vocab), whole.end());
            for (std::size_t i = 0; i + 1 < greedy.size(); ++i) {
                const auto z = s.append(std::span(&greedy[i], 1));
                REQUIRE(z);
                steps.insert(steps.end(), z->begin(), z->end());
            }
            f.check_like(name + ".step_logits", steps, "multimodal", name + ".logits");
        }
    }
};

}  // namespace carat::test
