/// \file
/// What open_files.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config/config_difference.hpp"
#include "carat/checkpoint/config/config_json.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/checkpoint/fnv1a.hpp"
#include "carat/checkpoint/gguf/gguf_config.hpp"
#include "carat/checkpoint/gguf/gguf_towers.hpp"
#include "carat/checkpoint/open_files.hpp"
#include "carat/checkpoint/packed_for.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/config/model_config.hpp"
#include "carat/format/model_path.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

[[gnu::cold]] CARAT_ONCE Result<OpenedFiles> open_files(const std::string& path,
                                                        const ModelConfig& c) {
    if (!is_gguf_path(path) && !is_gguf_folder(path)) {
        Result<ModelConfig> stored = read_config_file(path);
        if (!stored) return std::move(stored).error();
        const std::string difference = describe_difference(c, *stored);
        if (!difference.empty())
            return Error{Errc::mismatch, joined({path, "/config.json: ", difference})};
    }
    const bool towers = c.vision.present() || c.audio.present();
    Result<CheckpointFiles> files = CheckpointFiles::open(path, towers);
    if (!files) return std::move(files).error();
    OpenedFiles opened{*std::move(files), {}};
    if (opened.files.gguf() != nullptr) {
        Result<ModelConfig> stored = read_gguf_config(opened.files);
        if (!stored) return std::move(stored).error();
        // Of these the file says nothing.
        stored->text.hidden_activation = c.text.hidden_activation;
        stored->text.use_bidirectional_attention = c.text.use_bidirectional_attention;
        stored->tokens = c.tokens;
        const std::string difference = describe_difference(c, *stored);
        if (!difference.empty())
            return Error{Errc::mismatch, joined({opened.files.name(), ": ", difference})};
        if (auto fits = check_gguf_towers(opened.files, c); !fits) return std::move(fits).error();
        opened.generation = read_gguf_generation_config(*opened.files.gguf());
    } else {
        Result<GenerationConfig> read = read_generation_config_file(path);
        if (!read) return std::move(read).error();
        opened.generation = *std::move(read);
    }
    return opened;
}

[[gnu::cold]] CARAT_ONCE Result<void> check_packed(const CheckpointFiles& files,
                                                   const PackedFor& ours) {
    if (files.packed_for() == nullptr || *files.packed_for() == ours) return {};
    const PackedFor& theirs = *files.packed_for();
    const std::string name = files.files()[0].name;
    if (theirs.config != ours.config)
        return Error{Errc::mismatch, name +
                                         ": is packed for a model of another config than "
                                         "this program's: pack it again from its source"};
    const bool layout = theirs.layout != ours.layout;
    return Error{
        Errc::mismatch,
        joined({name, ": is packed as ", printable(layout ? theirs.layout : theirs.weights),
                ", but this program wants ", layout ? ours.layout : ours.weights,
                ": pack it again from its source"})};
}

[[gnu::cold]] CARAT_ONCE Result<GenerationConfig> generation_of(const CheckpointFiles& files,
                                                                std::string_view generation_json,
                                                                std::string_view what) {
    if (!generation_json.empty()) return read_generation_config(generation_json, what);
    if (files.gguf() != nullptr) return read_gguf_generation_config(*files.gguf());
    return GenerationConfig{};
}

[[gnu::cold]] CARAT_ONCE std::uint64_t fingerprint(const CheckpointFiles& files) noexcept {
    Fnv1a hash;
    for (const CheckpointFiles::File& file : files.files())
        for (const StoredTensor& t : file.tensors) {
            hash.add(std::as_bytes(std::span(t.name)));
            const std::size_t sample = std::min<std::size_t>(t.bytes, 64);
            for (const std::size_t at : {std::size_t{0}, (t.bytes - sample) / 2}) {
                const auto part = t.span().subspan(at, sample);
                if (file.map.will_need(part)) hash.add(part);  // else: it has been shortened
            }
        }
    files.let_go();
    return hash.value();
}

}  // namespace carat::inline CARAT_ABI
