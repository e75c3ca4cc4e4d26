/// \file
/// Which tokens may come next: a mask over the vocabulary, and what gives one for every step.
#pragma once

#include "carat/base/abi.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace carat::inline CARAT_ABI {

/// A bit for each token, 1: allowed. Token id is bit id % 64 of word id / 64; tokens beyond the
/// words are not allowed. A mask without words allows every token. Refers to the words, and does
/// not own them.
class TokenMask {
  public:
    TokenMask() = default;
    TokenMask(std::span<const std::uint64_t> words) : words_(words) {}

    static constexpr std::size_t words_for(std::size_t vocab_size) {
        return (vocab_size + 63) / 64;
    }

    /// Whether there is anything that it forbids.
    [[nodiscard]] bool restricts() const noexcept { return !words_.empty(); }
    [[nodiscard]] bool allows(std::size_t id) const noexcept {
        if (!restricts()) return true;
        return id / 64 < words_.size() && (words_[id / 64] >> (id % 64) & 1) != 0;
    }
    [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return words_; }

  private:
    std::span<const std::uint64_t> words_{};
};

/// Something that says which tokens may come next. `allowed(tokens_left)` is asked before each
/// token, of which at most tokens_left are still to come, that one included; `accept` is told what
/// was chosen.
template <class F>
concept TokenConstraint = requires(F& f, std::size_t tokens_left, std::int32_t id) {
    { f.allowed(tokens_left) } -> std::convertible_to<TokenMask>;
    f.accept(id);
};

/// A reference to any TokenConstraint, or to none, which allows everything. What it refers to must
/// outlive it.
class TokenFilter {
  public:
    TokenFilter() = default;
    template <TokenConstraint F>
    requires(!std::is_same_v<std::remove_cv_t<F>, TokenFilter>) TokenFilter(F& f)
    noexcept
        : filter_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
          allowed_([](void* g, std::size_t left) -> TokenMask {
              return static_cast<F*>(g)->allowed(left);
          }),
          accept_([](void* g, std::int32_t id) { static_cast<F*>(g)->accept(id); }) {}

    [[nodiscard]] TokenMask allowed(std::size_t tokens_left) const {
        return allowed_ == nullptr ? TokenMask() : allowed_(filter_, tokens_left);
    }
    void accept(std::int32_t id) const {
        if (accept_ != nullptr) accept_(filter_, id);
    }

  private:
    void* filter_ = nullptr;
    TokenMask (*allowed_)(void*, std::size_t) = nullptr;
    void (*accept_)(void*, std::int32_t) = nullptr;
};

}  // namespace carat::inline CARAT_ABI
