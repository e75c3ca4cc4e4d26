/// \file
/// The one unit of a program whose units are all compiled with CARAT_SEPARATE_COMPILATION: it
/// includes this header and compiles what does not depend on the model, which the others then only
/// declare. CMake's carat::separate does both.
#pragma once

#ifndef CARAT_SEPARATE_COMPILATION
#error "carat: CARAT_SEPARATE_COMPILATION must be defined for this unit and for all others"
#endif

#include "carat/checkpoint/bind.inl.hpp"
#include "carat/checkpoint/checkpoint_files.inl.hpp"
#include "carat/checkpoint/config/config_hash.inl.hpp"
#include "carat/checkpoint/config/drafter_config_json.inl.hpp"
#include "carat/checkpoint/config/generation_config.inl.hpp"
#include "carat/checkpoint/open_files.inl.hpp"
#include "carat/format/json.inl.hpp"
