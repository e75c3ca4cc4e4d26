// carat::media: a picture.
#include <carat/media/image/decode_image.hpp>
#include <string>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    return carat::read_image(std::string(argv[1]) + "/samples/shapes.png") ? 0 : 1;
}
