/// \file
/// What drafter_config_json.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/config/config_difference.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/config/drafter_config_json.hpp"
#include "carat/checkpoint/config/json_fields.hpp"
#include "carat/checkpoint/config/text_config_json.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/config/drafter_check.hpp"
#include "carat/config/drafter_config.hpp"
#include "carat/format/json.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

[[gnu::cold]] CARAT_ONCE Result<DrafterConfig> read_drafter_config(std::string_view json_text,
                                                                   std::string_view what) {
    const Result<Json> tree = parse_object(json_text, what);
    if (!tree) return tree.error();
    Faults faults(what);
    DrafterConfig d;
    FieldReader top(*tree, "", faults);
    detail::refuse_other_model(top, "gemma4_assistant");
    if (top.get("model_type") == nullptr) top.wrong("model_type", nullptr, "gemma4_assistant");
    if (!faults.none()) return faults.error();  // what else it holds means something else

    const JsonValue* text = top.get("text_config");
    if (text != nullptr && text->IsObject())
        d.text = detail::read_text_config(*text, "text_config.", faults);
    else
        top.wrong("text_config", text, "an object");
    bool tied = true, ordered = false;
    top.flag("tie_word_embeddings", tied);
    if (!tied) d.text.tie_word_embeddings = false;
    top.flag("use_ordered_embeddings", ordered);
    top.size("backbone_hidden_size", d.backbone_hidden_size, 1, detail::most_width);
    d.num_centroids = 2048;
    top.size("num_centroids", d.num_centroids, 1);
    top.size("centroid_intermediate_top_k", d.centroid_intermediate_top_k, 1);
    if (!ordered) d.num_centroids = 0;
    if (faults.none())
        if (const char* sentence = fault(d)) {
            std::string_view words = sentence;
            if (words.starts_with("carat: ")) words.remove_prefix(7);
            faults.add(Errc::unsupported, words);
        }
    if (!faults.none()) return faults.error();
    return d;
}

CARAT_ONCE Result<DrafterConfig> read_drafter_config_file(const std::string& folder) {
    const bool slash = folder.empty() || folder.ends_with('/');
    const Result<MappedFile> file =
        MappedFile::open(joined({folder, slash ? "" : "/", "config.json"}), std::size_t{1} << 20);
    if (!file) return file.error();
    return read_drafter_config(file->text(), file->path());
}

[[gnu::cold]] CARAT_ONCE std::string describe_difference(const DrafterConfig& compiled,
                                                         const DrafterConfig& file) {
    detail::Differences d{.text = describe_difference(compiled.text, file.text)};
    d.compare("backbone_hidden_size", compiled.backbone_hidden_size, file.backbone_hidden_size);
    d.compare("use_ordered_embeddings", compiled.num_centroids > 0, file.num_centroids > 0);
    if (compiled.num_centroids > 0 && file.num_centroids > 0) {
        d.compare("num_centroids", compiled.num_centroids, file.num_centroids);
        d.compare("centroid_intermediate_top_k", compiled.centroid_intermediate_top_k,
                  file.centroid_intermediate_top_k);
    }
    return d.text;
}

}  // namespace carat::inline CARAT_ABI
