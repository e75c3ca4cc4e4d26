/// \file
/// The file format of sentencepiece, `tokenizer.model`, read and written by hand: it is a protobuf
/// message of which a dozen fields matter.
///
/// sentencepiece itself only ever sees bytes that write_sentencepiece_proto made, because it stops
/// the program on some broken files.
#pragma once

#include "carat/base/result.hpp"
#include "carat/text/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail::proto {

/// One field: a number (varint, fixed32, fixed64) or bytes (a string, a message).
struct Field {
    std::uint64_t number = 0;
    std::uint32_t wire_type = 0;
    std::uint64_t value = 0;
    std::string_view bytes;
};

/// Takes a message apart, field by field.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    [[nodiscard]] bool done() const noexcept { return rest_.empty(); }

    /// The next field, or nothing where the bytes are no message.
    std::optional<Field> next() noexcept {
        const auto key = varint();
        if (!key) return std::nullopt;
        Field field{*key >> 3, static_cast<std::uint32_t>(*key & 7), 0, {}};
        std::optional<std::uint64_t> size;
        switch (field.wire_type) {
            case 0: {
                const auto value = varint();
                if (!value) return std::nullopt;
                field.value = *value;
                return field;
            }
            case 1:
                size = 8;
                break;
            case 2:
                size = varint();
                break;
            case 5:
                size = 4;
                break;
            default:
                return std::nullopt;
        }
        if (!size || *size > rest_.size()) return std::nullopt;
        field.bytes = rest_.substr(0, static_cast<std::size_t>(*size));
        rest_.remove_prefix(field.bytes.size());
        return field;
    }

  private:
    std::optional<std::uint64_t> varint() noexcept {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<std::uint8_t>(rest_.front());
            rest_.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7Fu} << shift;
            if (byte < 0x80) return value;
        }
        return std::nullopt;
    }

    std::string_view rest_;
};

inline void put_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        out += static_cast<char>(static_cast<unsigned char>(value | 0x80));
    out += static_cast<char>(static_cast<unsigned char>(value));
}
inline void put_number(std::string& out, unsigned field, std::uint64_t value) {
    put_varint(out, field << 3 | 0u);
    put_varint(out, value);
}
inline void put_bytes(std::string& out, unsigned field, std::string_view bytes) {
    put_varint(out, field << 3 | 2u);
    put_varint(out, bytes.size());
    out += bytes;
}
inline void put_float(std::string& out, unsigned field, float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    put_varint(out, field << 3 | 5u);
    for (unsigned shift = 0; shift < 32; shift += 8)
        out += static_cast<char>(static_cast<unsigned char>(bits >> shift));
}
inline float read_float(std::string_view bytes) noexcept {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i)
        bits |= std::uint32_t{static_cast<std::uint8_t>(bytes[i])} << (8 * i);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace detail::proto

/// The bytes of a sentencepiece model with the pieces, scores and types of a checked vocabulary:
/// BPE with byte fallback, a space becomes U+2581, nothing else is touched. Source:
/// spec/processing.md, 2.4.
[[nodiscard]] inline std::string write_sentencepiece_proto(const Vocabulary& v) {
    namespace proto = detail::proto;
    std::string out;
    std::string piece;
    const auto id_of = [&](std::string_view text) {
        for (std::size_t id = 0; id < v.pieces.size(); ++id) {
            if (v.pieces[id] == text) return static_cast<std::uint64_t>(id);
        }
        return ~std::uint64_t{0};  // -1, "there is none"
    };
    std::size_t unknown = 0;
    for (std::size_t id = 0; id < v.pieces.size(); ++id) {
        piece.clear();
        proto::put_bytes(piece, 1, v.pieces[id]);
        proto::put_float(piece, 2, v.scores[id]);
        proto::put_number(piece, 3, static_cast<std::uint64_t>(v.types[id]));
        proto::put_bytes(out, 1, piece);
        if (v.types[id] == PieceType::unknown) unknown = id;
    }
    std::string trainer;
    proto::put_number(trainer, 3, 2);  // model_type: BPE
    proto::put_number(trainer, 4, v.pieces.size());
    proto::put_number(trainer, 24, 0);  // treat_whitespace_as_suffix
    proto::put_number(trainer, 35, 1);  // byte_fallback
    proto::put_number(trainer, 40, unknown);
    proto::put_number(trainer, 41, id_of("<bos>"));
    proto::put_number(trainer, 42, id_of("<eos>"));
    proto::put_number(trainer, 43, id_of("<pad>"));
    proto::put_bytes(trainer, 45, v.pieces[unknown]);
    proto::put_bytes(trainer, 46, "<bos>");
    proto::put_bytes(trainer, 47, "<eos>");
    proto::put_bytes(trainer, 48, "<pad>");
    std::string normalizer;
    proto::put_bytes(normalizer, 1, "identity");
    proto::put_bytes(normalizer, 2, "");  // precompiled_charsmap
    proto::put_number(normalizer, 3, 0);  // add_dummy_prefix
    proto::put_number(normalizer, 4, 0);  // remove_extra_whitespaces
    proto::put_number(normalizer, 5, 1);  // escape_whitespaces
    proto::put_bytes(out, 2, trainer);
    proto::put_bytes(out, 3, normalizer);
    return out;
}

namespace detail::proto {

inline Result<Vocabulary> read_model(std::string_view bytes, std::string_view what) {
    const auto fail = [&](const std::string& why, Errc code = Errc::bad_format) {
        return Error{code, std::string(what) + ": " + why};
    };
    Vocabulary v;
    std::uint64_t model_type = 1, byte_fallback = 0, space_as_suffix = 0;
    std::uint64_t dummy_prefix = 1, remove_spaces = 1, escape_spaces = 1;
    bool has_charsmap = false;
    const auto read = [](std::string_view message, auto&& take) {
        for (Reader reader(message); !reader.done();) {
            const auto field = reader.next();
            if (!field || !take(*field)) return false;
        }
        return true;
    };
    const auto read_piece = [&](std::string_view message) {
        std::string text;
        float score = 0;
        std::uint64_t type = 1;
        const bool fine = read(message, [&](const Field& f) {
            if (f.number == 1 && f.wire_type == 2) text = f.bytes;
            if (f.number == 2 && f.wire_type == 5) score = read_float(f.bytes);
            if (f.number == 3 && f.wire_type == 0) type = f.value;
            return type >= 1 && type <= 6;
        });
        v.pieces.push_back(std::move(text));
        v.scores.push_back(score);
        v.types.push_back(fine ? static_cast<PieceType>(type) : PieceType::control);
        return fine;
    };
    const auto read_number = [](const Field& f, std::uint64_t number, std::uint64_t& out) {
        if (f.number == number && f.wire_type == 0) out = f.value;
    };
    const bool fine = read(bytes, [&](const Field& f) {
        if (f.wire_type != 2) return f.number > 5;
        if (f.number == 1) return read_piece(f.bytes);
        if (f.number == 2) {
            return read(f.bytes, [&](const Field& t) {
                read_number(t, 3, model_type);
                read_number(t, 24, space_as_suffix);
                read_number(t, 35, byte_fallback);
                return true;
            });
        }
        if (f.number == 3) {
            return read(f.bytes, [&](const Field& n) {
                if (n.number == 2 && !n.bytes.empty()) has_charsmap = true;
                read_number(n, 3, dummy_prefix);
                read_number(n, 4, remove_spaces);
                read_number(n, 5, escape_spaces);
                return true;
            });
        }
        return true;
    });
    if (!fine)
        return fail("not a sentencepiece model: broken after " + std::to_string(v.pieces.size()) +
                    " pieces");
    if (v.pieces.empty()) return fail("not a sentencepiece model: no pieces");
    if (model_type != 2) {
        return fail("model_type is " + std::to_string(model_type) + ", expected 2 (BPE)",
                    Errc::unsupported);
    }
    if (byte_fallback == 0)
        return fail("byte_fallback is off, expected a BPE with byte pieces", Errc::unsupported);
    if (has_charsmap || dummy_prefix != 0 || remove_spaces != 0 || escape_spaces == 0 ||
        space_as_suffix != 0) {
        return fail(
            "the normalizer changes text, expected an identity without dummy prefix that keeps "
            "every space and escapes "
            "it",
            Errc::unsupported);
    }
    for (std::size_t id = 0; id < v.pieces.size(); ++id) {
        const std::string& piece = v.pieces[id];
        PieceType& type = v.types[id];
        if (type != PieceType::control && type != PieceType::unknown &&
            type != PieceType::user_defined)
            continue;
        if (piece.empty()) return fail("piece " + std::to_string(id) + " is empty");
        v.added.push_back({piece, static_cast<std::int32_t>(id),
                           type != PieceType::user_defined || looks_special(piece)});
        if (type == PieceType::user_defined) type = type_beside_added(piece);
    }
    if (auto checked = check_vocabulary(v, what); !checked) return std::move(checked).error();
    return v;
}

}  // namespace detail::proto

/// The content of a `tokenizer.model`; `what` names the file in errors. Its control and
/// user-defined symbols become added tokens, as the converters to `tokenizer.json` do; special are
/// the control symbols and what looks like one. A file that is broken, no BPE with byte fallback,
/// or that would change more of a text than its spaces, is an error.
[[nodiscard]] inline Result<Vocabulary> read_sentencepiece_proto(std::string_view bytes,
                                                                 std::string_view what) {
    return memory_errors(what, [&] { return detail::proto::read_model(bytes, what); });
}

}  // namespace carat::inline CARAT_ABI
