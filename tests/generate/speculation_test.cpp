// Drafts change nothing but time: tokens, and what a session holds afterwards.
#include "carat/generate/speculation.hpp"

#include "carat/generate/generate.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/generated_weights.hpp"
#include "support/oracle.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace carat::test {
namespace {

using A = TextModel<tiny::a, weights::f32>;
using B = TextModel<tiny::b, weights::f32>;
constexpr std::size_t prompt_tokens = 5;
constexpr std::array<std::int32_t, prompt_tokens> prompt{2, 5, 9, 3, 7};

/// Every call takes a millisecond.
struct Ticks {
    using time_point = std::chrono::steady_clock::time_point;
    static time_point now() {
        static time_point t{};
        return t += std::chrono::milliseconds(1);
    }
};

struct Run {
    std::vector<std::int32_t> ids;
    StopReason stop{};
    DraftStats stats{};
};

/// A model, and what it says behind the prompt, with drafts or without.
template <class Model>
struct Machine {
    MadeUp<Model> model;
    Serial serial;
    SessionOptions options;

    explicit Machine(std::size_t context = 64, std::size_t chunk = 8)
        : options{.context_tokens = context, .chunk_tokens = chunk} {}

    Session<Model> session() const {
        return *Session<Model>::create(model.weights, const_cast<Serial&>(serial), options);
    }
    Run run(Session<Model>& session, const SamplerOptions& how, const GenerateOptions& limits,
            LogitsSource<Model>* source = nullptr, TokenFilter filter = {}) const {
        auto sampler = *Sampler::create(Model::vocab, how);
        Run run;
        const auto stop = generate(
            session, {.ids = prompt}, sampler, limits,
            [&](std::int32_t id) { run.ids.push_back(id); }, {}, filter, source);
        REQUIRE(stop);
        run.stop = *stop;
        if (source != nullptr) run.stats = source->stats();
        return run;
    }
};

/// What an oracle has to say to be right: the prompt, and these tokens.
std::vector<std::int32_t> sequence(const std::vector<std::int32_t>& ids) {
    std::vector<std::int32_t> all(prompt.begin(), prompt.end());
    all.insert(all.end(), ids.begin(), ids.end());
    return all;
}

/// Two sessions hold the same tokens' keys and values, and go on alike.
template <class Model>
void check_same(Session<Model>& a, Session<Model>& b) {
    REQUIRE(a.size() == b.size());
    const auto rings = [&](const auto& x, const auto& y, std::size_t first) {
        using Ring = std::remove_cvref_t<decltype(x[0])>;
        for (std::size_t l = 0; l < x.size(); ++l)
            for (std::size_t head = 0; head < Ring::heads; ++head)
                for (std::size_t i = first; i < a.size(); ++i) {
                    std::array<float, Ring::row> p{}, q{};
                    x[l].key(head, i, p.data());
                    y[l].key(head, i, q.data());
                    CHECK(p == q);
                    x[l].value(head, i, p.data());
                    y[l].value(head, i, q.data());
                    CHECK(p == q);
                }
    };
    const std::size_t near = Model::config.sliding_window - 1;
    rings(a.cache().sliding, b.cache().sliding, a.size() - std::min(a.size(), near));
    rings(a.cache().full, b.cache().full, 0);
    const std::array<std::int32_t, 4> more{1, 8, 4, 6};
    if (a.size() + more.size() > a.context_tokens()) return;
    const auto x = a.append(more), y = b.append(more);
    REQUIRE((x && y));
    CHECK(std::equal(x->begin(), x->end(), y->begin(), y->end()));
}

const std::vector<SamplerOptions> ways{
    {.greedy = true},
    {.seed = 7},
    {.temperature = 0.7f, .top_k = 5, .top_p = 0.9f, .seed = 3},
    {.temperature = 1.5f,
     .min_p = 0.02f,
     .repetition_penalty = 1.3f,
     .seed = 11,
     .suppress_tokens = {1}},
    {.greedy = true, .repetition_penalty = 1.5f},
};

/// Whatever the drafter says.
template <class Model>
void check_output(const Machine<Model>& m) {
    const GenerateOptions limits{.max_tokens = 40, .stop_ids = {}};
    for (std::size_t way = 0; way < ways.size(); ++way) {
        CAPTURE(way);
        auto plain_session = m.session();
        const Run plain = m.run(plain_session, ways[way], limits);
        REQUIRE(plain.ids.size() == 40);
        const auto right = sequence(plain.ids);
        for (const std::size_t every : {0u, 1u, 2u, 3u, 5u}) {  // every so-manieth guess is wrong
            for (const std::size_t drafts : {1u, 2u, 4u, 7u}) {
                CAPTURE(every);
                CAPTURE(drafts);
                typename Oracle<Model>::Weights oracle{right};
                for (std::size_t i = 0; i < right.size(); ++i)
                    if (every > 0 && i % every == 0)
                        oracle.says[i] = (right[i] + 1) % static_cast<std::int32_t>(Model::vocab);
                auto session = m.session();
                auto source = Speculation<Oracle<Model>>::create(
                    oracle, session, {.draft_tokens = drafts, .adapt = false});
                REQUIRE(source);
                const Run run = m.run(session, ways[way], limits, &*source);
                CHECK(run.ids == plain.ids);
                CHECK(run.stop == plain.stop);
                CHECK(run.stats.drafted == oracle.steps);
                CHECK(run.stats.passes + run.stats.accepted == 39);  // the last is not fed back
                if (every == 0) CHECK(run.stats.passes == (39 + drafts) / (drafts + 1));
                if (every == 1) CHECK(run.stats.accepted == 0);
                auto again = m.session();
                m.run(again, ways[way], limits);
                check_same(session, again);
            }
        }
    }
}

}  // namespace

TEST_CASE("drafts, right or wrong, change no token and leave what plain decoding leaves") {
    check_output(Machine<A>{});
    check_output(Machine<B>{});
}

TEST_CASE("a round begins with the model's final norm before its newest token") {
    const Machine<A> m(64, 64);
    auto plain = m.session();
    const Run expected = m.run(plain, {.greedy = true}, {.max_tokens = 40, .stop_ids = {}});
    const auto right = sequence(expected.ids);
    auto whole = m.session();
    REQUIRE(whole.append({.ids = right, .logits_to_keep = 0}, [](std::size_t, auto) {}));
    const auto all = whole.final_norms();
    REQUIRE(all.rows() == right.size());
    for (const std::size_t every : {1u, 2u, 3u, 4u, 7u}) {
        CAPTURE(every);
        Oracle<A>::Weights oracle{right};
        for (std::size_t i = 0; i < right.size(); i += every)
            oracle.says[i] = (right[i] + 1) % static_cast<std::int32_t>(A::vocab);
        auto session = m.session();
        auto source =
            Speculation<Oracle<A>>::create(oracle, session, {.draft_tokens = 4, .adapt = false});
        REQUIRE(source);
        m.run(session, {.greedy = true}, {.max_tokens = 40, .stop_ids = {}}, &*source);
        CHECK(oracle.rounds.size() > 4);
        for (const auto& round : oracle.rounds) {
            const auto& [position, state] = round;
            CAPTURE(round.first);
            const auto norm = all.row(position - 1).span();
            CHECK(std::equal(norm.begin(), norm.end(), state.begin(), state.end()));
        }
    }
}

TEST_CASE("drafts change nothing where a context begins to slide, or is full") {
    const Machine<A> m(14, 4);
    for (const std::size_t tokens : {1u, 2u, 3u, 5u, 9u, 10u, 11u, 30u})
        for (const bool right : {true, false}) {
            CAPTURE(tokens);
            CAPTURE(right);
            const GenerateOptions limits{.max_tokens = tokens, .stop_ids = {}};
            auto plain = m.session(), session = m.session();
            const Run expected = m.run(plain, {.greedy = true}, limits);
            const Oracle<A>::Weights oracle{right ? sequence(expected.ids)
                                                  : std::vector<std::int32_t>{}};
            auto source = Speculation<Oracle<A>>::create(oracle, session,
                                                         {.draft_tokens = 3, .adapt = false});
            REQUIRE(source);
            const Run run = m.run(session, {.greedy = true}, limits, &*source);
            CHECK(run.ids == expected.ids);
            CHECK(run.stop == expected.stop);
            check_same(session, plain);
        }
}

TEST_CASE("a stop token among the drafts ends the answer, and what was read behind it is gone") {
    const Machine<A> m;
    auto first = m.session();
    const Run all = m.run(first, {.seed = 5}, {.max_tokens = 12, .stop_ids = {}});
    const std::int32_t stop = all.ids[6];
    const GenerateOptions limits{.max_tokens = 12, .stop_ids = {stop}};
    auto plain = m.session(), session = m.session();
    const Run expected = m.run(plain, {.seed = 5}, limits);
    REQUIRE(expected.stop == StopReason::stop_token);
    const Oracle<A>::Weights oracle{sequence(all.ids)};
    auto source =
        Speculation<Oracle<A>>::create(oracle, session, {.draft_tokens = 5, .adapt = false});
    REQUIRE(source);
    const Run run = m.run(session, {.seed = 5}, limits, &*source);
    CHECK(run.ids == expected.ids);
    CHECK(run.stop == StopReason::stop_token);
    check_same(session, plain);
}

TEST_CASE("a caller who leaves finds the session as plain decoding leaves it") {
    const Machine<A> m;
    auto first = m.session();
    const Run all = m.run(first, {.greedy = true}, {.max_tokens = 12, .stop_ids = {}});
    const Oracle<A>::Weights oracle{sequence(all.ids)};
    for (std::size_t leave = 1; leave < 10; ++leave) {
        CAPTURE(leave);
        auto plain = m.session(), session = m.session();
        auto source =
            Speculation<Oracle<A>>::create(oracle, session, {.draft_tokens = 4, .adapt = false});
        REQUIRE(source);
        const auto talk = [&](Session<A>& s, LogitsSource<A>* from) {
            auto sampler = *Sampler::create(A::vocab, {.greedy = true});
            std::size_t told = 0;
            const auto stop = generate(
                s, {.ids = prompt}, sampler, {.max_tokens = 12, .stop_ids = {}},
                [&](std::int32_t) { return ++told < leave; }, {}, {}, from);
            REQUIRE(stop);
            CHECK(*stop == StopReason::caller);
        };
        talk(session, &*source);
        talk(plain, nullptr);
        CHECK(session.size() == prompt_tokens + leave - 1);
        // What was saved between goes on in a session that never drafted.
        std::vector<std::byte> state;
        session.save([&](std::span<const std::byte> part) {
            state.insert(state.end(), part.begin(), part.end());
        });
        auto loaded = m.session();
        std::size_t at = 0;
        REQUIRE(loaded.load([&](std::span<std::byte> to) {
            std::copy_n(state.begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
            at += to.size();
            return true;
        }));
        auto forked = *session.fork();
        auto other = *plain.fork();
        check_same(loaded, plain);
        check_same(forked, other);
    }
}

TEST_CASE("one speculation serves answer after answer of a session") {
    const Machine<A> m;
    auto session = m.session(), plain = m.session();
    const MadeUpDrafter<Drafter<tiny::drafter(tiny::a, 4), A>> made;
    using Draft = Drafter<tiny::drafter(tiny::a, 4), A>;
    auto source =
        Speculation<Draft>::create(made.weights, session, {.draft_tokens = 3, .adapt = false});
    REQUIRE(source);
    const GenerateOptions limits{.max_tokens = 9, .stop_ids = {}};
    for (int answer = 0; answer < 4; ++answer) {
        CAPTURE(answer);
        CHECK(m.run(session, {.greedy = true}, limits, &*source).ids ==
              m.run(plain, {.greedy = true}, limits).ids);
        if (answer == 1) session.clear(), plain.clear();
    }
    CHECK(source->stats().passes > 0);
    CHECK(source->stats().drafted > source->stats().accepted);
    auto moved = *std::move(source);
    session.clear(), plain.clear();
    CHECK(m.run(session, {.seed = 4}, limits, &moved).ids == m.run(plain, {.seed = 4}, limits).ids);
}

TEST_CASE("a real drafter of either head changes no token, with threads and an odd prompt") {
    const auto check = [](auto draft) {
        using Draft = decltype(draft);
        using Model = typename Draft::Target;
        const MadeUp<Model> model;
        const MadeUpDrafter<Draft> made;
        ThreadPool pool(3);
        const SessionOptions options{.context_tokens = 80, .chunk_tokens = 6};
        auto session = *Session<Model>::create(model.weights, pool, options);
        auto plain = *Session<Model>::create(model.weights, pool, options);
        auto source = Speculation<Draft, Ticks>::create(made.weights, session, {.draft_tokens = 5});
        REQUIRE(source);
        CHECK(source->memory_bytes() == Speculation<Draft, Ticks>::bytes(5, 80, 3));
        const std::array<std::uint8_t, prompt_tokens> mask{0, 0, 1, 1, 1};
        const auto talk = [&](Session<Model>& s, LogitsSource<Model>* from) {
            auto sampler = *Sampler::create(Model::vocab, {.top_k = 12, .seed = 9});
            std::vector<std::int32_t> ids;
            REQUIRE(generate(
                s, {.ids = prompt, .attention_mask = mask}, sampler,
                {.max_tokens = 70, .stop_ids = {}}, [&](std::int32_t id) { ids.push_back(id); }, {},
                {}, from));
            return ids;
        };
        CHECK(talk(session, &*source) == talk(plain, nullptr));
        CHECK(source->stats().drafted > 0);
        check_same(session, plain);
    };
    check(Drafter<tiny::drafter(tiny::a, 4), A>{});
    check(Drafter<tiny::drafter(tiny::b, 0), B>{});
}

TEST_CASE("behind a padded prompt with positions of its own, a round begins at the next of them") {
    const Machine<A> m;
    const std::array<std::int32_t, prompt_tokens> positions{0, 0, 0, 1, 2};
    const std::array<std::uint8_t, prompt_tokens> mask{0, 0, 1, 1, 1};
    const auto talk = [&](Session<A>& s, LogitsSource<A>* from) {
        auto sampler = *Sampler::create(A::vocab, {.greedy = true});
        std::vector<std::int32_t> said;
        REQUIRE(generate(
            s, {.ids = prompt, .positions = positions, .attention_mask = mask}, sampler,
            {.max_tokens = 12, .stop_ids = {}}, [&](std::int32_t id) { said.push_back(id); }, {},
            {}, from));
        return said;
    };
    auto plain = m.session(), session = m.session();
    const auto expected = talk(plain, nullptr);
    auto by_position = sequence(expected);
    by_position.erase(by_position.begin(), by_position.begin() + 2);
    const Oracle<A>::Weights oracle{by_position};
    auto source =
        Speculation<Oracle<A>>::create(oracle, session, {.draft_tokens = 4, .adapt = false});
    REQUIRE(source);
    CHECK(talk(session, &*source) == expected);
    CHECK(oracle.rounds.front().first == 3);
    CHECK(source->stats().accepted == source->stats().drafted);
    check_same(session, plain);
}

TEST_CASE("a filter has the last word over drafts, and hears each token once and in order") {
    struct Even {  // tokens whose number is even, but the third must be 5
        std::vector<std::int32_t> heard{};
        std::vector<std::size_t> left{};
        std::array<std::uint64_t, 1> words{};
        TokenMask allowed(std::size_t tokens_left) {
            left.push_back(tokens_left);
            words[0] = heard.size() == 2 ? 1u << 5 : 0x5555u;
            return TokenMask(words);
        }
        void accept(std::int32_t id) { heard.push_back(id); }
    };
    const Machine<A> m;
    const GenerateOptions limits{.max_tokens = 20, .stop_ids = {}};
    auto free = m.session();
    const auto unbound = sequence(m.run(free, {.seed = 2}, limits).ids);
    Even plain_filter;
    auto plain = m.session();
    const Run expected = m.run(plain, {.seed = 2}, limits, nullptr, plain_filter);
    CHECK(expected.ids[2] == 5);
    for (const auto& says : {unbound, sequence(expected.ids)}) {
        const Oracle<A>::Weights oracle{says};
        Even filter;
        auto session = m.session();
        auto source =
            Speculation<Oracle<A>>::create(oracle, session, {.draft_tokens = 4, .adapt = false});
        REQUIRE(source);
        CHECK(m.run(session, {.seed = 2}, limits, &*source, filter).ids == expected.ids);
        CHECK(filter.heard == plain_filter.heard);
        CHECK(filter.left == plain_filter.left);
    }
}

TEST_CASE("sampled tokens have the model's distribution, whether drafts are right or never drawn") {
    const Machine<A> m(16, 8);
    // The second token's distribution: that of the first, times what follows.
    std::array<double, A::vocab> expected{};
    const auto soft = [](std::span<const float> z) {
        std::array<double, A::vocab> p{};
        double sum = 0;
        for (std::size_t i = 0; i < z.size(); ++i)
            sum += p[i] = std::exp(static_cast<double>(z[i]));
        for (double& x : p) x /= sum;
        return p;
    };
    auto s = m.session();
    const auto first = soft(*s.append(prompt));
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(A::vocab); ++id) {
        const auto second = soft(*s.append(std::span(&id, 1)));
        for (std::size_t i = 0; i < A::vocab; ++i)
            expected[i] += first[static_cast<std::size_t>(id)] * second[i];
        s.rewind(prompt_tokens);
    }
    // Guesses of the second token; with the last of them 4 is the third's, too.
    for (const std::int32_t guess : {3, 4, 11}) {
        CAPTURE(guess);
        Oracle<A>::Weights oracle;
        oracle.says.assign(16, guess);
        auto session = m.session();
        auto source =
            Speculation<Oracle<A>>::create(oracle, session, {.draft_tokens = 2, .adapt = false});
        REQUIRE(source);
        std::array<double, A::vocab> seen{};
        constexpr std::size_t draws = 6000;
        auto sampler = *Sampler::create(A::vocab, {.seed = 21});
        for (std::size_t i = 0; i < draws; ++i) {
            std::vector<std::int32_t> ids;
            session.clear();
            REQUIRE(generate(
                session, {.ids = prompt}, sampler, {.max_tokens = 3, .stop_ids = {}},
                [&](std::int32_t id) { ids.push_back(id); }, {}, {}, &*source));
            seen[static_cast<std::size_t>(ids[1])] += 1;
        }
        double chi = 0;
        for (std::size_t i = 0; i < A::vocab; ++i) {
            const double e = expected[i] * draws;
            chi += (seen[i] - e) * (seen[i] - e) / e;
        }
        CHECK(chi < 37.7);  // 15 degrees of freedom, one in a thousand
        CHECK(source->stats().accepted > 0);
    }
}

TEST_CASE("where drafts do not pay there are few, and where they do many; tokens are the same") {
    const Machine<A> m(512, 8);
    const GenerateOptions limits{.max_tokens = 400, .stop_ids = {}};
    auto plain = m.session();
    const Run expected = m.run(plain, {.seed = 1}, limits);
    for (const bool right : {true, false}) {
        CAPTURE(right);
        const Oracle<A>::Weights oracle{right ? sequence(expected.ids)
                                              : std::vector<std::int32_t>{}};
        auto session = m.session();
        // Each call of the clock is one millisecond: a round takes no longer than a plain call.
        auto source = Speculation<Oracle<A>, Ticks>::create(oracle, session, {.draft_tokens = 4});
        REQUIRE(source);
        const Run run = m.run(session, {.seed = 1}, limits, &*source);
        CHECK(run.ids == expected.ids);
        if (right) CHECK(run.stats.passes < 400 / 4);
    }
}

TEST_CASE("a guess of which the weights make no number does not end what the model would say") {
    Machine<A> m;
    auto first = m.session();
    const GenerateOptions limits{.max_tokens = 12, .stop_ids = {}};
    const Run expected = m.run(first, {.greedy = true}, limits);
    // A token that is not among them, and whose embedding is broken.
    std::int32_t broken = 0;
    while (std::count(expected.ids.begin(), expected.ids.end(), broken) > 0 ||
           std::count(prompt.begin(), prompt.end(), broken) > 0)
        ++broken;
    REQUIRE(broken < 16);
    std::vector<float> table(m.model.weights.embed_tokens.data(),
                             m.model.weights.embed_tokens.data() + 16 * 8);
    table[static_cast<std::size_t>(broken) * 8] = std::numeric_limits<float>::infinity();
    auto weights = m.model.weights;
    weights.embed_tokens = View<const float, 16, 8>(table.data());
    auto session = *Session<A>::create(weights, m.serial, m.options);
    Oracle<A>::Weights oracle;
    oracle.says.assign(32, broken);
    auto source =
        Speculation<Oracle<A>>::create(oracle, session, {.draft_tokens = 2, .adapt = false});
    REQUIRE(source);
    auto sampler = *Sampler::create(A::vocab, {.greedy = true, .suppress_tokens = {broken}});
    std::vector<std::int32_t> ids;
    REQUIRE(generate(
        session, {.ids = prompt}, sampler, limits, [&](std::int32_t id) { ids.push_back(id); }, {},
        {}, &*source));
    auto plain_session = *Session<A>::create(weights, m.serial, m.options);
    CHECK(ids == m.run(plain_session, {.greedy = true, .suppress_tokens = {broken}}, limits).ids);
    CHECK(source->stats().accepted == 0);
}

TEST_CASE(
    "what a session has no room for is refused in words, and a longer one is not drafted for") {
    const Machine<A> m;
    auto session = m.session();
    const Oracle<A>::Weights oracle;
    using Source = Speculation<Oracle<A>>;
    const auto refused = [&](std::size_t drafts, const char* word) {
        const auto source = Source::create(oracle, session, {.draft_tokens = drafts});
        REQUIRE(!source);
        CHECK(source.error().code == Errc::invalid_argument);
        CHECK(source.error().text.find(word) != std::string::npos);
    };
    refused(0, "expected 1 to 16");
    refused(17, "draft_tokens is 17, expected 1 to 16");
    refused(8, "needs chunk_tokens of at least 9, not 8");
    auto source = Source::create(oracle, session, {.draft_tokens = 7, .adapt = false});
    REQUIRE(source);
    auto longer = *Session<A>::create(m.model.weights, const_cast<Serial&>(m.serial),
                                      {.context_tokens = 65, .chunk_tokens = 8});
    const Run run = m.run(longer, {.greedy = true}, {.max_tokens = 8, .stop_ids = {}}, &*source);
    CHECK(run.ids.size() == 8);
    CHECK(run.stats.drafted == 0);
    CHECK(run.stats.passes == 7);
    CHECK(source->fork(longer));
}

}  // namespace carat::test
