/// \file
/// The head of a GGUF file, read without the weights behind it; and which file that is for a model.
#pragma once

#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"
#include "carat/format/gguf.hpp"
#include "carat/format/model_path.hpp"
#include "carat/text/read_file.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// f(head), a Result<void>, of the GGUF file at `path`; what head shows is gone afterwards. Reads
/// as much as the head needs, at most twice.
/// Bad input: a file that cannot be read, and what Gguf::read() refuses; a head of more than 256
/// MB or than there is memory for.
template <class F>
Result<void> with_gguf_head(const std::string& path, F&& f) {
    return memory_errors(path, [&]() -> Result<void> {
        constexpr std::size_t most = Gguf::most_head_bytes;
        const Result<detail::OpenFile> file = detail::open_file(path);
        if (!file) return file.error();
        std::vector<std::byte> bytes;
        for (std::size_t step = std::size_t{1} << 20;; step = bytes.size()) {
            const std::size_t before = bytes.size();
            bytes.resize(before + step);
            const std::size_t got = std::fread(bytes.data() + before, 1, step, file->get());
            if (std::ferror(file->get()) != 0) return detail::io_error(path, "read", errno);
            bytes.resize(before + got);
            Result<Gguf> head = Gguf::read(bytes, path);
            if (head) return f(*head);
            const bool is_gguf = bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
            if (got < step || !is_gguf || bytes.size() >= most) return std::move(head).error();
        }
    });
}

/// The GGUF file that a model's tokenizer is in: `path` itself if it ends in ".gguf"; of a folder
/// without a tokenizer of its own its "tokenizer.gguf", as packed checkpoints have it, or the
/// model's file as gguf_in() finds it. Empty where there is none. Bad input: as gguf_in().
[[nodiscard]] inline Result<std::string> gguf_of_tokenizer(const std::string& path) {
    if (is_gguf_path(path)) return path;
    for (const char* name : {"tokenizer.json", "tokenizer.model"})
        if (file_exists(path_in(path, name))) return std::string();
    std::string packed = path_in(path, "tokenizer.gguf");
    if (file_exists(packed)) return packed;
    return gguf_in(path);
}

}  // namespace carat::inline CARAT_ABI
