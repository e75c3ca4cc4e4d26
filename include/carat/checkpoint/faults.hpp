/// \file
/// Faults: everything that is wrong with a file, gathered into one Error.
#pragma once

#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

/// Collects what is wrong, one line each, up to a number that a person still reads. The code of the
/// Error is that of the first fault.
class Faults {
  public:
    static constexpr std::size_t most_lines = 20;

    /// `where` names the file: it begins every line.
    [[gnu::noinline, gnu::cold]] explicit Faults(std::string_view where)
        : where_(printable(where, 400)) {}

    [[gnu::noinline, gnu::cold]] void add(Errc code, std::string_view what) {
        if (count_ == 0) code_ = code;
        if (++count_ > most_lines) return;
        if (count_ > 1) text_ += '\n';
        text_.append(where_).append(": ").append(what);
    }
    /// A fault in one of several files.
    void add_in(std::string_view file, Errc code, std::string_view what) {
        std::string name = printable(file, 400);
        std::swap(where_, name);
        add(code, what);
        std::swap(where_, name);
    }
    [[nodiscard]] bool none() const noexcept { return count_ == 0; }
    /// Enough has been found: looking for more would change no line.
    [[nodiscard]] bool full() const noexcept { return count_ > most_lines; }
    [[nodiscard]] [[gnu::noinline, gnu::cold]] Error error() const {
        Error all{code_, text_};
        if (count_ > most_lines)
            all.text += "\nand " + std::to_string(count_ - most_lines) + " more faults like these";
        return all;
    }

  private:
    std::string where_, text_;
    Errc code_ = Errc::bad_format;
    std::size_t count_ = 0;
};

/// a * b, or false where that is more than a size_t holds.
[[nodiscard]] constexpr bool multiply(std::size_t a, std::size_t b, std::size_t& product) {
    if (b != 0 && a > static_cast<std::size_t>(-1) / b) return false;
    product = a * b;
    return true;
}

/// "[6144, 1536]"
[[nodiscard]] [[gnu::noinline, gnu::cold]] inline std::string shape_text(
    std::span<const std::size_t> sizes) {
    std::string text = "[";
    std::size_t axis = 0;
    for (const std::size_t n : sizes) {
        if (axis++ > 0) text += ", ";
        text += std::to_string(n);
    }
    return text + "]";
}

}  // namespace carat::inline CARAT_ABI
