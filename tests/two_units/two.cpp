#include "everything.hpp"

const carat::Version& version_in_the_other_unit();

const carat::Version& version_in_the_other_unit() { return carat::version; }
