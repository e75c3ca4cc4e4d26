/// \file
/// A text model over made-up weights in memory that the test owns: no files, and the numbers of
/// spec/text.md section 19.1.
#pragma once

#include "carat/checkpoint/fnv1a.hpp"
#include "carat/checkpoint/tensors/drafter_tensors.hpp"
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/tensor/view.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace carat::test {

/// What a Binder is for checkpoints: each tensor asked for is filled by its name.
class WeightMaker {
  public:
    using Name = std::string;
    static Name layer_prefix(std::size_t layer) { return "layers." + std::to_string(layer) + "."; }

    template <class T, std::size_t... Extents>
    void operator()(const Name& name, View<const T, Extents...>& slot,
                    Residence = Residence::resident) {
        const bool scale = name.find("norm") != std::string::npos || name.ends_with("_scalar") ||
                           name.ends_with("scale");
        std::vector<T>& values = memory<T>().emplace_back(View<const T, Extents...>().size());
        Fnv1a seed;
        seed.add(std::as_bytes(std::span(prefix)));
        seed.add(std::as_bytes(std::span(name)));
        Random random(seed.value());
        for (T& value : values) {
            const double u = static_cast<double>(random() >> 52) / 2048.0 - 1.0;
            value = from_f32<T>(static_cast<float>(scale ? 1.0 + 0.25 * u : 0.5 * u));
        }
        slot = View<const T, Extents...>(values.data());
    }

    /// A view of another shape than the file's: as many elements, in the same order.
    template <class T, std::size_t... Extents, std::size_t... Shape>
    void operator()(const Name& name, View<const T, Extents...>& slot, FileShape<Shape...>) {
        (*this)(name, slot);
    }

    /// Rows in another order than the file's.
    template <class T, std::size_t rows, std::size_t width>
    void operator()(const Name& name, View<const T, rows, width>& slot, RowOrder order) {
        (*this)(name, slot);
        std::vector<T>& values = memory<T>().emplace_back(slot.size());
        for (std::size_t row = 0; row < rows; ++row)
            std::copy_n(slot.row(static_cast<std::size_t>(order.rows[row])).data(), width,
                        values.data() + row * width);
        slot = View<const T, rows, width>(values.data());
    }

    /// Stands before the names that follow, as far as their numbers are concerned.
    Name prefix{};

  private:
    template <class T>
    auto& memory() {
        if constexpr (std::is_same_v<T, float>) {
            return floats_;
        } else {
            return halves_;
        }
    }
    std::deque<std::vector<float>> floats_;
    std::deque<std::vector<bf16>> halves_;
};

/// The weights of a model, and what they lie in.
template <class Model>
struct MadeUp {
    WeightMaker memory;
    typename Model::Weights weights;

    MadeUp() { bind_text_model<Model>(memory, weights); }
    MadeUp(const MadeUp&) = delete;
    MadeUp& operator=(const MadeUp&) = delete;
};

/// The same of a drafter. token_ordering[i] = (5 i + 3) mod the vocabulary, which must have no
/// factor in common with 5.
template <class Drafter>
struct MadeUpDrafter {
    WeightMaker memory;
    typename Drafter::Weights weights;
    std::vector<std::int32_t> token_ordering;

    MadeUpDrafter() {
        if constexpr (Drafter::config.num_centroids > 0) {
            constexpr std::size_t vocab = Drafter::config.text.vocab_size;
            for (std::size_t i = 0; i < vocab; ++i)
                token_ordering.push_back(static_cast<std::int32_t>((5 * i + 3) % vocab));
            weights.head.token_ordering = token_ordering;
        }
        memory.prefix = "assistant.";
        bind_drafter<Drafter>(memory, weights);
    }
    MadeUpDrafter(const MadeUpDrafter&) = delete;
    MadeUpDrafter& operator=(const MadeUpDrafter&) = delete;
};

}  // namespace carat::test
