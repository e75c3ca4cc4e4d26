/// \file
/// GenerationConfig: how a model wants its tokens drawn and where it stops, out of
/// generation_config.json. Source: spec/text.md section 16, spec/variants.md section 5.
#pragma once

#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/json_fields.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/joined.hpp"
#include "carat/json.hpp"
#include "carat/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Fields carry the names of generation_config.json. As it is: what the base models say.
struct GenerationConfig {
    bool do_sample = true;  ///< false: always the most probable token
    double temperature = 1.0;
    std::size_t top_k = 64;  ///< 0: all tokens
    double top_p = 0.95;
    double min_p = 0.0;
    double repetition_penalty = 1.0;
    std::vector<std::int32_t> eos_token_ids{1};  ///< `eos_token_id`, one or a list
    std::int32_t bos_token_id = 2, pad_token_id = 0;
    std::vector<std::int32_t> suppress_tokens{};  ///< never drawn, not even greedily
    std::size_t num_assistant_tokens = 0;         ///< of assistants: drafts at once; 0: not given

    friend bool operator==(const GenerationConfig&, const GenerationConfig&) = default;
};

/// Reads a generation_config.json. A key that is missing or null has the value it has in the
/// reference then: do_sample false, temperature 1, top_k 50, top_p 1, min_p 0, repetition_penalty 1
/// (and ids 1, 2 and 0 for end, begin and padding, as in every Gemma 4).
/// Bad input: what is not JSON, keys of the wrong type, numbers beyond their range; all at once.
[[gnu::cold]] inline Result<GenerationConfig> read_generation_config(std::string_view json_text,
                                                                     std::string_view what) {
    const Result<Json> tree = parse_json(json_text, printable(what, 400));
    if (!tree) return tree.error();
    Faults faults(what);
    if (!tree->IsObject()) {
        faults.add(Errc::bad_format,
                   joined({"is ", json::type_name(&*tree), ", expected an object"}));
        return faults.error();
    }
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

/// Reads `generation_config.json` of a model folder; a folder without one has the defaults of a
/// base model. Bad input: as above, and a file that cannot be read or that has more than 1 MB.
inline Result<GenerationConfig> read_generation_config_file(const std::string& folder) {
    const bool slash = folder.empty() || folder.ends_with('/');
    const std::string path = joined({folder, slash ? "" : "/", "generation_config.json"});
    if (!file_exists(path)) return GenerationConfig{};
    const Result<MappedFile> file = MappedFile::open(path, std::size_t{1} << 20);
    if (!file) return file.error();
    return read_generation_config(file->text(), path);
}

}  // namespace carat::inline CARAT_ABI
