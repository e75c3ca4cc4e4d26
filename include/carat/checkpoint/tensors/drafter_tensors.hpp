/// \file
/// The tensors of an assistant by name: which weight of a Drafter is which entry of a file. Source:
/// spec/checkpoint.md section 5.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/config/text_config.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// All weights of a drafter but token_ordering, which is read before: the rows of a centroid head
/// come in its order.
template <class Drafter, class Bind>
[[gnu::cold]] constexpr void bind_drafter(Bind& bind, typename Drafter::Weights& w) {
    using Name = typename Bind::Name;
    bind(Name("pre_projection.weight"), w.pre_projection);
    bind(Name("post_projection.weight"), w.post_projection);
    bind(Name("model.norm.weight"), w.norm);
    Drafter::for_each_layer([&]<AttentionType type>(std::size_t layer, std::size_t ordinal) {
        bind_layer<typename Drafter::template Layer<type>>(
            bind, Name("model.") + Bind::layer_prefix(layer),
            Drafter::Weights::template of<type>(w, ordinal));
    });
    if constexpr (Drafter::config.num_centroids > 0) {
        bind(Name("masked_embedding.centroids.weight"), w.head.centroids);
        bind(Name("model.embed_tokens.weight"), w.head.embed_tokens,
             RowOrder{w.head.token_ordering});
    } else {
        bind(Name("model.embed_tokens.weight"), w.head.embed_tokens);
    }
}

/// The order of the tokens in a centroid head: a permutation of [0, vocab). Bad input: a tensor
/// that is missing, of another length, of no integers, or that names a token twice or one that is
/// none (mismatch); a file that has been shortened (io).
[[gnu::cold]] inline Result<std::vector<std::int32_t>> read_token_ordering(
    const CheckpointFiles& files, std::size_t vocab) {
    constexpr const char* name = "masked_embedding.token_ordering";
    const CheckpointFiles::Located found = files.find(name);
    if (!found)
        return Error{Errc::mismatch, joined({files.name(), ": tensor ", name, " is missing"})};
    const StoredTensor& t = *found.tensor;
    const auto refuse = [&](std::string what, Errc code = Errc::mismatch) {
        return Error{code, joined({printable(found.file->name, 400), ": tensor ", name, what})};
    };
    if (t.count() != vocab || t.shape.size() > 2)
        return refuse(
            joined({" is ", shape_text(t.shape), ", expected ", shape_text(std::span(&vocab, 1))}));
    if (t.dtype != DType::i64 && t.dtype != DType::i32)
        return refuse(" is " + printable(t.dtype_name, 16) + ", expected I64 or I32");
    if (!found.file->map.will_need(t.span()))
        return refuse(" is no longer in the file, which has been shortened", Errc::io);
    std::vector<std::int32_t> ids(vocab);
    std::vector<std::uint8_t> seen(vocab, 0);
    for (std::size_t i = 0; i < vocab; ++i) {
        std::int64_t id = 0;
        std::int32_t narrow = 0;
        if (t.dtype == DType::i64) {
            std::memcpy(&id, t.data + i * sizeof id, sizeof id);
        } else {
            std::memcpy(&narrow, t.data + i * sizeof narrow, sizeof narrow);
            id = narrow;
        }
        if (id < 0 || static_cast<std::uint64_t>(id) >= vocab)
            return refuse(
                joined({"[", i, "] is ", std::to_string(id), ", expected 0 to ", vocab - 1}));
        if (seen[static_cast<std::size_t>(id)]++ != 0)
            return refuse(joined({"[", i, "] is ", std::to_string(id),
                                  ", which is there before: it must name each token once"}));
        ids[i] = static_cast<std::int32_t>(id);
    }
    return ids;
}

}  // namespace carat::inline CARAT_ABI
