// says: carat: head_dim must be even, because rotary embeddings turn pairs
#include "carat/config/check.hpp"
#include "carat/config/presets.hpp"

constexpr carat::TextConfig changed() {
    carat::TextConfig c = carat::presets::e2b.text;
#if defined(FAIL)
    c.head_dim = 255;
#endif
    return c;
}
static_assert(carat::well_formed<changed()>());
