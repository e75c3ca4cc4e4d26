/// \file
/// Numbers for tests: the same on every machine, and never in a row of convenient length.
#pragma once

#include "carat/tensor/element.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace carat::test {

/// splitmix64: a new number with every call.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t operator()() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// Evenly in [-1, 1).
    float number() {
        return static_cast<float>(static_cast<double>((*this)() >> 11) * 0x1p-52 - 1.0);
    }

  private:
    std::uint64_t state_;
};

/// Elements on the heap with nothing behind the last and `offset` in front of the first, so that a
/// sanitizer sees what reads too far, and no alignment is taken for granted.
template <class T>
class Elements {
  public:
    explicit Elements(std::size_t n, std::size_t offset = 0)
        : memory_(new T[n + offset]()), offset_(offset), size_(n) {}
    /// Random ones, in [-1, 1) · scale.
    static Elements random(std::size_t n, std::uint64_t seed, std::size_t offset = 0,
                           float scale = 1.0f) {
        Elements e(n, offset);
        Random random(seed);
        for (std::size_t i = 0; i < n; ++i) e[i] = from_f32<T>(random.number() * scale);
        return e;
    }
    [[nodiscard]] T* data() const { return memory_.get() + offset_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T* begin() const { return data(); }
    [[nodiscard]] T* end() const { return data() + size_; }
    T& operator[](std::size_t i) const { return data()[i]; }
    /// As the double it stands for.
    [[nodiscard]] double real(std::size_t i) const {
        return static_cast<double>(to_f32(data()[i]));
    }

  private:
    std::unique_ptr<T[]> memory_;
    std::size_t offset_, size_;
};

}  // namespace carat::test
