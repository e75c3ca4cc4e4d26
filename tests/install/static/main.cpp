#include <png.h>

int main() {
    png_structp reader =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);  // inflates
    if (reader == nullptr) return 1;
    png_destroy_read_struct(&reader, nullptr, nullptr);
}
