// Experts are touched only when they are chosen: the others' pages cannot even be read here.
#include "carat/nn/moe.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/tensor/arena.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#if defined(__unix__)
#include <sys/mman.h>
#include <unistd.h>

namespace carat::test {
namespace {

constexpr LayerKind kind{.hidden_size = 1024,
                         .intermediate_size = 64,
                         .experts = 8,
                         .top_k = 2,
                         .expert_intermediate_size = 64};
using Experts = nn::Experts<kind, weights::f32>;

/// Floats of all experts, each on pages of its own.
class Guarded {
  public:
    explicit Guarded(std::size_t floats_each) : each_(floats_each * sizeof(float)) {
        data_ = ::mmap(nullptr, each_ * kind.experts, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(data_ != MAP_FAILED);
        REQUIRE(each_ % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) == 0);
        std::fill_n(static_cast<float*>(data_), floats_each * kind.experts, 0.01f);
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    ~Guarded() { ::munmap(data_, each_ * kind.experts); }

    void forbid(std::size_t expert) const {
        REQUIRE(::mprotect(static_cast<std::byte*>(data_) + expert * each_, each_, PROT_NONE) == 0);
    }
    [[nodiscard]] const float* data() const { return static_cast<const float*>(data_); }

  private:
    std::size_t each_;
    void* data_ = nullptr;
};

TEST_CASE("experts that no token chose are not read") {
    constexpr std::size_t hidden = kind.hidden_size, inner = kind.expert_intermediate_size;
    const Guarded gate_up(2 * inner * hidden), down(hidden * inner);
    Experts::Weights w;
    w.gate_up_proj = decltype(w.gate_up_proj)(gate_up.data());
    w.down_proj = decltype(w.down_proj)(down.data());
    std::array<nn::Route<2>, 2> routes{};
    routes[0] = {{1, 4}, {0.5f, 0.5f}};
    routes[1] = {{4, 6}, {0.25f, 0.75f}};
    for (const std::size_t e : {0u, 2u, 3u, 5u, 7u}) {
        gate_up.forbid(e);
        down.forbid(e);
    }
    MemoryPlan plan;
    Experts::Scratch::take(plan, 2, 1);
    Arena arena(plan.bytes());
    const auto scratch = Experts::Scratch::take(arena, 2, 1);
    const std::vector<float> x(2 * hidden, 1.0f);
    std::vector<float> out(2 * hidden, -1.0f);
    Serial serial;
    Experts{}.forward(w, Rows<const float, hidden>(x.data(), 2u),
                      View<nn::Route<2>, dynamic>(routes.data(), 2u),
                      Rows<float, hidden>(out.data(), 2u), scratch, serial);
    CHECK(out[0] > 0.0f);
    CHECK(out[0] == out[hidden - 1]);
}

}  // namespace
}  // namespace carat::test
#endif
