// Compiled by whatever links carat::separate_text, beside separate.cpp.
#include <carat/instantiate/separate_text.hpp>
