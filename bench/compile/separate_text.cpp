// What carat::separate_text adds to it.
#define CARAT_SEPARATE_COMPILATION
#include <carat/instantiate/separate_text.hpp>
