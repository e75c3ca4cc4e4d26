/// \file
/// One number for all weights of a text model, bit by bit: what a Binder is, but it reads.
#pragma once

#include "carat/checkpoint/fnv1a.hpp"
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/stored_blocks.hpp"
#include "carat/tensor/view.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace carat::test {

class WeightsSum {
  public:
    using Name = std::string;
    static Name layer_prefix(std::size_t layer) { return "layers." + std::to_string(layer) + "."; }

    template <class T, std::size_t... Extents>
    void operator()(const Name& name, View<const T, Extents...>& slot,
                    Residence = Residence::resident) {
        add(name, std::as_bytes(std::span(slot.data(), slot.size())));
    }
    template <class T, std::size_t... Extents, class Shape>
    void operator()(const Name& name, View<const T, Extents...>& slot, Shape) {
        (*this)(name, slot);
    }
    template <std::size_t rows, std::size_t width>
    void operator()(const Name& name, StoredRows<rows, width>& slot, Residence) {
        add(name, slot.bytes());
    }
    template <class Format, std::size_t out, std::size_t in>
    void operator()(const Name& name, PanelView<Format, out, in>& slot) {
        add(name, std::as_bytes(std::span(slot.data(), slot.panels)));
    }
    template <class Format, std::size_t n, std::size_t out, std::size_t in, class Shape>
    void operator()(const Name& name, PanelStack<Format, n, out, in>& slot, Shape) {
        add(name, std::as_bytes(std::span(slot.data(), n * PanelView<Format, out, in>::panels)));
    }
    [[nodiscard]] std::uint64_t value() const { return sum_.value(); }

  private:
    void add(const Name& name, std::span<const std::byte> bytes) {
        sum_.add(std::as_bytes(std::span(name)));
        sum_.add(bytes);
    }
    Fnv1a sum_;
};

template <class Gemma>
std::uint64_t weights_sum(const Gemma& model) {
    WeightsSum sum;
    auto weights = model.weights();
    bind_text_model<typename Gemma::Text>(sum, weights);
    return sum.value();
}

}  // namespace carat::test
