/// \file
/// A text model over made-up weights in memory that the test owns: no files, and the numbers of
/// spec/text.md section 19.1.
#pragma once

#include "carat/checkpoint/fnv1a.hpp"
#include "carat/checkpoint/text_tensors.hpp"
#include "carat/tensor/view.hpp"
#include "support/random.hpp"

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

}  // namespace carat::test
