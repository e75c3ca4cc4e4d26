/// \file
/// open_files: a model's files at a path, of any layout, whose configuration is as expected.
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config_difference.hpp"
#include "carat/checkpoint/config_json.hpp"
#include "carat/checkpoint/generation_config.hpp"
#include "carat/checkpoint/gguf_config.hpp"
#include "carat/checkpoint/gguf_towers.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/config/model_config.hpp"
#include "carat/joined.hpp"
#include "carat/model_path.hpp"
#include "carat/printable.hpp"
#include "carat/result.hpp"

#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {

struct OpenedFiles {
    CheckpointFiles files;
    GenerationConfig generation;
};

/// The files at `path`, whose configuration is `c`, and how its tokens are drawn. Bad input: every
/// fault of the files, or of the configuration against `c`, all of a kind in one Error.
[[gnu::cold]] inline Result<OpenedFiles> open_files(const std::string& path, const ModelConfig& c) {
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

/// Bad input: a packed checkpoint that was made for something else than `ours`.
[[gnu::cold]] inline Result<void> check_packed(const CheckpointFiles& files,
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

}  // namespace carat::inline CARAT_ABI
