// What gdb stops in to show its printers: see gdb.cmake.
#include "carat/config/presets.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/view.hpp"

#include <array>
#include <cstddef>

void stop_here(const carat::View<const float, 2, 3>& fixed,
               const carat::View<const float, carat::dynamic, 2>& rows,
               const carat::View<const carat::bf16, 2>& halves,
               const carat::View<float, 4>& nothing, const carat::LayerSet& layers);
[[gnu::noinline]] void stop_here(const carat::View<const float, 2, 3>& fixed,
                                 const carat::View<const float, carat::dynamic, 2>& rows,
                                 const carat::View<const carat::bf16, 2>& halves,
                                 const carat::View<float, 4>& nothing,
                                 const carat::LayerSet& layers) {
    asm volatile("" ::"g"(&fixed), "g"(&rows), "g"(&halves), "g"(&nothing), "g"(&layers)
                 : "memory");
}

int main() {
    const std::array<float, 6> numbers{1, 2, 3, 4, 5, 6.5f};
    const std::array<carat::bf16, 2> halves{carat::from_f32<carat::bf16>(1.5f),
                                            carat::from_f32<carat::bf16>(-2.0f)};
    const carat::LayerSet layers = carat::every_nth(5, 15);
    stop_here(carat::View<const float, 2, 3>(numbers.data()),
              carat::View<const float, carat::dynamic, 2>(numbers.data(), std::size_t{3}),
              carat::View<const carat::bf16, 2>(halves.data()), {}, layers);
}
