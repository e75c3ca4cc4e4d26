// talk where separate.cpp and separate_text.cpp compile what does not depend on the model.
#define CARAT_SEPARATE_COMPILATION
#include "talk.cpp"
