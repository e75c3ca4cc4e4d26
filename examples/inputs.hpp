// The tensors that the reference's text model takes, read from a safetensors file and checked
// against each other.
#pragma once

#include "carat/base/result.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/generate/loss.hpp"
#include "carat/generate/session.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

/// A batch of sequences of one length.
template <class Text>
struct Inputs {
    using Input = carat::SessionInput<Text>;
    static constexpr std::size_t hidden = Text::hidden, per_layer = Text::layers * Text::per_layer;

    std::size_t batch = 0, tokens = 0;
    std::vector<std::int32_t> ids, positions, labels;       // [batch, tokens] or empty
    std::vector<std::uint8_t> attention_mask, token_types;  // [batch, tokens] or empty
    std::vector<float> embeds, per_layer_tokens;            // [batch, tokens, …] or empty
    std::vector<std::size_t> logits_to_keep;                // tokens of each sequence, or empty

    static carat::Result<Inputs> read(const std::string& path) {
        const auto file = carat::MappedFile::open(path);
        if (!file) return file.error();
        const auto tensors = carat::Safetensors::read(file->bytes(), path);
        if (!tensors) return tensors.error();
        Reader reader{*tensors, path, {}, {}};
        if ((tensors->find("input_ids") == nullptr) == (tensors->find("inputs_embeds") == nullptr))
            return carat::Error{
                carat::Errc::invalid_argument,
                path + ": expected either input_ids or inputs_embeds, and not both"};
        Inputs in;
        reader.integers("input_ids", in.ids, 0, 0x7fffffff);
        reader.floats("inputs_embeds", {hidden}, in.embeds);
        reader.floats("per_layer_inputs", {Text::layers, Text::per_layer}, in.per_layer_tokens);
        reader.integers("position_ids", in.positions, 0, 0x7fffffff);
        reader.integers("labels", in.labels, carat::Loss::ignored,
                        static_cast<std::int64_t>(Text::vocab) - 1);
        reader.integers("attention_mask", in.attention_mask, 0, 1);
        reader.integers("mm_token_type_ids", in.token_types, 0, 3);
        if (!reader.result) return reader.result.error();
        in.batch = reader.shape[0];
        in.tokens = reader.shape[1];
        reader.indices("logits_to_keep", in.logits_to_keep);
        if (!reader.result) return reader.result.error();
        return in;
    }

    /// One sequence of the batch.
    [[nodiscard]] Input sequence(std::size_t b) const {
        const auto row = [&](const auto& all) {
            return all.empty() ? std::span(all) : std::span(all).subspan(b * tokens, tokens);
        };
        Input in{.ids = row(ids),
                 .positions = row(positions),
                 .attention_mask = row(attention_mask),
                 .token_types = row(token_types)};
        if (!embeds.empty())
            in.embeds = {carat::View<const float, carat::dynamic, hidden>(
                embeds.data() + b * tokens * hidden, tokens)};
        if (!per_layer_tokens.empty())
            in.per_layer_tokens = {carat::View<const float, carat::dynamic, per_layer>(
                per_layer_tokens.data() + b * tokens * per_layer, tokens)};
        return in;
    }

  private:
    /// Reads tensors whose first two axes must agree; the first fault stays in `result`.
    struct Reader {
        const carat::Safetensors& file;
        const std::string& path;
        std::vector<std::size_t> shape;  // [batch, tokens] of the first tensor
        carat::Result<void> result;

        const carat::StoredTensor* find(const char* name, std::vector<std::size_t> inner,
                                        bool one_row_will_do = false) {
            const carat::StoredTensor* t = result ? file.find(name) : nullptr;
            if (t == nullptr) return nullptr;
            if (shape.empty() && t->shape.size() >= 2) shape = {t->shape[0], t->shape[1]};
            std::vector<std::size_t> expected = shape;
            expected.insert(expected.end(), inner.begin(), inner.end());
            std::vector<std::size_t> one_row = expected;
            if (!one_row.empty()) one_row[0] = 1;
            const std::vector<std::size_t> actual(t->shape.begin(), t->shape.end());
            if (actual == expected || (one_row_will_do && actual == one_row)) return t;
            return wrong(name, "is " + carat::shape_text(actual) + ", expected " +
                                   carat::shape_text(expected));
        }
        const carat::StoredTensor* wrong(const char* name, const std::string& what) {
            if (result)
                result = carat::Error{carat::Errc::mismatch, path + ": " + name + " " + what};
            return nullptr;
        }
        void floats(const char* name, std::vector<std::size_t> inner, std::vector<float>& out) {
            const carat::StoredTensor* t = find(name, std::move(inner));
            if (t == nullptr) return;
            if (t->dtype != carat::DType::f32) {
                wrong(name, "is " + t->dtype_name + ", expected F32");
                return;
            }
            out.resize(t->count());
            std::memcpy(out.data(), t->data, t->bytes);
        }
        /// I64 or I32 [indices] of tokens, in any order, those below 0 counted from the end.
        void indices(const char* name, std::vector<std::size_t>& out) {
            const carat::StoredTensor* t = file.find(name);
            if (t == nullptr) return;
            const auto tokens = static_cast<std::int64_t>(shape[1]);
            const bool wide = t->dtype == carat::DType::i64;
            if ((!wide && t->dtype != carat::DType::i32) || t->shape.size() != 1 ||
                t->count() == 0 || t->count() > shape[1]) {
                wrong(name, "is " + t->dtype_name + " " + carat::shape_text(t->shape) +
                                ", expected I64 or I32 [1 to " + std::to_string(tokens) + "]");
                return;
            }
            for (std::size_t i = 0; i < t->count(); ++i) {
                const std::int64_t v = wide ? load<std::int64_t>(t->data + 8 * i)
                                            : load<std::int32_t>(t->data + 4 * i);
                if (v < -tokens || v >= tokens) {
                    wrong(name, "has " + std::to_string(v) + " at element " + std::to_string(i) +
                                    ", expected " + std::to_string(-tokens) + " to " +
                                    std::to_string(tokens - 1));
                    return;
                }
                out.push_back(static_cast<std::size_t>(v < 0 ? v + tokens : v));
            }
        }
        /// I64, I32, U8 or BOOL, each value from `least` to `most`. A tensor of one row serves the
        /// whole batch.
        template <class T>
        void integers(const char* name, std::vector<T>& out, std::int64_t least,
                      std::int64_t most) {
            const carat::StoredTensor* t = find(name, {}, true);
            if (t == nullptr) return;
            const std::size_t size = carat::size_of(t->dtype);
            for (std::size_t i = 0; i < t->count(); ++i) {
                std::int64_t v = 0;
                const std::byte* p = t->data + i * size;
                switch (t->dtype) {
                    case carat::DType::i64:
                        v = load<std::int64_t>(p);
                        break;
                    case carat::DType::i32:
                        v = load<std::int32_t>(p);
                        break;
                    case carat::DType::u8:
                    case carat::DType::boolean:
                        v = load<std::uint8_t>(p);
                        break;
                    default:
                        wrong(name, "is " + t->dtype_name + ", expected I64, I32, U8 or BOOL");
                        return;
                }
                if (v < least || v > most) {
                    wrong(name, "has " + std::to_string(v) + " at element " + std::to_string(i) +
                                    ", expected " + std::to_string(least) + " to " +
                                    std::to_string(most));
                    return;
                }
                out.push_back(static_cast<T>(v));
            }
            const std::vector<T> first = out;
            for (std::size_t b = 1; t->shape[0] == 1 && b < shape[0]; ++b)
                out.insert(out.end(), first.begin(), first.end());
        }
        template <class T>
        static std::int64_t load(const std::byte* p) {
            T v;
            std::memcpy(&v, p, sizeof v);
            return static_cast<std::int64_t>(v);
        }
    };
};
