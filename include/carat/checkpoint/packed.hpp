/// \file
/// Packed checkpoints: weights in the order that kernels want, as opening another checkpoint makes
/// them in memory, so that a file is used as it is.
///
///     offset 0   head, a multiple of 4096 bytes, all numbers little-endian
///                magic[8] u32 version, u32 tensors, u64 head bytes, u64 data bytes, u64 config
///                string weights, string layout                (a string: u32 length, bytes)
///                tensors times { string name, string type, u8 panels, u8 rank, u64 shape[rank],
///                                u64 bytes }, by name
///                zeros, and the checksum of all that
///     head       data: the tensors in that order, each filled up with zeros to a multiple of 64
///     then       sums: a u64 for each MiB of each tensor, with its zeros; the end of the file
///
/// The places of tensors follow from their order, so that none can overlap or lie outside.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/checksum.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/packed_for.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/quantized.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// One tensor to write.
struct PackedTensor {
    std::string name;
    DType dtype = DType::unknown;
    bool panels = false;
    std::vector<std::size_t> shape;
    std::size_t bytes = 0;
};

namespace detail {

inline constexpr char packed_magic[8] = {'\x89', 'c', 'a', 'r', 'a', 't', '\r', '\n'};
inline constexpr std::uint32_t packed_version = 1;
inline constexpr std::size_t packed_fixed = 32,  ///< bytes that every version begins with
    packed_page = 4096, packed_piece = std::size_t{1} << 20, packed_most_rank = 8,
                             packed_most_text = 4096;

/// Pieces of a tensor that have a checksum each.
constexpr std::size_t packed_pieces(std::size_t bytes) {
    return aligned_size(bytes) / packed_piece + (aligned_size(bytes) % packed_piece != 0 ? 1 : 0);
}
constexpr DType packed_type(std::string_view name) {
    for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(DType::q6_k); ++i)
        if (name_of(static_cast<DType>(i)) == name) return static_cast<DType>(i);
    return DType::unknown;
}

/// Takes numbers and strings off the front of a head; `fine` says whether all were there.
struct PackedReader {
    std::span<const std::byte> left;
    bool fine = true;

    template <class T>
    T number() {
        T value{};
        if (left.size() < sizeof value) {
            fine = false;
            return value;
        }
        std::memcpy(&value, left.data(), sizeof value);
        left = left.subspan(sizeof value);
        return value;
    }
    std::string string() {
        const auto length = number<std::uint32_t>();
        if (!fine || length > left.size() || length > packed_most_text) {
            fine = false;
            return {};
        }
        std::string text(reinterpret_cast<const char*>(left.data()), length);
        left = left.subspan(length);
        return text;
    }
};

/// The next tensor of a head, but for its place; or what is wrong with it.
[[gnu::cold]] inline std::string read_packed_tensor(PackedReader& in, StoredTensor& t) {
    t.name = in.string();
    t.dtype_name = in.string();
    t.panels = in.number<std::uint8_t>() != 0;
    const std::size_t rank = in.number<std::uint8_t>();
    if (!in.fine || rank > packed_most_rank) return " is cut off";
    std::size_t count = 1;
    bool fits = true;
    for (std::size_t i = 0; i < rank; ++i) {
        const auto n = in.number<std::uint64_t>();
        fits = fits && n <= std::numeric_limits<std::size_t>::max() &&
               multiply(count, static_cast<std::size_t>(n), count);
        t.shape.push_back(static_cast<std::size_t>(n));
    }
    const auto bytes = in.number<std::uint64_t>();
    if (!in.fine) return " is cut off";
    t.dtype = packed_type(t.dtype_name);
    const auto type = [&t] { return printable(t.dtype_name, 16) + ' ' + shape_text(t.shape); };
    const StoredBlock block = stored_block(t.dtype);
    std::size_t expected = 0;
    if (!is_float_stored(t.dtype)) return joined({" is ", type(), ", expected a type of numbers"});
    if (!fits || !multiply(count, block.bytes, expected) || bytes > most_planned)
        return joined({" is ", type(), ", which no memory could hold"});
    if (!t.panels &&
        (rank == 0 || t.shape.back() % block.values != 0 || bytes != stored_bytes(t.dtype, count)))
        return joined({" is ", type(), ", but has ", bytes, " bytes"});
    t.bytes = static_cast<std::size_t>(bytes);
    return {};
}

}  // namespace detail

/// A packed checkpoint that has been read.
struct Packed {
    PackedFor made_for;
    std::vector<StoredTensor> tensors;  ///< by name
};

/// Whether `file` begins as a packed checkpoint does.
[[nodiscard]] inline bool is_packed(std::span<const std::byte> file) noexcept {
    return file.size() >= sizeof detail::packed_magic &&
           std::memcmp(file.data(), detail::packed_magic, sizeof detail::packed_magic) == 0;
}

/// Reads the head of `file`, the bytes of a whole packed checkpoint, which must stay where they
/// are; `what` names it in errors. The data is not read: who uses a tensor compares its pieces with
/// packed_piece_is_good().
/// Bad input: another version (Errc::unsupported), a file that is cut off, too long, or whose head
/// is damaged or makes no sense (Errc::bad_format). Takes memory in proportion to the head.
[[gnu::cold]] inline Result<Packed> read_packed(std::span<const std::byte> file,
                                                std::string_view what) {
    using namespace detail;
    const auto fail = [&](Errc code, const std::string& why) {
        return Error{code, joined({printable(what, 400), ": ", why})};
    };
    if (!is_packed(file)) return fail(Errc::bad_format, "is no packed checkpoint");
    PackedReader in{file.subspan(sizeof packed_magic)};
    const auto version = in.number<std::uint32_t>();
    if (in.fine && version != packed_version)
        return fail(Errc::unsupported, joined({"is a packed checkpoint of version ", version,
                                               ", expected ", packed_version, ": pack it again"}));
    const auto count = in.number<std::uint32_t>();
    const auto head = in.number<std::uint64_t>(), data = in.number<std::uint64_t>();
    if (!in.fine || head > file.size() || head % packed_page != 0 || head < packed_page ||
        data > file.size() - static_cast<std::size_t>(head))
        return fail(Errc::bad_format, joined({"has ", file.size(),
                                              " bytes, fewer than it says: the file is cut off or "
                                              "damaged"}));
    const auto head_bytes = static_cast<std::size_t>(head),
               data_bytes = static_cast<std::size_t>(data);
    const auto covered = file.first(head_bytes - sizeof(std::uint64_t));
    std::uint64_t sum = 0;
    std::memcpy(&sum, covered.data() + covered.size(), sizeof sum);
    if (sum != checksum(covered)) return fail(Errc::bad_format, "its head is damaged");

    Packed all;
    in.left = covered.subspan(packed_fixed);
    all.made_for.config = in.number<std::uint64_t>();
    all.made_for.weights = in.string();
    all.made_for.layout = in.string();
    std::size_t at = 0, pieces = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        StoredTensor t;
        std::string fault = read_packed_tensor(in, t);
        if (fault.empty() && !all.tensors.empty() && all.tensors.back().name >= t.name)
            fault = " does not stand in its order";
        if (fault.empty() && aligned_size(t.bytes) > data_bytes - at)
            fault = joined({" has ", t.bytes, " bytes, but only ", data_bytes - at, " are left"});
        if (!fault.empty())
            return fail(Errc::bad_format, joined({"tensor ", printable(t.name), fault}));
        t.data = file.data() + head_bytes + at;
        t.sums = file.data() + head_bytes + data_bytes + pieces * sizeof(std::uint64_t);
        at += aligned_size(t.bytes);
        pieces += packed_pieces(t.bytes);
        all.tensors.push_back(std::move(t));
    }
    if (at != data_bytes)
        return fail(Errc::bad_format,
                    joined({"bytes [", at, ", ", data_bytes, "] of the data belong to no tensor"}));
    const std::size_t rest = file.size() - head_bytes - data_bytes;
    if (rest != pieces * sizeof(std::uint64_t))
        return fail(Errc::bad_format,
                    joined({"ends with ", rest, " bytes of checksums, expected ",
                            pieces * sizeof(std::uint64_t), ": the file is cut off or too long"}));
    return all;
}

/// Where the checksum of the piece is that begins at byte `begin` of a tensor.
[[nodiscard]] inline std::span<const std::byte> packed_sum(const StoredTensor& t,
                                                           std::size_t begin) noexcept {
    constexpr std::size_t size = sizeof(std::uint64_t);
    return {t.sums + begin / detail::packed_piece * size, size};
}

/// Whether the piece of a packed tensor that begins at byte `begin`, a multiple of packed_piece, is
/// what was written. `bytes` are the piece's, there or in a copy.
[[nodiscard]] inline bool packed_piece_is_good(const StoredTensor& t, std::size_t begin,
                                               std::span<const std::byte> bytes) noexcept {
    std::uint64_t sum = 0;
    std::memcpy(&sum, packed_sum(t, begin).data(), sizeof sum);
    return sum == checksum(bytes);
}

/// The head of a packed checkpoint of these tensors, which are in the order of their names, each
/// with a name of its own. Bad input: texts and ranks beyond what a reader takes.
inline Result<std::string> packed_head(const PackedFor& made_for,
                                       std::span<const PackedTensor> tensors) {
    using namespace detail;
    std::string head(packed_magic, sizeof packed_magic);
    const auto number = [&head](auto n) {
        head.append(reinterpret_cast<const char*>(&n), sizeof n);
    };
    bool fits = tensors.size() <= std::numeric_limits<std::uint32_t>::max();
    const auto string = [&](std::string_view text) {
        fits = fits && text.size() <= packed_most_text;
        number(static_cast<std::uint32_t>(text.size()));
        head += text;
    };
    std::uint64_t data = 0;
    for (const PackedTensor& t : tensors) data += aligned_size(t.bytes);
    number(packed_version);
    number(static_cast<std::uint32_t>(tensors.size()));
    number(std::uint64_t{0});  // the head's bytes, known at its end
    number(data);
    number(made_for.config);
    string(made_for.weights);
    string(made_for.layout);
    for (const PackedTensor& t : tensors) {
        string(t.name);
        string(name_of(t.dtype));
        number(static_cast<std::uint8_t>(t.panels ? 1 : 0));
        fits = fits && t.shape.size() <= packed_most_rank;
        number(static_cast<std::uint8_t>(t.shape.size()));
        for (const std::size_t n : t.shape) number(std::uint64_t{n});
        number(std::uint64_t{t.bytes});
    }
    if (!fits)
        return Error{Errc::invalid_argument,
                     "a packed checkpoint holds no name of more than 4096 bytes and no tensor of "
                     "more than 8 axes"};
    const std::size_t filled = head.size() + sizeof(std::uint64_t);
    head.resize((filled + packed_page - 1) / packed_page * packed_page - sizeof(std::uint64_t));
    const std::uint64_t bytes = head.size() + sizeof bytes;
    std::memcpy(head.data() + sizeof packed_magic + 8, &bytes, sizeof bytes);
    number(checksum(std::as_bytes(std::span(head))));
    return head;
}

}  // namespace carat::inline CARAT_ABI
