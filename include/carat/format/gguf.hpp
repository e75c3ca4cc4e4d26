/// \file
/// Gguf: the head of a GGUF file, version 3: its metadata and the places of its tensors.
///
/// Everything is a view of the caller's bytes, or of a copy of the head; nothing a file says of
/// itself is believed before the bytes are there. What a tensor's type and place mean is
/// checkpoint/gguf/gguf_tensors.hpp's matter. Source: spec/checkpoint.md section 7.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/name_order.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

class Gguf {
    static_assert(std::endian::native == std::endian::little,
                  "carat: GGUF files are little-endian and are used as they lie in memory");

  public:
    enum class Type : std::uint32_t {
        u8,
        i8,
        u16,
        i16,
        u32,
        i32,
        f32,
        boolean,
        string,
        array,
        u64,
        i64,
        f64
    };
    /// A value of the metadata; its bytes lie in the file, aligned to nothing.
    struct Value {
        Type type = Type::u8;
        Type element = Type::u8;  ///< of an array
        std::size_t count = 1;    ///< of an array
        /// A scalar, the text of a string, or the elements of an array (strings with their
        /// lengths).
        std::span<const std::byte> bytes;
    };
    struct Entry {
        std::string_view key;
        Value value;
    };
    struct Tensor {
        std::string_view name;
        std::uint32_t type = 0;  ///< ggml_type
        std::size_t rank = 0;
        std::array<std::uint64_t, 4> dims{1, 1, 1, 1};  ///< the fastest-varying first
        std::uint64_t offset = 0;                       ///< from data_start()
    };

    static constexpr std::size_t most_entries = std::size_t{1} << 16,
                                 most_tensors = std::size_t{1} << 17, most_key_bytes = 1024,
                                 most_name_bytes = 64, most_nesting = 4,
                                 most_head_bytes = std::size_t{1} << 28;

    /// Reads the head of a file out of its first bytes, which must stay where they are. `what`
    /// names it in errors.
    /// Bad input: anything but a whole head of version 3 (2 is laid out alike), a key or a name
    /// twice, numbers beyond the limits above: Errc::bad_format or Errc::unsupported, the first
    /// fault alone, for behind it nothing has a meaning. Takes memory for entries and tensors that
    /// are there, some times what they take in the file.
    static Result<Gguf> read(std::span<const std::byte> file, std::string_view what) {
        return memory_errors(what, [&]() -> Result<Gguf> {
            Gguf all;
            Reader in{file, 0, {}, Errc::bad_format};
            if (!all.read_head(in))
                return Error{in.code, joined({printable(what, 400), ": ", in.fault})};
            all.bytes_ = file;
            return all;
        });
    }

    /// The same with a copy of the head, for a file that may change: its bytes need not stay. Bad
    /// input: also a head of more than most_head_bytes.
    static Result<Gguf> read_copy(std::span<const std::byte> file, std::string_view what) {
        return memory_errors(what, [&]() -> Result<Gguf> {
            const Result<Gguf> there = read(file, what);
            if (!there) return there.error();
            const std::size_t size = std::min(file.size(), there->data_start());
            if (size > most_head_bytes)
                return Error{Errc::unsupported,
                             joined({printable(what, 400), ": has a head of ", size,
                                     " bytes, expected at most ", most_head_bytes})};
            std::unique_ptr<std::byte[]> own(new std::byte[size]);
            std::memcpy(own.get(), file.data(), size);
            // Again, for the file may have changed already.
            Result<Gguf> copy = read({own.get(), size}, what);
            if (copy) copy->own_ = std::move(own);
            return copy;
        });
    }

    /// What it is a view of: the whole file, or a copy of its head.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
    /// By key.
    [[nodiscard]] std::span<const Entry> metadata() const noexcept { return entries_; }
    /// In the order of the file.
    [[nodiscard]] std::span<const Tensor> tensors() const noexcept { return tensors_; }
    /// Where in the file the data begins; every tensor begins at a multiple of alignment() of it.
    [[nodiscard]] std::size_t data_start() const noexcept { return data_start_; }
    [[nodiscard]] std::size_t alignment() const noexcept { return alignment_; }

    [[nodiscard]] const Value* find(std::string_view key) const noexcept {
        const auto at =
            std::lower_bound(entries_.begin(), entries_.end(), key,
                             [](const Entry& e, std::string_view k) { return e.key < k; });
        return at != entries_.end() && at->key == key ? &at->value : nullptr;
    }

    // ---- values as what they are wanted for; nothing where they are something else

    [[nodiscard]] static std::optional<std::string_view> string(const Value* v) noexcept {
        if (v == nullptr || v->type != Type::string) return std::nullopt;
        return text_of(v->bytes);
    }
    [[nodiscard]] static std::optional<bool> boolean(const Value* v) noexcept {
        if (v == nullptr || v->type != Type::boolean) return std::nullopt;
        return v->bytes[0] != std::byte{0};
    }
    /// A whole number of any width that is not negative.
    [[nodiscard]] static std::optional<std::uint64_t> unsigned_integer(const Value* v) noexcept {
        if (v == nullptr) return std::nullopt;
        return integer_of(v->type, v->bytes.data());
    }
    [[nodiscard]] static std::optional<float> real(const Value* v) noexcept {
        if (v == nullptr || v->type != Type::f32) return std::nullopt;
        return load<float>(v->bytes.data());
    }
    /// Element i of an array of whole numbers.
    [[nodiscard]] static std::optional<std::uint64_t> unsigned_integer(const Value& array,
                                                                       std::size_t i) noexcept {
        const std::size_t size = size_of_type(array.element);
        if (array.type != Type::array || size == 0 || i >= array.count) return std::nullopt;
        return integer_of(array.element, array.bytes.data() + i * size);
    }
    /// f(i, text) for the strings of an array, until it returns false.
    template <class F>
    static void for_each_string(const Value& array, F&& f) {
        if (array.type != Type::array || array.element != Type::string) return;
        std::span<const std::byte> rest = array.bytes;
        for (std::size_t i = 0; i < array.count; ++i) {
            const auto length = static_cast<std::size_t>(load<std::uint64_t>(rest.data()));
            if (!f(i, text_of(rest.subspan(8, length)))) return;
            rest = rest.subspan(8 + length);
        }
    }
    /// "a u32", "an array of string"
    [[nodiscard]] static std::string describe(const Value* v) {
        if (v == nullptr) return "missing";
        if (v->type != Type::array) return "of type " + std::string(name_of_type(v->type));
        return joined({"an array of ", v->count, " ", name_of_type(v->element)});
    }

    template <class T>
    [[nodiscard]] static T load(const std::byte* from) noexcept {
        T x;
        std::memcpy(&x, from, sizeof x);
        return x;
    }

  private:
    static constexpr std::size_t types = 13;
    /// 0 for strings and arrays, which have no fixed size.
    static constexpr std::size_t size_of_type(Type t) noexcept {
        constexpr std::size_t sizes[types] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        return sizes[static_cast<std::size_t>(t)];
    }
    static constexpr std::string_view name_of_type(Type t) noexcept {
        constexpr std::string_view names[types] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                   "i32", "f32", "bool", "string", "array",
                                                   "u64", "i64", "f64"};
        return names[static_cast<std::size_t>(t)];
    }
    static std::string_view text_of(std::span<const std::byte> bytes) noexcept {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    template <class T>
    static std::optional<std::uint64_t> not_negative(const std::byte* at) noexcept {
        const T x = load<T>(at);
        if (x < 0) return std::nullopt;
        return static_cast<std::uint64_t>(x);
    }
    static std::optional<std::uint64_t> integer_of(Type type, const std::byte* at) noexcept {
        switch (type) {
            case Type::u8:
                return load<std::uint8_t>(at);
            case Type::u16:
                return load<std::uint16_t>(at);
            case Type::u32:
                return load<std::uint32_t>(at);
            case Type::u64:
                return load<std::uint64_t>(at);
            case Type::boolean:
                return load<std::uint8_t>(at) != 0 ? 1 : 0;
            case Type::i8:
                return not_negative<std::int8_t>(at);
            case Type::i16:
                return not_negative<std::int16_t>(at);
            case Type::i32:
                return not_negative<std::int32_t>(at);
            case Type::i64:
                return not_negative<std::int64_t>(at);
            default:
                return std::nullopt;
        }
    }

    struct Reader {
        std::span<const std::byte> file;
        std::size_t at;
        std::string fault;
        Errc code;

        bool fail(std::string why, Errc as = Errc::bad_format) {
            fault = std::move(why);
            code = as;
            return false;
        }
        [[nodiscard]] std::size_t left() const { return file.size() - at; }
        /// The next n bytes, of `what`.
        bool bytes(std::uint64_t n, std::string_view what, std::span<const std::byte>& out) {
            if (n > left())
                return fail(joined({"byte ", at, ": ", what, " takes ", n, " bytes, but only ",
                                    left(), " are there"}));
            out = file.subspan(at, static_cast<std::size_t>(n));
            at += static_cast<std::size_t>(n);
            return true;
        }
        template <class T>
        bool number(std::string_view what, T& out) {
            std::span<const std::byte> b;
            if (!bytes(sizeof(T), what, b)) return false;
            out = load<T>(b.data());
            return true;
        }
        bool string(std::string_view what, std::span<const std::byte>& out) {
            std::uint64_t length = 0;
            return number(what, length) && bytes(length, what, out);
        }
        bool type(std::string_view what, Type& out) {
            std::uint32_t t = 0;
            if (!number(what, t)) return false;
            if (t >= types)
                return fail(joined({what, " has the value type ", t, ", expected 0 to 12"}));
            out = static_cast<Type>(t);
            return true;
        }
    };

    [[gnu::cold]] bool read_head(Reader& in) {
        if (in.file.size() < 24)
            return in.fail(joined({"has ", in.file.size(), " bytes, too few for a GGUF file"}));
        std::uint32_t magic = 0, version = 0;
        std::uint64_t tensor_count = 0, entry_count = 0;
        in.number("the magic number", magic);
        in.number("the version", version);
        in.number("the number of tensors", tensor_count);
        in.number("the number of metadata entries", entry_count);
        if (magic != 0x46554747u) return in.fail("does not begin with \"GGUF\": not a GGUF file");
        if (version != 2 && version != 3)
            return in.fail(joined({"is GGUF version ", version, ", expected 2 or 3"}),
                           Errc::unsupported);
        if (entry_count > most_entries)
            return in.fail(joined({"says it has ", entry_count,
                                   " metadata entries, expected at most ", most_entries}));
        if (tensor_count > most_tensors)
            return in.fail(joined(
                {"says it has ", tensor_count, " tensors, expected at most ", most_tensors}));
        for (std::uint64_t i = 0; i < entry_count; ++i)
            if (!read_entry(in)) return false;
        sort_by_name(entries_, [](const Entry& e) { return e.key; });
        for (std::size_t i = 1; i < entries_.size(); ++i)
            if (entries_[i].key == entries_[i - 1].key)
                return in.fail(
                    joined({"metadata key ", printable(entries_[i].key), " is there twice"}));
        for (std::uint64_t i = 0; i < tensor_count; ++i)
            if (!read_tensor(in)) return false;
        return unique_names(in) && find_data(in);
    }

    bool read_entry(Reader& in) {
        std::span<const std::byte> key;
        if (!in.string("a metadata key", key)) return false;
        if (key.empty() || key.size() > most_key_bytes)
            return in.fail(joined({"metadata entry ", entries_.size(), " has a key of ", key.size(),
                                   " bytes, expected 1 to ", most_key_bytes}));
        Entry entry{text_of(key), {}};
        const std::string what = "metadata key " + printable(entry.key);
        if (!in.type(what, entry.value.type) || !read_value(in, what, entry.value)) return false;
        entries_.push_back(entry);
        return true;
    }

    static bool read_value(Reader& in, const std::string& what, Value& value) {
        if (value.type == Type::string) return in.string(what, value.bytes);
        if (value.type != Type::array) return in.bytes(size_of_type(value.type), what, value.bytes);
        std::uint64_t count = 0;
        if (!in.type(what, value.element) || !in.number(what, count)) return false;
        const std::size_t begin = in.at;
        if (!skip_elements(in, what, value.element, count, 1)) return false;
        value.count = static_cast<std::size_t>(count);
        value.bytes = in.file.subspan(begin, in.at - begin);
        return true;
    }

    static bool skip_elements(Reader& in, const std::string& what, Type element,
                              std::uint64_t count, std::size_t depth) {
        const std::size_t fixed = size_of_type(element);
        const std::size_t least = fixed > 0 ? fixed : element == Type::string ? 8 : 12;
        if (count > in.left() / least)
            return in.fail(joined({what, " is an array of ", count, " ", name_of_type(element),
                                   ", but only ", in.left(), " bytes are there"}));
        if (fixed > 0) {
            in.at += static_cast<std::size_t>(count) * fixed;
            return true;
        }
        if (element == Type::array && depth >= most_nesting)
            return in.fail(joined({what, " nests arrays deeper than ", most_nesting}));
        for (std::uint64_t i = 0; i < count; ++i) {
            std::span<const std::byte> text;
            Type inner{};
            std::uint64_t n = 0;
            const bool fine = element == Type::string
                                  ? in.string(what, text)
                                  : in.type(what, inner) && in.number(what, n) &&
                                        skip_elements(in, what, inner, n, depth + 1);
            if (!fine) return false;
        }
        return true;
    }

    [[gnu::cold]] bool read_tensor(Reader& in) {
        std::span<const std::byte> name;
        if (!in.string("the name of a tensor", name)) return false;
        if (name.empty() || name.size() > most_name_bytes)
            return in.fail(joined({"tensor ", tensors_.size(), " has a name of ", name.size(),
                                   " bytes, expected 1 to ", most_name_bytes}));
        Tensor t;
        t.name = text_of(name);
        const std::string what = "tensor " + printable(t.name);
        std::uint32_t rank = 0;
        if (!in.number(what, rank)) return false;
        if (rank == 0 || rank > t.dims.size())
            return in.fail(joined({what, " has ", rank, " axes, expected 1 to 4"}));
        t.rank = rank;
        for (std::size_t i = 0; i < rank; ++i)
            if (!in.number(what, t.dims[i])) return false;
        if (!in.number(what, t.type) || !in.number(what, t.offset)) return false;
        tensors_.push_back(t);
        return true;
    }

    bool unique_names(Reader& in) const {
        std::vector<std::string_view> names;
        names.reserve(tensors_.size());
        for (const Tensor& t : tensors_) names.push_back(t.name);
        sort_by_name(names, [](std::string_view name) { return name; });
        const auto twice = std::adjacent_find(names.begin(), names.end());
        return twice == names.end() ||
               in.fail(joined({"tensor ", printable(*twice), " is there twice"}));
    }

    bool find_data(Reader& in) {
        if (const Value* v = find("general.alignment")) {
            const std::uint64_t n = unsigned_integer(v).value_or(0);
            if (n == 0 || n > (1u << 20) || n % 8 != 0)
                return in.fail(joined({"general.alignment is ",
                                       unsigned_integer(v) ? std::to_string(n) : describe(v),
                                       ", expected a multiple of 8 up to 1048576"}));
            alignment_ = static_cast<std::size_t>(n);
        }
        data_start_ = (in.at + alignment_ - 1) / alignment_ * alignment_;
        return true;
    }

    std::unique_ptr<std::byte[]> own_;
    std::span<const std::byte> bytes_;
    std::vector<Entry> entries_;
    std::vector<Tensor> tensors_;
    std::size_t data_start_ = 0, alignment_ = 32;
};

inline constexpr std::string_view gguf_ending = ".gguf";

/// Whether a name ends in ".gguf", or in ".GGUF", as other systems write it.
[[nodiscard]] constexpr bool is_gguf_path(std::string_view path) noexcept {
    if (path.size() < gguf_ending.size()) return false;
    path.remove_prefix(path.size() - gguf_ending.size());
    return std::equal(path.begin(), path.end(), gguf_ending.begin(),
                      [](char a, char b) { return a == b || (a >= 'A' && a + ('a' - 'A') == b); });
}

}  // namespace carat::inline CARAT_ABI
