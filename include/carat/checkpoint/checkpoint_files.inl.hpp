/// \file
/// What checkpoint_files.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/name_order.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/gguf/gguf_tensors.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/format/gguf.hpp"
#include "carat/format/json.hpp"
#include "carat/format/model_path.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// The index of a large model has some thousand lines of a hundred bytes.
inline constexpr std::size_t most_index_bytes = std::size_t{1} << 24;

inline bool begins_with(std::span<const std::byte> bytes, std::string_view text) noexcept {
    return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

/// A name that means a file of the folder and nothing else on any system.
inline bool is_plain_file_name(std::string_view name) {
    if (name.empty() || name == "." || name == ".." || name.size() > 255) return false;
    for (const char c : name)
        if (c == '/' || c == '\\' || c == ':' || static_cast<unsigned char>(c) < 0x20) return false;
    return true;
}

/// Which of the parts that llama-gguf-split makes of a file.
struct GgufPart {
    std::uint64_t number = 0, count = 1;
    [[nodiscard]] std::string words() const { return joined({"part ", number + 1, " of ", count}); }
};
inline GgufPart part_of(const Gguf& head) noexcept {
    return {Gguf::unsigned_integer(head.find("split.no")).value_or(0),
            Gguf::unsigned_integer(head.find("split.count")).value_or(1)};
}

}  // namespace detail

CARAT_ONCE CheckpointFiles::CheckpointFiles() = default;
CARAT_ONCE CheckpointFiles::CheckpointFiles(CheckpointFiles&&) noexcept = default;
CARAT_ONCE CheckpointFiles& CheckpointFiles::operator=(CheckpointFiles&&) noexcept = default;
CARAT_ONCE CheckpointFiles::~CheckpointFiles() = default;

[[gnu::cold]] CARAT_ONCE Result<CheckpointFiles> CheckpointFiles::open(const std::string& path,
                                                                       bool towers) {
    return memory_errors(path, [&] { return open_path(path, towers); });
}

[[gnu::cold]] CARAT_ONCE Result<CheckpointFiles> CheckpointFiles::open_path(const std::string& path,
                                                                            bool towers) {
    CheckpointFiles all;
    all.name_ = path;
    if (path.ends_with(".safetensors")) {
        if (Result<void> added = all.add(path, all.gguf_); !added) return std::move(added).error();
        return all.indexed();
    }
    if (is_gguf_path(path)) return open_gguf(std::move(all), path, towers);
    const std::string folder = path.empty() || path.ends_with('/') ? path : path + '/';
    const std::string_view weights = weights_in(folder);
    const std::string file = folder + std::string(weights);
    if (weights.empty()) {
        const Result<std::string> gguf = gguf_in(path);
        if (!gguf) return gguf.error();
        if (!gguf->empty()) return open_gguf(std::move(all), *gguf, towers);
        return Error{Errc::io, path +
                                   ": there is neither model.safetensors nor "
                                   "model.safetensors.index.json nor a .gguf file"};
    }
    Result<void> added =
        weights == safetensors_index_name ? all.add_index(folder, file) : all.add(file, all.gguf_);
    if (!added) return std::move(added).error();
    return all.indexed();
}

[[gnu::cold]] CARAT_ONCE Result<CheckpointFiles> CheckpointFiles::view(
    std::span<const std::byte> bytes, std::string what) {
    return memory_errors([&]() -> Result<CheckpointFiles> {
        CheckpointFiles all;
        all.name_ = what;
        File file{std::move(what), MappedFile(), {}};
        if (Result<void> added = all.add(std::move(file), bytes, all.gguf_); !added)
            return std::move(added).error();
        return all.indexed();
    });
}

CARAT_ONCE CheckpointFiles::Located CheckpointFiles::find(std::string_view name) const noexcept {
    const auto at = std::lower_bound(
        by_name_.begin(), by_name_.end(), name,
        [](const Entry& e, std::string_view n) { return std::string_view(e.tensor->name) < n; });
    if (at == by_name_.end() || at->tensor->name != name) return {};
    return {at->tensor, &files_[at->file]};
}

[[gnu::cold]] CARAT_ONCE Result<CheckpointFiles> CheckpointFiles::open_gguf(CheckpointFiles all,
                                                                            const std::string& path,
                                                                            bool towers) {
    if (Result<void> added = all.add(path, all.gguf_, gguf_part); !added)
        return std::move(added).error();
    if (Result<void> added = all.add_parts(path); !added) return std::move(added).error();
    const std::string beside = towers ? projector_beside(path) : std::string();
    if (!beside.empty())
        if (Result<void> added = all.add(beside, all.projector_, gguf_only); !added)
            return std::move(added).error();
    return all.indexed();
}

[[gnu::cold]] CARAT_ONCE Result<void> CheckpointFiles::add_parts(const std::string& first) {
    const auto [number, count] = detail::part_of(*gguf_);
    if (count <= 1) return {};
    const auto refuse = [&](const std::string& file, const detail::GgufPart& part,
                            const std::string& why) {
        return Error{Errc::mismatch,
                     joined({file, ": is ", part.words(), " of a split file, ", why})};
    };
    if (number != 0)
        return refuse(first, {number, count}, "expected its first, which leads to the others");
    for (std::uint64_t n = 1; n < count; ++n) {
        const std::string path = split_part(first, n, count);
        if (path.empty())
            return refuse(
                first, {number, count},
                "whose others are found by its name: expected one like m-00001-of-00003.gguf");
        std::unique_ptr<const Gguf> head;
        if (Result<void> added = add(path, head, gguf_part); !added)
            return std::move(added).error();
        const auto part = detail::part_of(*head);
        if (part.number != n || part.count != count)
            return refuse(path, part, "expected " + detail::GgufPart{n, count}.words());
    }
    return {};
}

[[gnu::cold]] CARAT_ONCE Result<void> CheckpointFiles::add(const std::string& path,
                                                           std::unique_ptr<const Gguf>& head,
                                                           Formats formats) {
    Result<MappedFile> map = MappedFile::open(path);
    if (!map) return std::move(map).error();
    const std::span<const std::byte> bytes = map->bytes();
    return add({path, std::move(*map), {}}, bytes, head, formats);
}

[[gnu::cold]] CARAT_ONCE Result<void> CheckpointFiles::add(File file,
                                                           std::span<const std::byte> bytes,
                                                           std::unique_ptr<const Gguf>& head,
                                                           Formats formats) {
    if (detail::begins_with(bytes, "version https://git-lfs"))
        return Error{Errc::bad_format, file.name + ": is a Git LFS pointer, not the file itself"};
    const bool is_gguf = detail::begins_with(bytes, "GGUF");
    if (formats != any_format && !is_gguf)
        return Error{Errc::bad_format,
                     file.name + ": does not begin with \"GGUF\": not a GGUF file"};
    if (is_gguf) {
        // A mapped file may become shorter, or another, while its head is still in use.
        const bool mapped = !file.map.bytes().empty();
        Result<Gguf> read =
            mapped ? Gguf::read_copy(bytes, file.name) : Gguf::read(bytes, file.name);
        if (!read) return std::move(read).error();
        if (mapped) file.map.dont_need(bytes.first(read->bytes().size()));
        if (const auto part = detail::part_of(*read); part.count > 1 && formats != gguf_part)
            return Error{
                Errc::unsupported,
                joined({file.name, ": is ", part.words(),
                        " of a split file: merge the parts first (llama-gguf-split --merge)"})};
        auto tensors = read_gguf_tensors(*read, bytes, file.name);
        if (!tensors) return std::move(tensors).error();
        file.tensors = *std::move(tensors);
        head = std::make_unique<const Gguf>(*std::move(read));
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

CARAT_ONCE const StoredTensor* CheckpointFiles::find_in(const File& file,
                                                        std::string_view name) noexcept {
    const auto at = std::lower_bound(
        file.tensors.begin(), file.tensors.end(), name,
        [](const StoredTensor& t, std::string_view n) { return std::string_view(t.name) < n; });
    return at != file.tensors.end() && at->name == name ? &*at : nullptr;
}

[[gnu::cold]] CARAT_ONCE Result<void> CheckpointFiles::add_index(const std::string& folder,
                                                                 const std::string& path) {
    Result<MappedFile> text = MappedFile::open(path, detail::most_index_bytes);
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
        if (!shard || !detail::is_plain_file_name(*shard))
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
        Result<void> added = add(folder + std::string(name), gguf_);
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

[[gnu::cold]] CARAT_ONCE Result<CheckpointFiles> CheckpointFiles::indexed() {
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

[[gnu::cold]] CARAT_ONCE Result<std::string> text_prefix(const CheckpointFiles& files) {
    // The reference's; of other writers, without the leading "model." too; of a text model alone.
    constexpr std::string_view prefixes[] = {"model.language_model.", "language_model.model.",
                                             "language_model.", "model."};
    Error none{Errc::mismatch, files.name() + ": no text model: there is none of"};
    for (const std::string_view prefix : prefixes) {
        std::string name = std::string(prefix) + "embed_tokens.weight";
        if (files.find(name)) return std::string(prefix);
        none.text += (prefix == prefixes[0] ? " " : ", ") + name;
    }
    return none;
}

}  // namespace carat::inline CARAT_ABI
