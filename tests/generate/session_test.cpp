#include "carat/generate/session.hpp"

#include "carat/config/presets.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/generated_weights.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace carat::test {
namespace {

using A = TextModel<tiny::a, weights::f32>;  // per-layer embeddings, shared keys, a window of 3
using Vision = TextModel<tiny::with(tiny::b, Bidirectional::vision), weights::f32>;
using All = TextModel<tiny::with(tiny::b, Bidirectional::all), weights::f32>;

constexpr std::array<std::int32_t, 14> ids{2, 5, 9, 3, 7, 1, 4, 11, 6, 15, 8, 0, 12, 10};
using Logits = std::vector<std::vector<float>>;

template <class Model>
Session<Model> session(const MadeUp<Model>& made, SessionOptions options,
                       const MediaTokens* placeholders = nullptr) {
    static Serial serial;
    auto s = Session<Model>::create(made.weights, serial, options, placeholders);
    if (!s) FAIL(s.error().text);
    return std::move(*s);
}
/// Logits of every token.
template <class Model>
Logits read(Session<Model>& s, SessionInput<Model> in) {
    Logits out;
    in.logits_to_keep = 0;
    const Result<void> r = s.append(
        in, [&](std::size_t, std::span<const float> z) { out.emplace_back(z.begin(), z.end()); });
    if (!r) FAIL(r.error().text);
    return out;
}
std::span<const std::int32_t> some(std::size_t begin, std::size_t end) {
    return std::span(ids).subspan(begin, end - begin);
}

struct Reader {
    std::span<const std::byte> bytes;
    bool operator()(std::span<std::byte> to) {
        if (to.size() > bytes.size()) return false;
        std::copy_n(bytes.begin(), to.size(), to.begin());
        bytes = bytes.subspan(to.size());
        return true;
    }
};

template <class Model>
std::vector<std::byte> saved(const Session<Model>& s) {
    std::vector<std::byte> bytes;
    s.save([&](std::span<const std::byte> part) {
        bytes.insert(bytes.end(), part.begin(), part.end());
    });
    return bytes;
}

TEST_CASE("a hidden state that is not finite is an error wherever logits are made of it") {
    const MadeUp<A> made;
    auto s = session(made, {.context_tokens = 16, .chunk_tokens = 4});
    const std::vector<float> good(A::hidden, 0.25f);
    std::vector<float> embeds;
    for (std::size_t t = 0; t < 6; ++t) embeds.insert(embeds.end(), good.begin(), good.end());
    embeds[5 * A::hidden] = std::numeric_limits<float>::infinity();  // of the last token
    SessionInput<A> in{.ids = some(0, 6), .embeds = Rows<const float, A::hidden>(embeds.data(), 6)};
    const auto r = s.append(in, [](std::size_t, std::span<const float>) {});
    REQUIRE_FALSE(r);
    CHECK(r.error().code == Errc::bad_format);
    CHECK(r.error().text ==
          "the hidden state after 6 tokens is not finite: the weights or the embeddings given are "
          "damaged");
    CHECK(s.size() == 4);  // the chunk before
    s.clear();
    in.ids = some(0, 5);
    in.embeds = in.embeds.rows(0, 5);
    CHECK(read(s, in).size() == 5);
}

/// A host's pool that is resized between calls.
struct Resized {
    std::size_t threads;
    [[nodiscard]] std::size_t concurrency() const { return threads; }
    template <class F>
    void run(F&& f) const {
        for (std::size_t i = 0; i < threads; ++i) f(i);
    }
};

TEST_CASE(
    "a session made for some threads gives the same with an executor that has more or fewer") {
    const MadeUp<A> made;
    Logits expected;
    for (const std::size_t threads : {2u, 1u, 3u, 16u, 64u}) {
        CAPTURE(threads);
        Resized executor{2};
        auto s =
            Session<A>::create(made.weights, executor, {.context_tokens = 16, .chunk_tokens = 8});
        REQUIRE(s);
        executor.threads = threads;
        const Logits logits = read(*s, SessionInput<A>{.ids = ids});
        if (expected.empty()) expected = logits;
        CHECK(logits == expected);
    }
}

// ---- what is refused

/// The sentence with which an input is refused. Nothing may have been appended then.
template <class Model>
std::string refusal(Session<Model>& s, const SessionInput<Model>& in, Errc code) {
    const std::size_t before = s.size();
    bool called = false;
    const Result<void> r =
        s.append(in, [&](std::size_t, std::span<const float>) { called = true; });
    REQUIRE_FALSE(r);
    CHECK(r.error().code == code);
    CHECK(s.size() == before);
    CHECK_FALSE(called);
    return r.error().text;
}

TEST_CASE("options that make no sense are refused in a sentence") {
    const MadeUp<A> made;
    Serial serial;
    const auto refused = [&](SessionOptions o, Errc code) {
        const auto s = Session<A>::create(made.weights, serial, o);
        REQUIRE_FALSE(s);
        CHECK(s.error().code == code);
        return s.error().text;
    };
    CHECK(refused({.context_tokens = 0}, Errc::invalid_argument) ==
          "context_tokens and chunk_tokens must be at least 1");
    CHECK(refused({.chunk_tokens = 0}, Errc::invalid_argument) ==
          "context_tokens and chunk_tokens must be at least 1");
    CHECK(refused({.context_tokens = (std::size_t{1} << 28) + 1}, Errc::out_of_range) ==
          "context_tokens is 268435457, expected at most 268435456");
    CHECK(refused({.context_tokens = std::numeric_limits<std::size_t>::max()}, Errc::out_of_range)
              .find("context_tokens is 18446744073709551615") == 0);
}

TEST_CASE("memory that no system has is an error, not a crash") {
    using Large = TextModel<presets::gemma4_31b.text>;  // half a petabyte of keys and values
    constexpr std::size_t most = std::size_t{1} << 28;
    const Large::Weights weights{};
    Serial serial;
    const auto s =
        Session<Large>::create(weights, serial, {.context_tokens = most, .chunk_tokens = most});
    REQUIRE_FALSE(s);
    CHECK(s.error().code == Errc::out_of_memory);
    CHECK(s.error().text.find("a session of 268435456 tokens takes ") == 0);
    CHECK(s.error().text.find(" bytes, which the system refused") != std::string::npos);
}

TEST_CASE("a plan grows with the context, and stops at the most there is") {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    using S = Session<A>;
    CHECK(S::bytes({.context_tokens = 4096}, 1) > S::bytes({.context_tokens = 2048}, 1));
    CHECK(S::bytes({.context_tokens = 64, .chunk_tokens = most}, 1) ==
          S::bytes({.context_tokens = 64, .chunk_tokens = 64}, 1));
    CHECK(S::bytes({.context_tokens = most}, 1) == most_planned);
    CHECK(S::bytes({.context_tokens = most, .chunk_tokens = most}, 8) == most_planned);
    CHECK(A::Cache::sliding_slots(most, most) == most);
    CHECK(A::Cache::sliding_slots(100, 20) == 22);
    CHECK(A::Cache::sliding_slots(21, 20) == 21);
}

TEST_CASE("a session takes what bytes() says, whatever the options") {
    const MadeUp<A> made;
    for (const std::size_t context : {1u, 7u, 100u, 5000u})
        for (const std::size_t chunk : {1u, 3u, 64u, 100000u})
            for (const std::size_t threads : {1u, 3u}) {
                ThreadPool pool(threads);
                const SessionOptions o{.context_tokens = context, .chunk_tokens = chunk};
                const auto s = Session<A>::create(made.weights, pool, o);
                REQUIRE(s);
                CHECK(s->memory_bytes() == Session<A>::bytes(o, threads));
                CHECK(s->context_tokens() == context);
                CHECK(s->size() == 0);
            }
}

TEST_CASE("inputs that do not fit together are refused in a sentence") {
    const MadeUp<A> made;
    auto s = session(made, {.context_tokens = 8, .chunk_tokens = 4});
    using Input = SessionInput<A>;
    const std::array<std::int32_t, 3> three{1, 2, 3};
    const std::array<std::uint8_t, 3> bytes{1, 1, 1};
    const std::array<float, 2 * 24> floats{};
    CHECK(refusal(s, Input{}, Errc::invalid_argument) == "there are no tokens");
    const std::vector<std::pair<std::vector<std::size_t>, const char*>> rows = {
        {{4}, "logits_at[0] is 4, expected tokens of this call, 0 to 3, ascending"},
        {{0, 2, 1}, "logits_at[2] is 1, expected tokens of this call, 0 to 3, ascending"},
        {{1, 1}, "logits_at[1] is 1, expected tokens of this call, 0 to 3, ascending"}};
    for (const auto& [at, sentence] : rows)
        CHECK(refusal(s, Input{.ids = some(0, 4), .logits_at = at}, Errc::out_of_range) ==
              sentence);
    CHECK(refusal(s, Input{.ids = some(0, 4), .positions = three}, Errc::mismatch) ==
          "position_ids has 3 rows, expected 4, one for each token");
    CHECK(refusal(s, Input{.ids = some(0, 4), .attention_mask = bytes}, Errc::mismatch) ==
          "attention_mask has 3 rows, expected 4, one for each token");
    CHECK(refusal(s, Input{.ids = some(0, 4), .token_types = bytes}, Errc::mismatch) ==
          "mm_token_type_ids has 3 rows, expected 4, one for each token");
    CHECK(refusal(s,
                  Input{.ids = some(0, 4),
                        .per_layer_tokens = View<const float, dynamic, 24>(floats.data(), 2u)},
                  Errc::mismatch) == "per_layer_inputs has 2 rows, expected 4, one for each token");
    CHECK(refusal(
              s,
              Input{.ids = some(0, 4), .embeds = View<const float, dynamic, 8>(floats.data(), 3u)},
              Errc::mismatch) == "input_ids has 4 rows, expected 3, one for each token");
    CHECK(refusal(s, Input{.embeds = View<const float, dynamic, 8>(floats.data(), 3u)},
                  Errc::invalid_argument) ==
          "this model has per-layer embeddings: inputs_embeds need input_ids or per_layer_inputs "
          "beside them");
    const std::array<std::int32_t, 2> high{3, 16}, low{-1, 3};
    CHECK(refusal(s, Input{.ids = high}, Errc::out_of_range) ==
          "input_ids[1] is 16, expected 0 to 15");
    CHECK(refusal(s, Input{.ids = low}, Errc::out_of_range) ==
          "input_ids[0] is -1, expected 0 to 15");
    CHECK(refusal(s, Input{.ids = some(0, 9)}, Errc::out_of_range) ==
          "0 tokens and 9 more do not fit into a context of 8");
    REQUIRE(s.append(some(0, 6)));
    CHECK(refusal(s, Input{.ids = some(0, 3)}, Errc::out_of_range) ==
          "6 tokens and 3 more do not fit into a context of 8");
    // And the session is as good as before.
    auto fresh = session(made, {.context_tokens = 8});
    read(fresh, {.ids = some(0, 6)});
    CHECK(read(s, {.ids = some(6, 8)}) == read(fresh, {.ids = some(6, 8)}));
}

TEST_CASE("what must be read in one call is refused where a chunk is too small") {
    const std::array<std::int32_t, 6> packed{0, 1, 2, 0, 1, 2};
    const MadeUp<A> made;
    auto s = session(made, {.context_tokens = 8, .chunk_tokens = 5});
    CHECK(refusal(s, SessionInput<A>{.ids = some(0, 6), .positions = packed},
                  Errc::invalid_argument) ==
          "packed sequences are read in one call: 6 tokens need chunk_tokens of as many, not 5");
    const MadeUp<All> all;
    auto whole = session(all, {.context_tokens = 8, .chunk_tokens = 5});
    CHECK(refusal(whole, SessionInput<All>{.ids = some(0, 6)}, Errc::invalid_argument) ==
          "a model whose tokens all see each other reads a sequence in one call: 6 tokens need "
          "chunk_tokens of as many, not 5");
    const MadeUp<Vision> vision;
    auto image = session(vision, {.context_tokens = 8, .chunk_tokens = 3});
    const std::array<std::uint8_t, 6> types{0, 1, 1, 2, 1, 0};
    CHECK(refusal(image, SessionInput<Vision>{.ids = some(0, 6), .token_types = types},
                  Errc::invalid_argument) ==
          "an image of 4 tokens is read in one call, which needs chunk_tokens of as many, not 3");
}

TEST_CASE("the least chunk for a picture is one that reads it") {
    static_assert(Session<A>::least_chunk(1120) == 1);  // cut anywhere
    constexpr std::size_t chunk = Session<Vision>::least_chunk(4);
    static_assert(chunk == 4);
    const MadeUp<Vision> made;
    auto s = session(made, {.context_tokens = 8, .chunk_tokens = chunk});
    const std::array<std::uint8_t, 6> types{0, 1, 1, 2, 1, 0};
    CHECK(read(s, {.ids = some(0, 6), .token_types = types}).size() == 6);
}

// ---- reading in pieces

TEST_CASE("an image is never cut: chunks end in front of it or behind it") {
    const MadeUp<Vision> made;
    const std::array<std::uint8_t, 14> types{0, 0, 1, 1, 1, 0, 0, 2, 2, 2, 2, 3, 3, 0};
    const SessionInput<Vision> in{.ids = ids, .token_types = types};
    auto whole = session(made, {.context_tokens = 14});
    const Logits expected = read(whole, in);
    for (const std::size_t chunk : {4u, 5u, 6u, 7u, 13u}) {
        CAPTURE(chunk);
        auto s = session(made, {.context_tokens = 14, .chunk_tokens = chunk});
        CHECK(read(s, in) == expected);
    }
}

TEST_CASE("embeddings in place of ids, and per-layer rows in place of the table, change nothing") {
    const MadeUp<A> made;
    auto by_ids = session(made, {.context_tokens = 14});
    const Logits expected = read(by_ids, {.ids = ids});
    std::vector<float> embeds(ids.size() * 8), rows(ids.size() * 24);
    nn::embed(made.weights.embed_tokens, std::span(ids), Rows<float, 8>(embeds.data(), ids.size()));
    nn::embed(made.weights.per_layer.embed_tokens_per_layer, std::span(ids),
              Rows<float, 24>(rows.data(), ids.size()));
    for (float& v : rows) v *= 2.0f / 4.898979486f;  // scaled by sqrt(4), not by sqrt(24)
    const View<const float, dynamic, 8> x(embeds.data(), ids.size());
    const View<const float, dynamic, 24> p(rows.data(), ids.size());
    auto by_embeds = session(made, {.context_tokens = 14, .chunk_tokens = 4});
    CHECK(read(by_embeds, {.ids = ids, .embeds = x}) == expected);
    auto by_both = session(made, {.context_tokens = 14, .chunk_tokens = 4});
    const Logits both = read(by_both, {.embeds = x, .per_layer_tokens = p});
    for (std::size_t t = 0; t < both.size(); ++t)
        for (std::size_t i = 0; i < both[t].size(); ++i)
            CHECK(std::abs(both[t][i] - expected[t][i]) < 1e-5f);
}

TEST_CASE("in a multimodal model a placeholder's id is embedded as the pad token") {
    const MadeUp<A> made;
    const MediaTokens placeholders{.image = 9, .video = 13, .audio = 14};
    const std::array<std::int32_t, 4> image{2, 9, 14, 7}, pad{2, 0, 0, 7};
    auto text = session(made, {.context_tokens = 4});
    auto media = session(made, {.context_tokens = 4}, &placeholders);
    const Logits expected = read(text, {.ids = pad});
    CHECK(read(media, {.ids = image}) == expected);
    text.clear();
    CHECK(read(text, {.ids = image}) != expected);
}

TEST_CASE("padding is not seen, wherever it is and however the input is cut") {
    const MadeUp<A> made;
    auto alone = session(made, {.context_tokens = 14});
    const Logits expected = read(alone, {.ids = some(3, 14)});
    std::array<std::uint8_t, 14> mask{};
    std::fill(mask.begin() + 3, mask.end(), std::uint8_t{1});
    std::array<std::int32_t, 14> positions{};
    for (std::size_t t = 3; t < 14; ++t) positions[t] = static_cast<std::int32_t>(t - 3);
    for (const std::size_t chunk : {1u, 2u, 4u, 14u}) {
        CAPTURE(chunk);
        auto s = session(made, {.context_tokens = 14, .chunk_tokens = chunk});
        const Logits padded = read(s, {.ids = ids, .positions = positions, .attention_mask = mask});
        for (std::size_t t = 3; t < 14; ++t)
            for (std::size_t i = 0; i < 16; ++i)
                CHECK(std::abs(padded[t][i] - expected[t - 3][i]) < 1e-5f);
        // A cleared session remembers no mask.
        s.clear();
        CHECK(read(s, {.ids = some(3, 14)}) == expected);
    }
}

TEST_CASE("positions that were given go on: in decoding, a rewind, a fork, a saved state") {
    const MadeUp<A> made;
    const std::array<std::int32_t, 5> positions{0, 0, 0, 1, 2};
    const std::array<std::uint8_t, 5> mask{0, 0, 1, 1, 1};
    const SessionOptions options{.context_tokens = 14, .chunk_tokens = 2};
    const auto prompt = [&](Session<A>& s) {
        read(s, {.ids = some(0, 5), .positions = positions, .attention_mask = mask});
    };
    auto told = session(made, options);
    prompt(told);
    const std::array<std::int32_t, 6> next{3, 4, 5, 6, 7, 8};
    const Logits expected = read(told, {.ids = some(5, 11), .positions = next});

    auto s = session(made, options);
    CHECK(s.next_position() == 0);
    prompt(s);
    CHECK(s.next_position() == 3);
    auto forked = s.fork();
    REQUIRE(forked);
    const std::vector<std::byte> bytes = saved(s);
    auto loaded = session(made, options);
    REQUIRE(loaded.load(Reader{bytes}));
    for (auto* other : {&s, &*forked, &loaded}) {
        CHECK(read(*other, {.ids = some(5, 11)}) == expected);
        CHECK(other->next_position() == 9);
        REQUIRE(other->rewind(9));  // kept tokens keep their positions
        CHECK(other->next_position() == 7);
        CHECK(read(*other, {.ids = some(9, 11)}) == Logits(expected.begin() + 4, expected.end()));
        other->clear();
        CHECK(other->next_position() == 0);
    }
    const auto cut = loaded.load(Reader{std::span(bytes).first(5 * 8 + 5 + 5 * 4 - 1)});
    REQUIRE_FALSE(cut);
    CHECK(cut.error().text == "the saved state is cut off");
    CHECK(read(loaded, {.ids = ids}) == read(*forked, {.ids = ids}));

    // Behind the largest there is the next number begins again from below.
    const std::int32_t most = std::numeric_limits<std::int32_t>::max();
    s.clear();
    read(s, {.ids = some(0, 1), .positions = std::span(&most, 1)});
    CHECK(s.next_position() == std::numeric_limits<std::int32_t>::min());
}

// ---- rewinding

TEST_CASE("a session that rewinds goes on like a fresh one, as often as it says it can") {
    const MadeUp<A> made;
    for (const std::size_t chunk : {1u, 2u, 5u})
        for (std::size_t n = 1; n <= 10; ++n) {
            CAPTURE(chunk);
            CAPTURE(n);
            const SessionOptions options{.context_tokens = 14, .chunk_tokens = chunk};
            std::size_t possible = 0;
            for (std::size_t first = 0; first <= n; ++first)
                for (std::size_t second = 0; second <= first; ++second) {
                    CAPTURE(first);
                    CAPTURE(second);
                    auto s = session(made, options);
                    read(s, {.ids = some(0, n)});
                    std::size_t left = n;
                    if (s.rewind(first)) left = first, ++possible;
                    CHECK(s.size() == left);
                    CHECK(s.can_rewind(left));
                    if (s.rewind(second)) left = second;
                    CHECK(s.size() == left);
                    auto fresh = session(made, options);
                    if (left > 0) read(fresh, {.ids = some(0, left)});
                    const auto rest = some(10, 14);
                    CHECK(read(s, {.ids = rest}) == read(fresh, {.ids = rest}));
                }
            // All of it, nothing of it, and the latest chunk can always go.
            CHECK(possible >= std::min(n, chunk));
        }
}

TEST_CASE("a rewind reaches back over a chunk, and no further than the sliding layers") {
    const MadeUp<A> made;  // a window of 3: rings of 2 + chunk slots
    auto s = session(made, {.context_tokens = 14, .chunk_tokens = 4});
    read(s, {.ids = some(0, 12)});
    CHECK_FALSE(s.can_rewind(13));
    CHECK(s.can_rewind(12));
    CHECK(s.can_rewind(8));
    CHECK_FALSE(s.can_rewind(7));
    CHECK_FALSE(s.can_rewind(1));
    CHECK(s.can_rewind(0));
    CHECK_FALSE(s.rewind(7));
    CHECK(s.size() == 12);
    REQUIRE(s.rewind(10));
    CHECK_FALSE(s.can_rewind(7));  // what the dropped tokens overwrote does not come back
    CHECK(s.can_rewind(8));
    REQUIRE(s.rewind(0));
    CHECK(s.size() == 0);
    auto wide = session(made, {.context_tokens = 14, .chunk_tokens = 14});
    read(wide, {.ids = some(0, 12)});
    for (std::size_t t = 0; t <= 12; ++t) CHECK(wide.can_rewind(t));
}

// ---- cancelling

TEST_CASE("a cancelled call leaves the finished chunks, and another try gives the same logits") {
    const MadeUp<A> made;
    const SessionOptions options{.context_tokens = 14, .chunk_tokens = 4};
    auto fresh = session(made, options);
    const Logits expected = read(fresh, {.ids = ids});
    std::size_t calls = 0;
    {
        auto s = session(made, options);
        std::size_t last = 0;
        REQUIRE(s.append(ids, [&](std::size_t done, std::size_t total) {
            CHECK(total == ids.size() * A::layers);
            CHECK(done >= last);
            CHECK(done <= total);
            last = done;
            ++calls;
            return true;
        }));
        CHECK(last == ids.size() * A::layers);
    }
    CHECK(calls >= 4 * A::layers);  // at least once a layer and chunk
    for (std::size_t stop = 0; stop < calls; ++stop) {
        CAPTURE(stop);
        auto s = session(made, options);
        read(s, {.ids = some(0, 1)});
        std::size_t call = 0;
        // Marks as padding what is real: the other try says nothing of it.
        const std::array<std::uint8_t, 13> mask{};
        const Result<void> r = s.append(
            SessionInput<A>{
                .ids = some(1, 14),
                .attention_mask = stop % 2 == 0 ? std::span(mask).first(0) : std::span(mask)},
            [](std::size_t, std::span<const float>) {},
            [&](std::size_t, std::size_t) { return call++ != stop; });
        if (r) {  // fewer calls: a token was read before
            CHECK(stop + 1 >= calls - 2 * A::layers);
            continue;
        }
        CHECK(r.error().code == Errc::cancelled);
        CHECK(r.error().text == "cancelled by the caller");
        CHECK(s.size() % 4 == 1);
        if (stop % 2 == 1) {
            if (s.size() > 1) continue;  // finished chunks were padding
            CHECK(read(s, {.ids = some(1, 14)}) == Logits(expected.begin() + 1, expected.end()));
            continue;
        }
        const std::size_t had = s.size();
        const Logits rest = read(s, {.ids = some(had, 14)});
        CHECK(rest == Logits(expected.begin() + static_cast<std::ptrdiff_t>(had), expected.end()));
    }
}

TEST_CASE("what a cancelled call overwrote is not rewound to") {
    const MadeUp<A> made;
    auto s = session(made, {.context_tokens = 14, .chunk_tokens = 4});
    read(s, {.ids = some(0, 8)});
    CHECK(s.can_rewind(4));
    std::size_t call = 0;
    REQUIRE_FALSE(s.append(some(8, 12), [&](std::size_t, std::size_t) { return ++call < 4; }));
    CHECK(s.size() == 8);
    CHECK_FALSE(s.can_rewind(4));
    CHECK(s.can_rewind(8));
}

// ---- several at once

TEST_CASE("two sessions on one model do not know of each other") {
    const MadeUp<A> made;
    auto alone = session(made, {.context_tokens = 14});
    const Logits expected = read(alone, {.ids = ids});
    auto first = session(made, {.context_tokens = 14, .chunk_tokens = 3});
    auto second = session(made, {.context_tokens = 20, .chunk_tokens = 2});
    Logits from_first, from_second;
    read(second, {.ids = some(9, 12)});
    for (std::size_t t = 0; t < 14; t += 2) {
        for (auto& z : read(first, {.ids = some(t, t + 2)})) from_first.push_back(std::move(z));
        if (t == 2) second.clear();
        if (t >= 2)
            for (auto& z : read(second, {.ids = some(t - 2, t)}))
                from_second.push_back(std::move(z));
    }
    CHECK(from_first == expected);
    CHECK(from_second == Logits(expected.begin(), expected.begin() + 12));
}

template <class Model>
void check_saved() {
    const MadeUp<Model> made;
    for (const std::size_t tokens : {1u, 4u, 9u})
        for (const std::size_t back : {0u, 1u})
            for (const std::size_t context : {12u, 14u, 40u}) {
                CAPTURE(tokens);
                CAPTURE(back);
                CAPTURE(context);
                auto s = session(made, {.context_tokens = 14, .chunk_tokens = 2});
                read(s, {.ids = some(0, tokens)});
                REQUIRE(s.rewind(tokens - std::min(back, tokens - 1)));
                std::vector<std::byte> bytes = saved(s);
                auto loaded = session(made, {.context_tokens = context, .chunk_tokens = 2});
                read(loaded, {.ids = some(3, 5)});
                REQUIRE(loaded.load(Reader{bytes}));
                auto forked = s.fork();
                REQUIRE(forked);
                REQUIRE(loaded.size() == s.size());
                REQUIRE(forked->size() == s.size());
                for (std::size_t n = 0; n <= s.size(); ++n) {
                    CHECK(forked->can_rewind(n) == s.can_rewind(n));
                    if (context == 14) CHECK(loaded.can_rewind(n) == s.can_rewind(n));
                }
                const auto next = read(s, {.ids = some(10, 12)});
                CHECK(read(loaded, {.ids = some(10, 12)}) == next);
                CHECK(read(*forked, {.ids = some(10, 12)}) == next);

                bytes.pop_back();
                const auto cut = loaded.load(Reader{bytes});
                REQUIRE_FALSE(cut);
                CHECK(cut.error().text == "the saved state is cut off");
                CHECK(loaded.size() == 0);
            }
}
template <class Element>
using WithCache = TextModel<tiny::a, weights::WithCache<weights::f32, Element>>;

TEST_CASE("a saved state goes on bit by bit, in a context of another length too") {
    check_saved<A>();
}
TEST_CASE("so does one of quantised keys and values") {
    check_saved<WithCache<q8_0>>();
    check_saved<WithCache<q4_0>>();
}

TEST_CASE("a fork touches no more of the reserved context than its tokens take") {
    const MadeUp<A> made;
    auto s = session(made, {.context_tokens = 300, .chunk_tokens = 2});
    read(s, {.ids = some(0, 9)});  // sliding layers have forgotten some
    REQUIRE_FALSE(s.can_rewind(1));
    // What stands behind the tokens is no part of the sequence, and tells what was copied.
    const auto& full = s.cache().full[0];
    std::array<float, std::decay_t<decltype(full)>::row> key;
    key.fill(1.0f);
    full.put_key(0, 0, key.data());
    full.put_key(0, 200, key.data());
    const auto forked = s.fork();
    REQUIRE(forked);
    const auto first_of = [&](std::size_t index) {
        return to_f32(forked->cache().full[0].stored(0, index).key[0]);
    };
    CHECK(first_of(0) == 1.0f);
    CHECK(first_of(200) == 0.0f);
}

TEST_CASE("a state that lacks keys of the window is refused: others' keys would stand there") {
    const MadeUp<A> made;
    auto s = session(made, {.context_tokens = 14, .chunk_tokens = 2});
    read(s, {.ids = some(0, 9)});
    std::vector<std::byte> bytes = saved(s);
    for (std::uint64_t oldest = 1; oldest <= 9; ++oldest) {
        CAPTURE(oldest);
        std::memcpy(bytes.data() + sizeof oldest, &oldest, sizeof oldest);
        bytes.resize(10'000);  // whatever it wants to read is there
        const auto loaded = s.load(Reader{bytes});
        CHECK(loaded.has_value() == (oldest + A::config.sliding_window <= 10));
        if (loaded) continue;
        CHECK(loaded.error().code == Errc::bad_format);
        CHECK(loaded.error().text == "the saved state has sliding keys from token " +
                                         std::to_string(oldest) +
                                         " of 9 on, fewer than a window of 3");
        CHECK(s.size() == 0);
    }
}

TEST_CASE("a state that does not fit is refused in a sentence") {
    const MadeUp<A> made;
    auto s = session(made, {.context_tokens = 14, .chunk_tokens = 2});
    read(s, {.ids = some(0, 9)});
    std::vector<std::byte> bytes = saved(s);
    const auto refusal = [&](auto& other) {
        const auto loaded = other.load(Reader{bytes});
        return loaded ? std::string() : loaded.error().text;
    };
    auto small = session(made, {.context_tokens = 8});
    CHECK(refusal(small) == "the saved state has 9 tokens, which do not fit into a context of 8");
    const MadeUp<All> another;
    auto other = session(another, {.context_tokens = 14});
    CHECK(refusal(other).starts_with("the saved state is of another model: it has "));
    const MadeUp<WithCache<q4_0>> quantised;
    auto four = session(quantised, {.context_tokens = 14});
    CHECK(refusal(four) ==
          "the saved state has keys and values of another type than this session's Q4_0");
}

TEST_CASE("a session that was moved goes on") {
    const MadeUp<A> made;
    auto alone = session(made, {.context_tokens = 14});
    const Logits expected = read(alone, {.ids = ids});
    auto s = session(made, {.context_tokens = 14});
    read(s, {.ids = some(0, 5)});
    auto moved = std::move(s);
    CHECK(read(moved, {.ids = some(5, 14)}) == Logits(expected.begin() + 5, expected.end()));
}

}  // namespace
}  // namespace carat::test
