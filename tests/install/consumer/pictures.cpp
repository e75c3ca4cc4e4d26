// carat::text and carat::media together: what a model's folder says of its pictures.
#include <carat/media_files.hpp>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto config = carat::picture_config(argv[1]);
    return config && config->image.max_soft_tokens == 70 ? 0 : 1;
}
