/// \file
/// What every variant's audio tower must do, checked against the reference. One unit for each
/// variant includes this.
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/tensors/audio_tensors.hpp"
#include "carat/config/model_config.hpp"
#include "carat/model/audio_tower.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"
#include "support/patch_tap.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace carat::test {

template <ModelConfig C, class Policy>
struct AudioChecks {
    using Tower = AudioTower<C.audio, C.text.hidden_size, Policy>;
    static constexpr std::size_t hidden = Tower::hidden, width = C.text.hidden_size,
                                 bins = Tower::mel_bins;

    /// Keeps every layer's output of one clip.
    struct KeepLayers : NoTap {
        static constexpr bool hidden_states = true;
        std::vector<std::vector<float>> entries =
            std::vector<std::vector<float>>(Tower::layers + 2);
        void hidden_state(std::size_t entry, std::size_t, std::span<const float> x) {
            entries[entry].insert(entries[entry].end(), x.begin(), x.end());
        }
    };

    std::string folder;
    CheckpointFiles files;
    typename Tower::Weights weights;
    Arena memory;

    explicit AudioChecks(const std::string& name) : folder(name) {
        auto opened = CheckpointFiles::open(fixture_path(name));
        REQUIRE(opened);
        files = std::move(*opened);
        Binder bind(files, "model.");
        bind_audio_tower<Tower>(bind, weights);
        auto bound = bind.finish();
        if (!bound) FAIL(bound.error().text);
        memory = std::move(*bound);
    }

    /// The reference's clips without their padding.
    static std::vector<std::vector<float>> clips(const Fixture& f) {
        const auto features = f.floats("input_features");
        const auto mask = f.bytes("input_features_mask");
        const std::size_t count = f.shape("input_features")[0],
                          frames = f.shape("input_features")[1];
        std::vector<std::vector<float>> out;
        for (std::size_t i = 0; i < count; ++i) {
            const auto m = mask.begin() + static_cast<std::ptrdiff_t>(i * frames);
            const auto x = features.begin() + static_cast<std::ptrdiff_t>(i * frames * bins);
            const auto valid = std::count(m, m + static_cast<std::ptrdiff_t>(frames), 1);
            out.emplace_back(x, x + valid * static_cast<std::ptrdiff_t>(bins));
        }
        return out;
    }
    template <Tap T>
    std::vector<float> soft_tokens(std::span<const float> clip, ExecutorRef executor, T& tap) {
        const std::size_t frames = clip.size() / bins, n = Tower::soft_tokens(frames);
        Arena arena(Tower::scratch_bytes(frames, executor.concurrency()));
        const auto scratch = Tower::Scratch::take(arena, frames, executor.concurrency());
        std::vector<float> out(n * width);
        CHECK(Tower{}.forward(weights, Rows<const float, bins>(clip.data(), frames),
                              Rows<float, width>(out.data(), n), scratch, executor, {}, tap));
        return out;
    }
    std::vector<float> soft_tokens(std::span<const float> clip) {
        NoTap tap;
        Serial serial;
        return soft_tokens(clip, serial, tap);
    }

    void reference() {
        const Fixture f(folder, "audio");
        const std::size_t most = f.shape("mask")[1];
        std::vector<std::vector<float>> entries(Tower::layers + 2);
        std::vector<float> soft;
        ThreadPool pool(2);
        for (const auto& clip : clips(f)) {
            KeepLayers tap;
            auto tokens = soft_tokens(clip, pool, tap);
            tokens.resize(most * width);  // padding rows are zero in the file
            soft.insert(soft.end(), tokens.begin(), tokens.end());
            for (std::size_t l = 0; l < entries.size(); ++l) {
                tap.entries[l].resize(most * (l <= Tower::layers ? hidden : Tower::output));
                entries[l].insert(entries[l].end(), tap.entries[l].begin(), tap.entries[l].end());
            }
        }
        f.check("subsample", entries[0]);
        for (std::size_t l = 0; l < Tower::layers; ++l)
            f.check("layer." + std::to_string(l), entries[l + 1]);
        f.check("tower", entries[Tower::layers + 1]);
        f.check("soft_tokens", soft);
    }

    /// Threads change nothing, bit for bit.
    void threads() {
        const auto clip = clips(Fixture(folder, "audio"))[0];
        const auto expected = soft_tokens(clip);
        NoTap tap;
        for (const std::size_t n : {2u, 3u, 7u}) {
            ThreadPool pool(n);
            CHECK(soft_tokens(clip, pool, tap) == expected);
        }
    }

    void patching() {
        const auto clip = clips(Fixture(folder, "audio"))[0];
        const std::vector<float> silence(clip.size());
        Serial serial;
        check_patching(Tower::layers + 2, [&](std::size_t which, auto& tap) {
            return soft_tokens(which == 0 ? clip : silence, serial, tap);
        });
    }

    /// Row t depends on the mel frames 0 … 4t + 3 only, so that the rows of a clip's beginning are
    /// those of the whole; of any length, without reading beyond it.
    void causal() {
        const auto clip = clips(Fixture(folder, "audio"))[0];
        const auto whole = soft_tokens(clip);
        for (const std::size_t frames : {1u, 2u, 3u, 4u, 5u, 8u, 47u, 48u, 49u, 52u, 100u}) {
            CAPTURE(frames);
            const auto some = soft_tokens(std::span(clip).first(frames * bins));
            CHECK(some.size() == (frames + 3) / 4 * width);
            const std::size_t complete = frames / 4 * width;
            CHECK(std::equal(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(complete),
                             whole.begin()));
        }
        CHECK(soft_tokens({}).empty());
    }

    void cancelled() {
        const auto clip = clips(Fixture(folder, "audio"))[1];
        const std::size_t frames = clip.size() / bins, n = Tower::soft_tokens(frames);
        Arena arena(Tower::scratch_bytes(frames, 1));
        const auto scratch = Tower::Scratch::take(arena, frames, 1);
        std::vector<float> out(n * width);
        Serial serial;
        std::size_t calls = 0;
        const auto stop = [&](std::size_t, std::size_t) { return ++calls < 2; };
        CHECK_FALSE(Tower{}.forward(weights, Rows<const float, bins>(clip.data(), frames),
                                    Rows<float, width>(out.data(), n), scratch, serial, stop));
        CHECK(calls == 2);
    }
};

}  // namespace carat::test
