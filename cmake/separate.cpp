// Compiled by whatever links carat::separate: what of carat does not depend on the model.
#include <carat/instantiate/separate.hpp>
