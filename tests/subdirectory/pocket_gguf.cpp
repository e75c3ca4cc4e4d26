// pocket_gguf <folder> <to>: pocket as GGUF files in the folder `to`, for a project that is
// configured for them: text.gguf and its towers in mmproj.gguf; the text alone in the folder
// "deaf"; the text and towers that are none in "broken".
#include "support/gguf_file.hpp"
#include "support/gguf_projector.hpp"

#include <carat/models/pocket.hpp>
#include <filesystem>
#include <fstream>
#include <string>

int main(int argc, char** argv) {
    using namespace carat::test;
    if (argc != 3) return 2;
    const auto& model = carat::models::pocket;
    GgufFile text = gguf_of(argv[1], model.text);
    add_tokens(text, model.tokens);
    const auto write = [&](const std::string& name, const std::string& bytes) {
        const std::filesystem::path path = std::filesystem::path(argv[2]) / name;
        std::filesystem::create_directories(path.parent_path());
        return (std::ofstream(path, std::ios::binary) << bytes).good();
    };
    const bool written = write("text.gguf", text.bytes()) &&
                         write("mmproj.gguf", projector_of(argv[1], model).bytes()) &&
                         write("deaf/text.gguf", text.bytes()) &&
                         write("broken/text.gguf", text.bytes()) &&
                         write("broken/mmproj.gguf", "no towers, but words");
    return written ? 0 : 1;
}
