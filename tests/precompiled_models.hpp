// What every unit that runs a model includes anyway.
#pragma once

#include "precompiled_vectors.hpp"

#include "carat/gemma4.hpp"
