/// \file
/// open_files: a model's files at a path, of any layout, whose configuration is as expected.
#pragma once

#include "carat/base/result.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/checkpoint/packed_for.hpp"
#include "carat/config/model_config.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

struct OpenedFiles {
    CheckpointFiles files;
    GenerationConfig generation;
};

/// The files at `path`, whose configuration is `c`, and how its tokens are drawn. Bad input: every
/// fault of the files, or of the configuration against `c`, all of a kind in one Error.
Result<OpenedFiles> open_files(const std::string& path, const ModelConfig& c);

/// Bad input: a packed checkpoint that was made for something else than `ours`.
Result<void> check_packed(const CheckpointFiles& files, const PackedFor& ours);

/// How tokens are drawn, for files whose texts the caller has: what `generation_json`, the text of
/// a generation_config.json, says, or, where that is empty, a GGUF file itself, or else a base
/// model. `what` names the text in errors. Bad input: as read_generation_config().
Result<GenerationConfig> generation_of(const CheckpointFiles& files,
                                       std::string_view generation_json, std::string_view what);

/// A number that tells checkpoints apart: of every tensor the name and two samples.
[[nodiscard]] std::uint64_t fingerprint(const CheckpointFiles& files) noexcept;

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/checkpoint/open_files.inl.hpp"
#endif
