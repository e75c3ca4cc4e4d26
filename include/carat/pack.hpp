/// \file
/// pack_checkpoint: any checkpoint into a packed one, which opens quickly and in the program it was
/// made for only.
///
///     auto packed = carat::pack_checkpoint<Model>("gemma-4-E2B-it", "e2b-packed");
///     auto model = Model::open("e2b-packed");  // the same logits, bit for bit
///
/// A packed checkpoint is a folder: model.carat, whose format is checkpoint/packed.hpp's matter,
/// and the texts of its source as they were, so that whatever takes a model's folder takes it.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config/config_writer.hpp"
#include "carat/checkpoint/gguf/gguf_config.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/format/gguf.hpp"
#include "carat/format/model_path.hpp"
#include "carat/gemma4.hpp"
#include "carat/text/read_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// A folder that gets new files, all of them at finish(); without it the folder is as it was, and
/// goes again if it was not there before.
class NewFolder {
  public:
    explicit NewFolder(std::string path) : path_(std::move(path)) {}
    NewFolder(const NewFolder&) = delete;
    NewFolder& operator=(const NewFolder&) = delete;
    ~NewFolder() {
        if (finished_) return;
        unfinished_.clear();
        for (const std::string& file : new_) std::remove(file.c_str());
        if (created_) std::remove(path_.c_str());  // if nothing else is in it
    }
    /// Bad input: a path that is no folder and cannot become one; the folder of another checkpoint.
    Result<void> create() {
        std::error_code refused;
        created_ = std::filesystem::create_directory(path_, refused);
        if (refused) return io_error(path_, "create", refused.value());
        for (const char* name : {"model.safetensors", "model.safetensors.index.json"})
            if (file_exists(file(name)))
                return Error{Errc::invalid_argument, path_ + ": has a " + name +
                                                         ": a packed checkpoint needs a folder of "
                                                         "its own"};
        return {};
    }
    [[nodiscard]] std::string file(std::string_view name) const {
        return path_ + (path_.ends_with('/') ? "" : "/") + std::string(name);
    }
    Result<void> write(std::string_view name, std::string_view text) {
        unfinished_.push_back(std::make_unique<UnfinishedFile>(file(name)));
        UnfinishedFile& to = *unfinished_.back();
        to.write(text.data(), text.size());
        if (auto closed = to.close(); !closed) return closed;
        if (!file_exists(file(name))) new_.push_back(file(name));
        return {};
    }
    /// What was written comes under its name, `last` behind it.
    Result<void> finish(UnfinishedFile& last) {
        if (auto closed = last.close(); !closed) return closed;
        for (const auto& text : unfinished_)
            if (auto done = text->finish(); !done) return done;
        if (auto done = last.finish(); !done) return done;
        finished_ = true;
        return {};
    }

  private:
    std::string path_;
    std::vector<std::unique_ptr<UnfinishedFile>> unfinished_;
    std::vector<std::string> new_;  ///< of those, paths where nothing was
    bool created_ = false, finished_ = false;
};

/// The metadata of a GGUF file as one of its own, without tensors: the tokenizer and the template.
inline std::string gguf_metadata(const Gguf& head) {
    constexpr std::size_t fixed = 24, tensor_count = 8;
    const std::span<const std::byte> file = head.bytes();
    std::size_t end = fixed;
    for (const Gguf::Entry& e : head.metadata())
        end = std::max(end, static_cast<std::size_t>(e.value.bytes.data() - file.data()) +
                                e.value.bytes.size());
    std::string text(reinterpret_cast<const char*>(file.data()), end);
    std::fill_n(text.begin() + tensor_count, sizeof(std::uint64_t), '\0');
    return text;
}

/// The files beside the weights, as far as the source has them.
inline Result<void> pack_texts(const std::string& from, const ModelConfig& config, NewFolder& to) {
    if (is_gguf_path(from) || is_gguf_folder(from)) {
        const Result<CheckpointFiles> files = CheckpointFiles::open(from, /*towers=*/false);
        if (!files) return files.error();
        if (files->gguf() == nullptr)  // another folder than a moment ago
            return Error{Errc::io, from + ": has changed while it was packed"};
        const Gguf& head = *files->gguf();
        if (auto done = to.write("tokenizer.gguf", gguf_metadata(head)); !done) return done;
        if (auto done = to.write("config.json", write_config(config)); !done) return done;
        return to.write("generation_config.json",
                        write_generation_config(read_gguf_generation_config(head)));
    }
    const std::string folder = from.empty() || from.ends_with('/') ? from : from + '/';
    for (const char* name :
         {"config.json", "generation_config.json", "tokenizer.json", "tokenizer.model",
          "tokenizer_config.json", "chat_template.jinja", "processor_config.json"}) {
        if (!file_exists(folder + name)) continue;
        const Result<std::string> text = read_file(folder + name);
        if (!text) return text.error();
        if (auto done = to.write(name, *text); !done) return done;
    }
    return {};
}

}  // namespace detail

/// Writes the checkpoint at `from` (whatever Model::open() takes) into the folder `to`, which is
/// made if it is not there; a packed checkpoint there is replaced when the new one is complete.
/// Takes memory for the largest tensor, and `options` as open() does. Bad input: as Model::open();
/// a source that is packed already; a folder that holds another checkpoint; a disk that is full, or
/// whatever else the system refuses. Nothing half done is left.
template <class Model>
Result<void> pack_checkpoint(const std::string& from, const std::string& to, Progress progress = {},
                             BindOptions options = {}) {
    return memory_errors([&]() -> Result<void> {
        detail::NewFolder folder(to);
        if (auto done = folder.create(); !done) return done;
        UnfinishedFile weights(folder.file(packed_name));
        if (!weights.failed())
            if (auto done = Model::pack_weights(from, weights, progress, options); !done)
                return done;
        if (!weights.failed())
            if (auto done = detail::pack_texts(from, Model::config, folder); !done) return done;
        return folder.finish(weights);
    });
}

}  // namespace carat::inline CARAT_ABI
