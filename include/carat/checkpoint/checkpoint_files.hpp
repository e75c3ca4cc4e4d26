/// \file
/// CheckpointFiles: the tensors of a model, whether they lie in one file or in several, as
/// safetensors, as GGUF or packed. Source: spec/checkpoint.md sections 1, 6 and 7.
#pragma once

#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/gguf_tensors.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/checkpoint/stored_tensor.hpp"
#include "carat/gguf.hpp"
#include "carat/joined.hpp"
#include "carat/json.hpp"
#include "carat/model_path.hpp"
#include "carat/name_order.hpp"
#include "carat/result.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

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

    CheckpointFiles() = default;
    CheckpointFiles(CheckpointFiles&&) = default;
    CheckpointFiles& operator=(CheckpointFiles&&) = default;

    /// Opens a folder with `model.safetensors`, or with `model.safetensors.index.json` and the
    /// shards it names, with one GGUF file, or with a packed `model.carat`, which comes before the
    /// others; or such a file itself, if `path` ends in ".safetensors" or ".gguf". Beside a GGUF
    /// file its towers are looked for: the first file by name that has "mmproj" in it and ends in
    /// ".gguf"; unless `towers` is false, for whoever has no use for them. The files stay mapped as
    /// long as this object lives, and nothing but their heads is read.
    ///
    /// Bad input: a folder with none, a file of another format than its name says, and whatever
    /// MappedFile, Safetensors, Gguf and read_packed()
    /// refuse; an index that is not one, that names a file outside the folder or one that is not
    /// there, or that says a tensor is in a shard where it is not; a name that two files have. All
    /// faults of an index come at once.
    [[gnu::cold]] static Result<CheckpointFiles> open(const std::string& path, bool towers = true) {
        CheckpointFiles all;
        all.name_ = path;
        if (path.ends_with(".safetensors")) {
            if (Result<void> added = all.add(path); !added) return std::move(added).error();
            return all.indexed();
        }
        if (is_gguf_path(path)) return open_gguf(std::move(all), path, towers);
        const std::string folder = path.empty() || path.ends_with('/') ? path : path + '/';
        const std::string packed = folder + std::string(packed_name);
        if (file_exists(packed)) {
            if (Result<void> added = all.add(packed); !added) return std::move(added).error();
            return all.indexed();
        }
        const std::string single = folder + "model.safetensors";
        const std::string index = single + ".index.json";
        if (file_exists(single)) {
            if (Result<void> added = all.add(single); !added) return std::move(added).error();
            return all.indexed();
        }
        if (!file_exists(index)) {
            const Result<std::string> gguf = gguf_in(path);
            if (!gguf) return gguf.error();
            if (!gguf->empty()) return open_gguf(std::move(all), *gguf, towers);
            return Error{Errc::io, path +
                                       ": there is neither model.safetensors nor "
                                       "model.safetensors.index.json nor a .gguf file"};
        }
        if (Result<void> added = all.add_index(folder, index); !added)
            return std::move(added).error();
        return all.indexed();
    }

    /// The same for the bytes of one file of any format, in the caller's memory, which must stay
    /// there: weights that are part of the program. `what` names it in errors.
    static Result<CheckpointFiles> view(std::span<const std::byte> bytes, std::string what) {
        CheckpointFiles all;
        all.name_ = what;
        File file{std::move(what), MappedFile(), {}};
        if (Result<void> added = all.add(std::move(file), bytes); !added)
            return std::move(added).error();
        return all.indexed();
    }

    /// The tensor of that name and the file it is in, or nothing. Logarithmic in all tensors.
    [[nodiscard]] Located find(std::string_view name) const noexcept {
        const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                         [](const Entry& e, std::string_view n) {
                                             return std::string_view(e.tensor->name) < n;
                                         });
        if (at == by_name_.end() || at->tensor->name != name) return {};
        return {at->tensor, &files_[at->file]};
    }
    [[nodiscard]] std::span<const File> files() const noexcept { return files_; }
    /// The head of the GGUF file that the text model is in; null where it is in none.
    [[nodiscard]] const Gguf* gguf() const noexcept { return gguf_ ? &*gguf_ : nullptr; }
    /// The head of the GGUF file of towers beside it, which is the last of files(); null where
    /// there is none.
    [[nodiscard]] const Gguf* projector() const noexcept {
        return projector_ ? &*projector_ : nullptr;
    }
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

    /// The index of a large model has some thousand lines of a hundred bytes.
    static constexpr std::size_t most_index_bytes = std::size_t{1} << 24;

    static Result<CheckpointFiles> open_gguf(CheckpointFiles all, const std::string& path,
                                             bool towers) {
        if (Result<void> added = all.add(path, gguf_only); !added) return std::move(added).error();
        const std::string beside = towers ? projector_beside(path) : std::string();
        if (!beside.empty())
            if (Result<void> added = all.add(beside, gguf_only); !added)
                return std::move(added).error();
        return all.indexed();
    }

    enum Formats : bool { any_format, gguf_only };

    Result<void> add(const std::string& path, Formats formats = any_format) {
        Result<MappedFile> map = MappedFile::open(path);
        if (!map) return std::move(map).error();
        const std::span<const std::byte> bytes = map->bytes();
        return add({path, std::move(*map), {}}, bytes, formats);
    }
    static bool begins_with(std::span<const std::byte> bytes, std::string_view text) noexcept {
        return bytes.size() >= text.size() &&
               std::memcmp(bytes.data(), text.data(), text.size()) == 0;
    }
    /// The format is what the bytes begin with.
    [[gnu::cold]] Result<void> add(File file, std::span<const std::byte> bytes,
                                   Formats formats = any_format) {
        if (begins_with(bytes, "version https://git-lfs"))
            return Error{Errc::bad_format,
                         file.name + ": is a Git LFS pointer, not the file itself"};
        const bool is_gguf = begins_with(bytes, "GGUF");
        if (formats == gguf_only && !is_gguf)
            return Error{Errc::bad_format,
                         file.name + ": does not begin with \"GGUF\": not a GGUF file"};
        if (is_gguf) {
            Result<Gguf> head = Gguf::read(bytes, file.name);
            if (!head) return std::move(head).error();
            const auto parts = Gguf::unsigned_integer(head->find("split.count"));
            if (parts && *parts > 1) {
                const auto before = Gguf::unsigned_integer(head->find("split.no"));
                return Error{
                    Errc::unsupported,
                    joined({file.name, ": is part ", before ? Word(*before + 1) : Word("?"), " of ",
                            *parts,
                            " of a split file: merge the parts first (llama-gguf-split --merge)"})};
            }
            auto tensors = read_gguf_tensors(*head, bytes, file.name);
            if (!tensors) return std::move(tensors).error();
            file.tensors = *std::move(tensors);
            (gguf_ ? projector_ : gguf_) = *std::move(head);
        } else if (is_packed(bytes) || file.name.ends_with(packed_name)) {
            Result<Packed> packed = read_packed(bytes, file.name);
            if (!packed) return std::move(packed).error();
            file.tensors = std::move(packed->tensors);
            packed_for_ = std::move(packed->made_for);
        } else {
            Result<Safetensors> tensors = Safetensors::read(bytes, file.name);
            if (!tensors) return std::move(tensors).error();
            file.tensors = (*std::move(tensors)).take();
        }
        files_.push_back(std::move(file));
        return {};
    }
    static const StoredTensor* find_in(const File& file, std::string_view name) noexcept {
        const auto at = std::lower_bound(
            file.tensors.begin(), file.tensors.end(), name,
            [](const StoredTensor& t, std::string_view n) { return std::string_view(t.name) < n; });
        return at != file.tensors.end() && at->name == name ? &*at : nullptr;
    }

    /// A name that means a file of the folder and nothing else on any system.
    static bool is_plain_file_name(std::string_view name) {
        if (name.empty() || name == "." || name == ".." || name.size() > 255) return false;
        for (const char c : name)
            if (c == '/' || c == '\\' || c == ':' || static_cast<unsigned char>(c) < 0x20)
                return false;
        return true;
    }

    [[gnu::cold]] Result<void> add_index(const std::string& folder, const std::string& path) {
        Result<MappedFile> text = MappedFile::open(path, most_index_bytes);
        if (!text) return std::move(text).error();
        Faults faults(path);
        Result<Json> index = parse_json(text->text(), path);
        if (!index) return std::move(index).error();
        const JsonValue* map = json::find(*index, "weight_map");
        if (map == nullptr || !map->IsObject()) {
            faults.add(Errc::bad_format, joined({"weight_map is ", json::type_name(map),
                                                 ", expected an object of tensor and file names"}));
            return faults.error();
        }

        std::vector<std::string_view> shards;  // by name; their places are those in files_
        for (const auto& entry : json::members(map)) {
            const auto shard = json::string(entry.value);
            if (!shard || !is_plain_file_name(*shard))
                faults.add(Errc::bad_format,
                           joined({"tensor ", printable(json::key(entry)), " is said to be in ",
                                   shard ? '"' + printable(*shard) + '"'
                                         : std::string(json::type_name(&entry.value)),
                                   ", expected the name of a file in the folder"}));
            else
                shards.push_back(*shard);
        }
        sort_by_name(shards, [](std::string_view name) { return name; });
        shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
        if (shards.empty() && faults.none()) faults.add(Errc::bad_format, "weight_map is empty");
        if (!faults.none()) return faults.error();
        files_.reserve(shards.size());
        for (const std::string_view name : shards) {
            Result<void> added = add(folder + std::string(name));
            if (!added) faults.add(added.error().code, added.error().text);
        }
        if (!faults.none()) return faults.error();
        for (const auto& entry : json::members(map)) {
            const std::string_view name = json::key(entry);
            const std::string_view shard = json::string(entry.value).value_or("");
            const auto place = std::lower_bound(shards.begin(), shards.end(), shard);
            if (find_in(files_[static_cast<std::size_t>(place - shards.begin())], name) == nullptr)
                faults.add(Errc::mismatch, joined({"tensor ", printable(name), " is said to be in ",
                                                   printable(shard), ", but is not"}));
        }
        if (!faults.none()) return faults.error();
        return {};
    }

    /// Sorts the names of all files into one list, where a name that two files have shows.
    [[gnu::cold]] Result<CheckpointFiles> indexed() {
        Faults faults(name_);
        for (std::size_t f = 0; f < files_.size(); ++f)
            for (const StoredTensor& t : files_[f].tensors) by_name_.push_back({&t, f});
        sort_by_name(by_name_, [](const Entry& e) { return std::string_view(e.tensor->name); });
        for (std::size_t i = 1; i < by_name_.size(); ++i)
            if (by_name_[i].tensor->name == by_name_[i - 1].tensor->name)
                faults.add(Errc::bad_format,
                           joined({"tensor ", printable(by_name_[i].tensor->name), " is both in ",
                                   printable(files_[by_name_[i - 1].file].name), " and in ",
                                   printable(files_[by_name_[i].file].name)}));
        if (!faults.none()) return faults.error();
        return std::move(*this);
    }

    std::string name_;
    std::vector<File> files_;
    std::vector<Entry> by_name_;
    std::optional<Gguf> gguf_, projector_;
    std::optional<PackedFor> packed_for_;
};

/// Where the tensors of the text model are in the file: "model.language_model." in published
/// checkpoints, "language_model.model." or "model." in other exports (spec/checkpoint.md section
/// 1). Bad input: a checkpoint with none of them is Errc::mismatch.
[[gnu::cold]] inline Result<std::string> text_prefix(const CheckpointFiles& files) {
    constexpr std::string_view prefixes[] = {"model.language_model.", "language_model.model.",
                                             "model."};
    Error none{Errc::mismatch, files.name() + ": no text model: there is none of"};
    for (const std::string_view prefix : prefixes) {
        std::string name = std::string(prefix) + "embed_tokens.weight";
        if (files.find(name)) return std::string(prefix);
        none.text += (prefix == prefixes[0] ? " " : ", ") + name;
    }
    return none;
}

}  // namespace carat::inline CARAT_ABI
