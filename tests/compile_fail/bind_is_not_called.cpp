// says: carat: a module's bind is template <class Bind> static constexpr void bind(Bind&, const
// typename Bind::Name& prefix, Weights&)
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/tensor/view.hpp"

#include <string>

struct Slopes {
    struct Weights {
        carat::View<const float, 8> slopes;
    };
#if defined(FAIL)
    template <class Bind>
    static constexpr void bind(Bind& bind, const std::string& prefix, Weights& w){
#else
    template <class Bind>
    static constexpr void bind(Bind& bind, const typename Bind::Name& prefix, Weights& w) {
#endif
        bind(prefix + "slopes", w.slopes);
}
}
;

void count(carat::WeightBytes& bytes, Slopes::Weights& w);
void count(carat::WeightBytes& bytes, Slopes::Weights& w) {
    carat::bind_module<Slopes>(bytes, carat::WeightBytes::Name(""), w);
}
