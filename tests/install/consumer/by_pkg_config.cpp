#include <carat/config/parameters.hpp>
#include <carat/config/presets.hpp>
#include <carat/version.hpp>

int main() {
    static_assert(carat::parameters(carat::presets::e2b) > 0);
    return carat::version.major >= 0 ? 0 : 1;
}
