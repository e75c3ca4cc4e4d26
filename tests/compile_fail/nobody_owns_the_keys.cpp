// says: carat: num_kv_shared_layers must be less than num_hidden_layers, because somebody must own
// the keys
#include "carat/config/check.hpp"
#include "carat/config/presets.hpp"

constexpr carat::TextConfig changed() {
    carat::TextConfig c = carat::presets::e2b.text;
#if defined(FAIL)
    c.num_kv_shared_layers = c.num_hidden_layers;
#endif
    return c;
}
static_assert(carat::well_formed<changed()>());
