// What carat::separate adds to a program, once for all its units.
#define CARAT_SEPARATE_COMPILATION
#include <carat/instantiate/separate.hpp>
