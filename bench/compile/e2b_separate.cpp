// e2b where another unit, separate.cpp, compiles what does not depend on the model.
#define CARAT_SEPARATE_COMPILATION
#include "e2b.cpp"
