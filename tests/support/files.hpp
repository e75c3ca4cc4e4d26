/// \file
/// Files made by hand, and a folder to put them in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#if !defined(CARAT_SOURCE_DIR)
#error "CARAT_SOURCE_DIR must name the root of the repository"
#endif

namespace carat::test {

inline const std::string fixtures = CARAT_SOURCE_DIR "/tests/fixtures/hf/";
inline const std::string pocket = CARAT_SOURCE_DIR "/examples/pocket/";

inline std::span<const std::byte> bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// A safetensors file with this header and so many bytes of data, all different from zero.
inline std::string safetensors(std::string_view header, std::size_t data_bytes) {
    std::string file;
    for (std::size_t i = 0; i < 8; ++i)
        file += static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 0xffu);
    file += header;
    for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(1 + i % 100);
    return file;
}

inline std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
inline void write_text(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary)
        .write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// A folder that is there while the object is.
class Folder {
  public:
    explicit Folder(std::string_view name)
        : path_(std::filesystem::temp_directory_path() /
                ("carat_" + std::string(name) + "_" +
                 std::to_string(
                     reinterpret_cast<std::uintptr_t>(this) ^
                     static_cast<std::uintptr_t>(std::filesystem::file_time_type::clock::now()
                                                     .time_since_epoch()
                                                     .count())))) {
        std::filesystem::create_directories(path_);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string path() const { return path_.string(); }
    [[nodiscard]] std::string operator/(std::string_view name) const {
        return (path_ / name).string();
    }
    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(path_), {}));
    }

  private:
    std::filesystem::path path_;
};

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace carat::test
