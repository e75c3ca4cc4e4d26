// pocket_gguf <folder> <file>: pocket as a GGUF file, for a project that is configured for one.
#include "support/gguf_file.hpp"

#include <carat/models/pocket.hpp>
#include <fstream>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    std::ofstream file(argv[2], std::ios::binary);
    file << carat::test::gguf_of(argv[1], carat::models::pocket.text).bytes();
    return file.good() ? 0 : 1;
}
