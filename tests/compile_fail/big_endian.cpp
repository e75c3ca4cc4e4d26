// says: carat: safetensors files are little-endian and are used as they lie in memory
#if defined(FAIL)
#undef __BYTE_ORDER__
#define __BYTE_ORDER__ __ORDER_BIG_ENDIAN__
#endif
#include "carat/checkpoint/safetensors.hpp"

static_assert(sizeof(carat::Safetensors) > 0);
