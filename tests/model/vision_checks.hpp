/// \file
/// What every variant's vision tower must do, checked against the reference. One unit for each
/// variant includes this.
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/tensors/vision_tensors.hpp"
#include "carat/config/model_config.hpp"
#include "carat/model/vision_tower.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"
#include "support/patch_tap.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace carat::test {

/// Keeps every layer's output of one picture.
template <class Tower>
struct KeepLayers : NoTap {
    static constexpr bool hidden_states = true;
    std::vector<std::vector<float>> entries = std::vector<std::vector<float>>(Tower::layers + 3);
    void hidden_state(std::size_t entry, std::size_t, std::span<const float> x) {
        entries[entry].insert(entries[entry].end(), x.begin(), x.end());
    }
};

template <ModelConfig C, class Policy>
struct VisionChecks {
    using Tower = VisionTower<C.vision, C.text.hidden_size, Policy>;
    static constexpr std::size_t hidden = Tower::hidden, width = C.text.hidden_size;

    std::string folder;
    CheckpointFiles files;
    typename Tower::Weights weights;
    Arena memory;

    explicit VisionChecks(const std::string& name) : folder(name) {
        auto opened = CheckpointFiles::open(fixture_path(name));
        REQUIRE(opened);
        files = std::move(*opened);
        Binder bind(files, "model.");
        bind_vision_tower<Tower>(bind, weights);
        auto bound = bind.finish();
        if (!bound) FAIL(bound.error().text);
        memory = std::move(*bound);
    }

    /// The reference's pictures without their padding.
    struct Pictures {
        std::vector<std::vector<float>> patches;
        std::vector<std::vector<std::int32_t>> positions;
        [[nodiscard]] typename Tower::Picture operator[](std::size_t i) const {
            const std::size_t n = positions[i].size() / 2;
            return {Rows<const float, Tower::patch>(patches[i].data(), n),
                    nn::vision::Positions(positions[i].data(), n)};
        }
    };
    static Pictures read(const Fixture& f) {
        Pictures p;
        const auto pixels = f.bytes("pixel_u8");
        const auto positions = f.ints("position_ids");
        const std::size_t count = f.shape("position_ids")[0], most = f.shape("position_ids")[1];
        for (std::size_t i = 0; i < count; ++i) {
            p.patches.emplace_back();
            p.positions.emplace_back();
            for (std::size_t r = i * most; r < (i + 1) * most && positions[2 * r] >= 0; ++r) {
                p.positions[i].insert(p.positions[i].end(),
                                      {positions[2 * r], positions[2 * r + 1]});
                for (std::size_t j = 0; j < Tower::patch; ++j)
                    p.patches[i].push_back(static_cast<float>(pixels[r * Tower::patch + j]) *
                                           (1.0f / 255.0f));
            }
        }
        return p;
    }
    template <Tap T>
    std::vector<float> soft_tokens(typename Tower::Picture picture, ExecutorRef executor, T& tap) {
        const std::size_t n = picture.patches.rows();
        const Result<void> fine = Tower::check(picture, "the picture");
        if (!fine) FAIL(fine.error().text);
        Arena arena(Tower::scratch_bytes(n, executor.concurrency()));
        const auto scratch = Tower::Scratch::take(arena, n, executor.concurrency());
        std::vector<float> out(n / Tower::cell * width);
        CHECK(Tower{}.forward(weights, picture, Rows<float, width>(out.data(), n / Tower::cell),
                              scratch, executor, {}, tap));
        return out;
    }

    void reference() {
        const Fixture f(folder, "vision");
        const Pictures pictures = read(f);
        const std::size_t count = f.shape("position_ids")[0], most = f.shape("position_ids")[1];
        std::vector<std::vector<float>> layers(Tower::layers + 1);
        std::vector<float> pooled, tower, soft;
        ThreadPool pool(2);
        for (std::size_t i = 0; i < count; ++i) {
            KeepLayers<Tower> tap;
            const auto tokens = soft_tokens(pictures[i], pool, tap);
            soft.insert(soft.end(), tokens.begin(), tokens.end());
            for (std::size_t l = 0; l <= Tower::layers; ++l) {
                tap.entries[l].resize(most * hidden);  // padding rows are zero in the file
                layers[l].insert(layers[l].end(), tap.entries[l].begin(), tap.entries[l].end());
            }
            auto& p = tap.entries[Tower::layers + 1];
            p.resize(most / Tower::cell * hidden);
            pooled.insert(pooled.end(), p.begin(), p.end());
            const auto& t = tap.entries[Tower::layers + 2];
            tower.insert(tower.end(), t.begin(), t.end());
        }
        f.check("patch_embed", layers[0]);
        for (std::size_t l = 0; l < Tower::layers; ++l)
            f.check("layer." + std::to_string(l), layers[l + 1]);
        f.check("pooled", pooled);
        f.check("tower", tower);
        f.check("soft_tokens", soft);
    }

    /// Threads change nothing, bit for bit, and neither does the order of the patches, but for the
    /// order of sums.
    void threads() {
        const Fixture f(folder, "vision");
        const Pictures pictures = read(f);
        NoTap tap;
        Serial serial;
        const auto expected = soft_tokens(pictures[0], serial, tap);
        for (const std::size_t n : {2u, 3u, 7u}) {
            ThreadPool pool(n);
            CHECK(soft_tokens(pictures[0], pool, tap) == expected);
        }
    }

    void patching() {
        const Pictures pictures = read(Fixture(folder, "vision"));
        const Pictures dark{{std::vector<float>(pictures.patches[0].size())},
                            {pictures.positions[0]}};
        Serial serial;
        check_patching(Tower::layers + 3, [&](std::size_t which, auto& tap) {
            return soft_tokens(which == 0 ? pictures[0] : dark[0], serial, tap);
        });
    }

    void bad_pictures() {
        const Fixture f(folder, "vision");
        Pictures p = read(f);
        const auto text = [&] {
            const Result<void> r = Tower::check(p[0], "image 1");
            return r ? std::string() : r.error().text;
        };
        CHECK(text().empty());
        const auto positions = p.positions[0];
        p.positions[0][0] = -1;
        CHECK(text().find("image 1 has a patch at -1, 0") == 0);
        p.positions[0] = positions;
        p.positions[0][1] = 1000000;
        CHECK(text().find("image 1 has a patch at 0, 1000000") == 0);
        p.positions[0] = positions;
        p.positions[0][0] = 3;  // the first cell lacks a patch, and the second has one too many
        CHECK(text().find("do not fill a grid") != std::string::npos);
        p.positions[0] = positions;
        p.positions[0].resize(2 * 10);
        CHECK(text().find("image 1 has 10 patches") == 0);
    }
};

}  // namespace carat::test
