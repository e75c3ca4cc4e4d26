// says: carat: the last layer must be a full_attention layer, as in every Gemma 4
#include "carat/config/check.hpp"
#include "carat/config/presets.hpp"

constexpr carat::TextConfig changed() {
    carat::TextConfig c = carat::presets::e2b.text;
#if defined(FAIL)
    c.num_hidden_layers = 34;
#endif
    return c;
}
static_assert(carat::well_formed<changed()>());
