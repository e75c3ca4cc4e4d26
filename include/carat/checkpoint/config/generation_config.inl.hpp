/// \file
/// What generation_config.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/checkpoint/config/json_fields.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/format/json.hpp"
#include "carat/format/model_path.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

[[gnu::cold]] CARAT_ONCE Result<GenerationConfig> read_generation_config(std::string_view json_text,
                                                                         std::string_view what) {
    const Result<Json> tree = parse_object(json_text, what);
    if (!tree) return tree.error();
    Faults faults(what);
    GenerationConfig c;
    c.do_sample = false;
    c.top_k = 50;
    c.top_p = 1.0;
    FieldReader in(*tree, "", faults);
    in.flag("do_sample", c.do_sample);
    in.real("temperature", c.temperature);
    in.size("top_k", c.top_k);
    in.real("top_p", c.top_p);
    in.real("min_p", c.min_p);
    in.positive("repetition_penalty", c.repetition_penalty);
    in.ids("eos_token_id", c.eos_token_ids, 256);
    in.id("bos_token_id", c.bos_token_id);
    in.id("pad_token_id", c.pad_token_id);
    in.ids("suppress_tokens", c.suppress_tokens, std::size_t{1} << 18);
    in.size("num_assistant_tokens", c.num_assistant_tokens);
    if (c.temperature < 0 || (c.do_sample && c.temperature == 0))
        in.wrong("temperature", in.get("temperature"),
                 "a number greater than 0 (do_sample false is what takes the best token)");
    if (c.top_p <= 0 || c.top_p > 1)
        in.wrong("top_p", in.get("top_p"), "a number greater than 0 and at most 1");
    if (c.min_p < 0 || c.min_p > 1) in.wrong("min_p", in.get("min_p"), "a number from 0 to 1");
    if (!faults.none()) return faults.error();
    return c;
}

[[gnu::cold]] CARAT_ONCE Result<GenerationConfig> read_generation_config_file(
    const std::string& folder) {
    const bool slash = folder.empty() || folder.ends_with('/');
    const std::string path = joined({folder, slash ? "" : "/", "generation_config.json"});
    if (!file_exists(path)) return GenerationConfig{};
    const Result<MappedFile> file = MappedFile::open(path, std::size_t{1} << 20);
    if (!file) return file.error();
    return read_generation_config(file->text(), path);
}

}  // namespace carat::inline CARAT_ABI
