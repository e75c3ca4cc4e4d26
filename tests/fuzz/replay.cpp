// Stands in for libFuzzer: runs a target over files, and over the files of folders.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t runs = 0;

/// Also its first half, and itself with every 8th part in turn overwritten: a little of what a
/// fuzzer does.
void run(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (bytes.size() > (std::size_t{1} << 20)) return;
    const auto test = [](const std::string& input) {
        // A copy of exactly that size, so that a sanitizer sees what reads past its end.
        const std::vector<std::uint8_t> copy(input.begin(), input.end());
        LLVMFuzzerTestOneInput(copy.data(), copy.size());
        ++runs;
    };
    test(bytes);
    test(bytes.substr(0, bytes.size() / 2));
    for (std::size_t part = 0; part < 8 && bytes.size() >= 8; ++part) {
        std::string broken = bytes;
        broken[bytes.size() * part / 8] = static_cast<char>(0xff);
        test(broken);
    }
}

}  // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        if (!std::filesystem::is_directory(argv[i])) {
            run(argv[i]);
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(argv[i]))
            if (entry.is_regular_file()) run(entry.path());
    }
    std::printf("%zu runs\n", runs);
    return runs > 0 ? 0 : 1;
}
