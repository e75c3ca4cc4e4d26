/// \file
/// The tensors of a GGUF file, under carat's names and checked before they are touched. Source:
/// spec/checkpoint.md section 7.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/gguf/gguf_names.hpp"
#include "carat/checkpoint/tensors/converted_values.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/format/gguf.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

struct GgufType {
    std::uint32_t number;
    DType type;
    std::string_view name;
};
/// What else there is cannot be read, but has a name.
inline constexpr GgufType gguf_types[] = {
    {0, DType::f32, "F32"},    {1, DType::f16, "F16"},       {2, DType::q4_0, "Q4_0"},
    {3, DType::q4_1, "Q4_1"},  {6, DType::q5_0, "Q5_0"},     {7, DType::q5_1, "Q5_1"},
    {8, DType::q8_0, "Q8_0"},  {10, DType::unknown, "Q2_K"}, {11, DType::unknown, "Q3_K"},
    {12, DType::q4_k, "Q4_K"}, {13, DType::q5_k, "Q5_K"},    {14, DType::q6_k, "Q6_K"},
    {24, DType::i8, "I8"},     {25, DType::i16, "I16"},      {26, DType::i32, "I32"},
    {27, DType::i64, "I64"},   {28, DType::f64, "F64"},      {30, DType::bf16, "BF16"},
};

/// Fills in `to`, or says what is wrong.
[[gnu::cold]] inline std::string place_gguf_tensor(const Gguf& head, const Gguf::Tensor& from,
                                                   std::span<const std::byte> file,
                                                   GgufAudioNames audio, StoredTensor& to) {
    to.name = name_from_gguf(from.name, audio);
    to.stored_as = from.name;
    to.dtype_name = "type " + std::to_string(from.type);
    for (const GgufType& t : gguf_types)
        if (t.number == from.type) to.dtype = t.type, to.dtype_name = t.name;
    std::size_t count = 1;
    to.shape.reserve(from.rank);
    for (std::size_t i = from.rank; i-- > 0;) {
        const std::uint64_t n = from.dims[i];
        if (n > static_cast<std::size_t>(-1) ||
            !multiply(count, static_cast<std::size_t>(n), count))
            return " has more values than any memory could hold";
        to.shape.push_back(static_cast<std::size_t>(n));
    }
    const auto type = [&to] { return to.dtype_name + ' ' + shape_text(to.shape); };
    if (from.offset % head.alignment() != 0)
        return joined(
            {" is at offset ", from.offset, ", expected a multiple of ", head.alignment()});
    const std::size_t data = file.size() > head.data_start() ? file.size() - head.data_start() : 0;
    if (from.offset > data)
        return joined({" is at offset ", from.offset, ", but the data has only ", data, " bytes"});
    to.data = file.data() + head.data_start() + from.offset;
    if (to.dtype == DType::unknown) return {};  // of unknown size; a fault where somebody wants it
    const StoredBlock block = stored_block(to.dtype);
    if (to.shape.back() % block.values != 0)
        return joined({" is ", type(), ", but rows of ", to.dtype_name, " are multiples of ",
                       block.values, " values"});
    if (!multiply(count / block.values, block.bytes, to.bytes))
        return joined({" is ", type(), ", which no memory could hold"});
    const std::size_t room = data - static_cast<std::size_t>(from.offset);
    if (to.bytes > room)
        return joined({" is ", type(), ", which takes ", to.bytes, " bytes, but behind its offset ",
                       from.offset, " there are only ", room});
    note_converted(to, from.name);
    return {};
}

[[gnu::cold]] inline void refuse_overlap(std::span<const StoredTensor> tensors, Faults& faults) {
    const StoredTensor* last = nullptr;  // the one that reaches furthest
    for (const StoredTensor* t : in_file_order(tensors)) {
        if (t->bytes == 0) continue;
        if (last != nullptr && t->data < last->data + last->bytes)
            faults.add(Errc::bad_format, joined({"tensors ", printable(last->spelling()), " and ",
                                                 printable(t->spelling()), " overlap"}));
        if (last == nullptr || t->data + t->bytes > last->data + last->bytes) last = t;
    }
}

}  // namespace detail

/// The tensors of `file`, the bytes of a whole GGUF file, ordered by carat's names. `head` must be
/// what Gguf::read() made of these bytes. What holds afterwards: names are unique; every tensor of
/// a known type lies within the file, with whole blocks in every row; none overlaps another.
/// Anything else is Errc::bad_format, all faults at once. Never reads the data.
inline Result<std::vector<StoredTensor>> read_gguf_tensors(const Gguf& head,
                                                           std::span<const std::byte> file,
                                                           std::string_view what) {
    Faults faults(what);
    std::vector<StoredTensor> all;
    all.reserve(head.tensors().size());
    const bool llama_cpp = std::any_of(
        head.tensors().begin(), head.tensors().end(),
        [](const Gguf::Tensor& t) { return audio_names_of(t.name) == GgufAudioNames::llama_cpp; });
    const auto audio = llama_cpp ? GgufAudioNames::llama_cpp : GgufAudioNames::ollama;
    for (const Gguf::Tensor& t : head.tensors()) {
        const std::string fault =
            detail::place_gguf_tensor(head, t, file, audio, all.emplace_back());
        if (!fault.empty())
            faults.add(Errc::bad_format, joined({"tensor ", printable(t.name), fault}));
    }
    if (faults.none()) detail::refuse_overlap(all, faults);
    sort_by_name(all);
    for (std::size_t i = 1; i < all.size(); ++i)
        if (all[i].name == all[i - 1].name)
            faults.add(Errc::bad_format,
                       joined({"tensors ", printable(all[i - 1].spelling()), " and ",
                               printable(all[i].spelling()), " are the same one"}));
    if (!faults.none()) return faults.error();
    return all;
}

}  // namespace carat::inline CARAT_ABI
