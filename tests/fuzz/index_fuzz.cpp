// A model.safetensors.index.json, in a folder with two shards.
#include "carat/checkpoint/checkpoint_files.hpp"
#include "check.hpp"
#include "support/files.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const test::Folder folder("fuzz_index");
    static const bool made = [] {
        test::write_text(
            folder / "1.safetensors",
            test::safetensors(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4));
        test::write_text(
            folder / "2.safetensors",
            test::safetensors(R"({"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4));
        return true;
    }();
    static_cast<void>(made);
    test::write_text(folder / "model.safetensors.index.json", test::text_of(data, size));
    const auto files = CheckpointFiles::open(folder.path());
    if (test::good(files)) {
        test::hold(files->size() >= 1 && files->size() <= 2, "only the folder's tensors");
        for (const auto& file : files->files())
            test::hold(file.name.find("..") == std::string::npos, "only the folder's files");
    }
    return 0;
}
