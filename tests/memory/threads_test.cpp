// Models and sessions in several threads at once; what the thread sanitizer looks at.
#include "carat/gemma4.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <carat/models/e2b_mini.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e2b_mini>;

Gemma open() {
    auto model = Gemma::open(fixture_path("e2b-mini"));
    REQUIRE(model);
    return *std::move(model);
}
std::vector<std::int32_t> prompt(std::size_t n) {
    std::vector<std::int32_t> ids(n);
    for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<std::int32_t>(7 + i * 37 % 400);
    return ids;
}
/// The last logits after a prompt and some tokens one by one; nothing if something failed.
std::vector<float> logits(const Gemma& model, std::size_t threads) {
    ThreadPool pool(threads);
    auto session = model.session(pool, {.context_tokens = 128, .chunk_tokens = 16});
    if (!session) return {};
    const auto ids = prompt(60);
    if (!session->append(std::span(ids).first(50))) return {};
    std::vector<float> last;
    for (std::size_t i = 50; i < 60; ++i) {
        const auto z = session->append(std::span(ids).subspan(i, 1));
        if (!z) return {};
        last.assign(z->begin(), z->end());
    }
    return last;
}

TEST_CASE("two models in two threads, opened there, do not know of each other") {
    const auto expected = logits(open(), 1);
    REQUIRE_FALSE(expected.empty());
    std::vector<std::vector<float>> got(2);
    std::vector<std::thread> threads;
    for (std::vector<float>& one : got)
        threads.emplace_back([&one] {
            const auto model = Gemma::open(fixture_path("e2b-mini"));
            if (model) one = logits(*model, 2);
        });
    for (std::thread& t : threads) t.join();
    CHECK(got[0] == expected);
    CHECK(got[1] == expected);
}

TEST_CASE("sessions in several threads share one model") {
    const Gemma model = open();
    const auto expected = logits(model, 1);
    std::vector<std::vector<float>> got(3);
    std::vector<std::thread> threads;
    for (std::vector<float>& one : got) threads.emplace_back([&] { one = logits(model, 2); });
    for (std::thread& t : threads) t.join();
    for (const auto& one : got) CHECK(one == expected);
}

TEST_CASE("another thread cancels, and the session goes on afterwards") {
    const Gemma model = open();
    ThreadPool pool(2);
    auto session = model.session(pool, {.context_tokens = 4096, .chunk_tokens = 8});
    REQUIRE(session);
    std::atomic<bool> stop{false}, reading{false};
    std::thread other([&] {
        while (!reading) std::this_thread::yield();
        stop = true;
    });
    const auto ids = prompt(4000);
    const auto cancelled = session->append(ids, [&](std::size_t, std::size_t) {
        reading = true;
        return !stop.load();
    });
    other.join();
    if (!cancelled) CHECK(cancelled.error().code == Errc::cancelled);
    session->clear();
    stop = false;
    const auto again = session->append(std::span(ids).first(20));
    REQUIRE(again);
    auto fresh = model.session(pool, {.context_tokens = 64, .chunk_tokens = 8});
    REQUIRE(fresh);
    const auto expected = fresh->append(std::span(ids).first(20));
    REQUIRE(expected);
    CHECK(std::vector<float>(again->begin(), again->end()) ==
          std::vector<float>(expected->begin(), expected->end()));
}

}  // namespace
}  // namespace carat::test
