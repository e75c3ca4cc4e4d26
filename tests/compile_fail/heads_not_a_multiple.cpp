// says: carat: num_attention_heads must be a multiple of num_key_value_heads, because each
// key/value head serves one whole group of query heads
#include "carat/config/check.hpp"
#include "carat/config/presets.hpp"

constexpr carat::TextConfig changed() {
    carat::TextConfig c = carat::presets::e2b.text;
#if defined(FAIL)
    c.num_key_value_heads = 3;
#endif
    return c;
}
static_assert(carat::well_formed<changed()>());
