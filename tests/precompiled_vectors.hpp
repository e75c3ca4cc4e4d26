// What every unit of a room with vectors includes anyway. carat comes first: it tells Highway about
// the bf16 dot product.
#pragma once

#include "carat/simd/target.hpp"

#include <doctest/doctest.h>
#include <hwy/contrib/math/math-inl.h>
#include <xsimd/xsimd.hpp>
