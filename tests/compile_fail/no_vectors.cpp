// says: carat: Highway has no vectors for this target
#if defined(FAIL)
#define HWY_COMPILE_ONLY_SCALAR
#endif
#include "carat/simd/target.hpp"

static_assert(carat::simd::cached_weights > 0);
