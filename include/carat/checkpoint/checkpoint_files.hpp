/// \file
/// CheckpointFiles: the tensors of a model, whether they lie in one file or in several, as
/// safetensors, as GGUF or packed. Source: spec/checkpoint.md sections 1, 6 and 7.
#pragma once

#include "carat/base/result.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/packed_for.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

class Gguf;

class CheckpointFiles {
  public:
    struct File {
        std::string name;  ///< for errors: the path as it was given, or a shard's name
        MappedFile map;    ///< nothing, where the bytes belong to the caller
        std::vector<StoredTensor> tensors;  ///< by name
    };
    struct Located {
        const StoredTensor* tensor = nullptr;
        const File* file = nullptr;
        explicit operator bool() const noexcept { return tensor != nullptr; }
    };

    CheckpointFiles();
    CheckpointFiles(CheckpointFiles&&) noexcept;
    CheckpointFiles& operator=(CheckpointFiles&&) noexcept;
    ~CheckpointFiles();

    /// Opens a folder with `model.safetensors`, or with `model.safetensors.index.json` and the
    /// shards it names, with one GGUF file (or the parts that llama-gguf-split makes of one), or
    /// with a packed `model.carat`, which comes before the others; or such a file itself, if `path`
    /// ends in ".safetensors" or ".gguf" (of parts the first, by whose name the others are found).
    /// Beside a GGUF file its towers are looked for: the first file by name that has "mmproj" in it
    /// and ends in ".gguf"; unless `towers` is false, for whoever has no use for them. The files
    /// stay mapped as long as this object lives, and nothing but their heads is read.
    ///
    /// Bad input: a folder with none, a file of another format than its name says, and whatever
    /// MappedFile, Safetensors, Gguf and read_packed() refuse; an index that is not one, that names
    /// a file outside the folder or one that is not there, or that says a tensor is in a shard
    /// where it is not; a part of a split file that is not the first, or whose others are not
    /// beside it; a GGUF file whose head is larger than 256 MB; a name that two files have. All
    /// faults of an index come at once.
    static Result<CheckpointFiles> open(const std::string& path, bool towers = true);

    /// The same for the bytes of one file of any format, in the caller's memory, which must stay
    /// there: weights that are part of the program. `what` names it in errors.
    static Result<CheckpointFiles> view(std::span<const std::byte> bytes, std::string what);

    /// The tensor of that name and the file it is in, or nothing. Logarithmic in all tensors.
    [[nodiscard]] Located find(std::string_view name) const noexcept;
    [[nodiscard]] std::span<const File> files() const noexcept { return files_; }
    /// The head of the GGUF file that the text model is in, of parts the first's, which has all
    /// metadata; null where it is in none. Of a mapped file it is a copy, some 16 MB with a
    /// tokenizer.
    [[nodiscard]] const Gguf* gguf() const noexcept { return gguf_.get(); }
    /// The head of the GGUF file of towers beside it, which is the last of files(); null where
    /// there is none.
    [[nodiscard]] const Gguf* projector() const noexcept { return projector_.get(); }
    /// What a packed checkpoint was made for; null where the files are of another format.
    [[nodiscard]] const PackedFor* packed_for() const noexcept {
        return packed_for_ ? &*packed_for_ : nullptr;
    }
    /// Lets go of what has been read of the mapped files: it need not stay in this program's
    /// memory.
    void let_go() const noexcept {
        for (const File& file : files_) file.map.dont_need(file.map.bytes());
    }
    /// What was opened, for errors.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// How many tensors there are in all.
    [[nodiscard]] std::size_t size() const noexcept { return by_name_.size(); }

  private:
    struct Entry {
        const StoredTensor* tensor;
        std::size_t file;
    };

    static Result<CheckpointFiles> open_path(const std::string& path, bool towers);
    static Result<CheckpointFiles> open_gguf(CheckpointFiles all, const std::string& path,
                                             bool towers);

    enum Formats : std::uint8_t { any_format, gguf_only, gguf_part };

    /// `head` becomes that of a GGUF file.
    Result<void> add(const std::string& path, std::unique_ptr<const Gguf>& head,
                     Formats formats = any_format);
    /// The format is what the bytes begin with.
    Result<void> add(File file, std::span<const std::byte> bytes, std::unique_ptr<const Gguf>& head,
                     Formats formats = any_format);
    /// Where the GGUF file `first` is the first part of a split one, the others.
    Result<void> add_parts(const std::string& first);
    static const StoredTensor* find_in(const File& file, std::string_view name) noexcept;
    Result<void> add_index(const std::string& folder, const std::string& path);
    /// Sorts the names of all files into one list, where a name that two files have shows.
    Result<CheckpointFiles> indexed();

    std::string name_;
    std::vector<File> files_;
    std::vector<Entry> by_name_;
    std::unique_ptr<const Gguf> gguf_, projector_;
    std::optional<PackedFor> packed_for_;
};

/// Where the tensors of the text model are in the file: "model.language_model." in published
/// checkpoints, "language_model.model.", "language_model." or "model." in other exports
/// (spec/checkpoint.md section 1, spec/vision.md section 10). Bad input: a checkpoint with none of
/// them is Errc::mismatch.
Result<std::string> text_prefix(const CheckpointFiles& files);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/checkpoint/checkpoint_files.inl.hpp"
#endif
