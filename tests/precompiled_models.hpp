// What every unit that runs a model includes anyway.
#pragma once

#include "carat/gemma4.hpp"
#include "precompiled_vectors.hpp"
