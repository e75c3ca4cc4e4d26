// Decoding allocates nothing. This unit replaces the global operator new of the whole test binary
// by one that counts.
#include "carat/generate/generate.hpp"
#include "carat/generate/speculation.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/generated_weights.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <utility>

namespace {

std::atomic<std::size_t> allocations{0};

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr bool counts_malloc = true;
#else
constexpr bool counts_malloc = false;  // a sanitizer has a malloc of its own
#endif

void* counted(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) noexcept {
    ++allocations;
    const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
    return std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
}
void* counted_or_end(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
    void* p = counted(size, alignment);
    if (p == nullptr) std::abort();
    return p;
}

/// Out of line, or g++ takes what it sees inlined for a malloc that meets a delete.
[[gnu::noinline]] void release(void* p) noexcept { std::free(p); }

}  // namespace

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// And malloc itself, for what does not come by operator new.
extern "C" {
void* __libc_malloc(std::size_t size);                 // NOLINT
void* __libc_calloc(std::size_t n, std::size_t size);  // NOLINT
void* __libc_realloc(void* p, std::size_t size);       // NOLINT
void* malloc(std::size_t size) noexcept {
    ++allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) noexcept {
    ++allocations;
    return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t size) noexcept {
    ++allocations;
    return __libc_realloc(p, size);
}
}
#endif

// The forms for arrays too: a sanitizer's own do not come by here.
void* operator new(std::size_t size) { return counted_or_end(size); }
void* operator new[](std::size_t size) { return counted_or_end(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return counted_or_end(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return counted_or_end(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return counted(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }

namespace carat::test {
namespace {

template <TextConfig C>
void check_decoding() {
    using Model = TextModel<C, weights::f32>;
    const MadeUp<Model> made;
    ThreadPool pool(2);
    const std::array<std::int32_t, 7> prompt{2, 5, 9, 3, 7, 1, 4};
    const GenerateOptions options{.max_tokens = 1000, .stop_ids = {}};
    for (SamplerOptions how :
         {SamplerOptions{.greedy = true}, SamplerOptions{.top_k = 5}, SamplerOptions{.top_p = 0.9f},
          SamplerOptions{.temperature = 0.7f,
          .top_k = 8,
          .top_p = 0.9f,
          .min_p = 0.01f,
          .repetition_penalty = 1.1f,
          .suppress_tokens = {1}}}) {
        auto session =
            Session<Model>::create(made.weights, pool, {.context_tokens = 1024, .chunk_tokens = 3});
        auto sampler = Sampler::create(C.vocab_size, std::move(how));
        REQUIRE(session);
        REQUIRE(sampler);
        std::size_t tokens = 0, steps = 0;
        const std::size_t before = allocations;
        const auto reason = generate(
            *session, SessionInput<Model>{.ids = prompt}, *sampler, options,
            [&](std::int32_t) { ++tokens; },
            [&](std::size_t, std::size_t) {
                ++steps;
                return true;
            });
        const std::size_t after = allocations;
        REQUIRE(reason);
        CHECK(tokens == 1000);
        CHECK(steps > 0);
        CHECK(after == before);
    }
}

TEST_CASE(
    "reading a prompt and 1000 steps of decoding allocate nothing: shared keys, per-layer rows") {
    check_decoding<tiny::a>();
}
TEST_CASE("reading a prompt and 1000 steps of decoding allocate nothing: mixture of experts") {
    check_decoding<tiny::b>();
}

TEST_CASE("1000 steps with an assistant allocate nothing") {
    using Model = TextModel<tiny::a, weights::f32>;
    using Draft = Drafter<tiny::drafter(tiny::a, 4), Model>;
    const MadeUp<Model> made;
    const MadeUpDrafter<Draft> assistant;
    ThreadPool pool(2);
    const std::array<std::int32_t, 3> prompt{2, 5, 9};
    const GenerateOptions options{.max_tokens = 1000, .stop_ids = {}};
    for (const bool adapt : {true, false}) {
        auto session =
            Session<Model>::create(made.weights, pool, {.context_tokens = 1024, .chunk_tokens = 8});
        auto sampler = Sampler::create(Model::vocab, {.top_k = 5});
        REQUIRE(session);
        REQUIRE(sampler);
        auto drafts = Speculation<Draft>::create(assistant.weights, *session,
                                                 {.draft_tokens = 4, .adapt = adapt});
        REQUIRE(drafts);
        const std::size_t before = allocations;
        const auto reason = generate(
            *session, SessionInput<Model>{.ids = prompt}, *sampler, options, [](std::int32_t) {},
            {}, {}, &*drafts);
        const std::size_t after = allocations;
        REQUIRE(reason);
        CHECK(drafts->stats().drafted > 0);
        CHECK(after == before);
    }
}

TEST_CASE("allocations are counted, so that none counted means none") {
    // Called by name: what a new-expression allocates, a compiler may leave out.
    const std::size_t before = allocations;
    ::operator delete(::operator new(100));
    CHECK(allocations == before + 1);
    ::operator delete[](::operator new[](100));
    CHECK(allocations == before + 2);
    constexpr std::align_val_t wide{64};
    ::operator delete(::operator new(100, wide), wide);
    CHECK(allocations == before + 3);
    ::operator delete(::operator new(100, std::nothrow));
    CHECK(allocations == before + 4);
    if (counts_malloc) {
        void* (*volatile take)(std::size_t) = std::malloc;
        std::free(take(100));
        CHECK(allocations == before + 5);
    }
}

}  // namespace
}  // namespace carat::test
