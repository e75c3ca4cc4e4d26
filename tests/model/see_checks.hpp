/// \file
/// Prompts with pictures, from bytes of pixels to logits, checked against the reference. One unit
/// for each variant includes this.
#pragma once

#include "carat/gemma4.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace carat::test {

template <class Gemma>
struct SeeChecks {
    static constexpr std::size_t vocab = Gemma::Text::vocab, patch = Gemma::Vision::patch;
    using Input = typename Gemma::Session::Input;

    std::string folder;
    Gemma model;
    ThreadPool pool{2};

    explicit SeeChecks(const std::string& name) : folder(name), model(open(name)) {}
    static Gemma open(const std::string& name) {
        auto opened = Gemma::open(fixture_path(name));
        if (!opened) FAIL(opened.error().text);
        return std::move(*opened);
    }

    /// The pictures of a case, or the frames of its video, without padding.
    struct Pictures {
        std::vector<std::vector<float>> values;
        std::vector<std::vector<std::int32_t>> positions;
        std::vector<typename Gemma::Picture> list;
    };
    static Pictures read(const Fixture& f, const std::string& prefix, bool video) {
        Pictures p;
        const auto pixels = f.bytes(prefix + "pixel_u8");
        const auto positions = f.ints(prefix + (video ? "position_ids" : "image_position_ids"));
        auto shape = f.shape(prefix + "pixel_u8");
        const std::size_t most = shape[shape.size() - 2], all = positions.size() / 2;
        for (std::size_t start = 0; start < all; start += most) {
            auto& values = p.values.emplace_back();
            auto& places = p.positions.emplace_back();
            for (std::size_t r = start; r < start + most && positions[2 * r] >= 0; ++r) {
                places.insert(places.end(), {positions[2 * r], positions[2 * r + 1]});
                for (std::size_t j = 0; j < patch; ++j)
                    values.push_back(static_cast<float>(pixels[r * patch + j]) * (1.0f / 255.0f));
            }
        }
        for (std::size_t i = 0; i < p.values.size(); ++i)
            p.list.push_back(
                {Rows<const float, patch>(p.values[i].data(), p.positions[i].size() / 2),
                 nn::vision::Positions(p.positions[i].data(), p.positions[i].size() / 2)});
        return p;
    }

    void prompts() {
        const Fixture f(folder, "multimodal");
        for (const std::string name : {"image", "two_images", "video"}) {
            CAPTURE(name);
            const bool video = name == "video";
            const Pictures pictures = read(f, name + (video ? ".video_" : "."), video);
            const auto soft = model.see(pictures.list, pool);
            if (!soft) FAIL(soft.error().text);
            const auto ids = f.ints(name + ".input_ids"),
                       types = f.ints(name + ".mm_token_type_ids");
            const std::vector<std::uint8_t> token_types(types.begin(), types.end());
            const Input in{.ids = ids,
                           .soft_tokens = soft->view(),
                           .token_types = token_types,
                           .logits_to_keep = 0};
            std::vector<float> whole;
            for (const std::size_t chunk : {128u, 21u, 33u}) {  // 20 soft tokens are not cut
                auto session = model.session(pool, {.context_tokens = 128, .chunk_tokens = chunk});
                REQUIRE(session);
                std::vector<float> logits;
                REQUIRE(session->append(in, [&](std::size_t, std::span<const float> z) {
                    logits.insert(logits.end(), z.begin(), z.end());
                }));
                if (whole.empty()) whole = logits;
                CHECK(logits == whole);
                if (chunk != 128 || !f.has(name + ".greedy_ids")) continue;
                const auto greedy = f.ints(name + ".greedy_ids");
                std::span<const float> z = std::span(logits).last(vocab);
                for (const std::int32_t id : greedy) {
                    CHECK(std::max_element(z.begin(), z.end()) - z.begin() == id);
                    const auto next = session->append(std::span(&id, 1));
                    REQUIRE(next);
                    z = *next;
                }
            }
            f.check(name + ".logits", whole);
        }
    }

    /// Prompts with sound, and with a picture and sound, from features to logits and words.
    void sounds() {
        const Fixture f(folder, "multimodal");
        for (const std::string name : {"audio", "image_audio"}) {
            CAPTURE(name);
            const auto features = f.floats(name + ".input_features");
            const auto mask = f.bytes(name + ".input_features_mask");
            const auto heard = model.hear(
                Rows<const float, nn::audio::mel_bins>(features.data(), mask.size()), mask, pool);
            if (!heard) FAIL(heard.error().text);
            const auto ids = f.ints(name + ".input_ids"),
                       types = f.ints(name + ".mm_token_type_ids");
            const std::vector<std::uint8_t> token_types(types.begin(), types.end());
            typename Gemma::SoftTokens soft;
            soft.append(*heard);
            if (name == "image_audio") {  // soft tokens come in the order of their places
                REQUIRE(*std::find_if(types.begin(), types.end(), [](auto t) { return t != 0; }) ==
                        3);
                const Pictures pictures = read(f, name + ".", false);
                const auto seen = model.see(pictures.list, pool);
                if (!seen) FAIL(seen.error().text);
                soft.append(*seen);
            }
            std::vector<float> whole;
            for (const std::size_t chunk : {128u, 21u}) {
                auto session = model.session(pool, {.context_tokens = 192, .chunk_tokens = chunk});
                REQUIRE(session);
                std::vector<float> logits;
                const auto read =
                    session->append(Input{.ids = ids,
                                          .soft_tokens = soft.view(),
                                          .token_types = token_types,
                                          .logits_to_keep = 0},
                                    [&](std::size_t, std::span<const float> z) {
                                        logits.insert(logits.end(), z.begin(), z.end());
                                    });
                if (!read) FAIL(read.error().text);
                if (whole.empty()) whole = logits;
                CHECK(logits == whole);
                if (chunk != 128 || !f.has(name + ".greedy_ids")) continue;
                std::span<const float> z = std::span(logits).last(vocab);
                for (const std::int32_t id : f.ints(name + ".greedy_ids")) {
                    CHECK(std::max_element(z.begin(), z.end()) - z.begin() == id);
                    const auto next = session->append(std::span(&id, 1));
                    REQUIRE(next);
                    z = *next;
                }
            }
            f.check(name + ".logits", whole);
        }
    }

    /// Several pictures are each alone.
    void independent() {
        const Fixture f(folder, "multimodal");
        const Pictures p = read(f, "two_images.", false);
        REQUIRE(p.list.size() == 2);
        const auto both = model.see(p.list, pool);
        REQUIRE(both);
        typename Gemma::SoftTokens apart;
        for (const auto& picture : p.list) {
            const auto one = model.see(std::span(&picture, 1), pool);
            REQUIRE(one);
            apart.append(*one);
        }
        const auto a = both->view().span(), b = apart.view().span();
        CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
        std::size_t calls = 0;
        const auto stop =
            model.see(p.list, pool, [&](std::size_t, std::size_t) { return ++calls < 3; });
        REQUIRE_FALSE(stop);
        CHECK(stop.error().code == Errc::cancelled);
        CHECK(calls == 3);
        const auto none = model.see({}, pool);
        REQUIRE(none);
        CHECK(none->rows() == 0);
    }
};

}  // namespace carat::test
