#include "everything.hpp"

const carat::Version& version_in_the_other_unit();

int main() {
    return &version_in_the_other_unit() == &carat::version ? 0 : 1;  // one object, not two
}
