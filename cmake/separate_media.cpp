// Compiled by whatever links carat::separate_media, beside separate.cpp.
#include <carat/instantiate/separate_media.hpp>
