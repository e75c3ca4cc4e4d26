// says: carat: backbone_hidden_size of the drafter must be the model's hidden_size, because it
// reads its hidden states
#include "carat/config/drafter_check.hpp"
#include "carat/config/presets.hpp"

#if defined(FAIL)
static_assert(carat::drafts_for<carat::presets::e4b_assistant, carat::presets::e2b.text>());
#else
static_assert(carat::drafts_for<carat::presets::e2b_assistant, carat::presets::e2b.text>());
#endif
