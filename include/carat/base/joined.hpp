/// \file
/// Texts put together from words and numbers, as those of errors are: one call, where a chain of +
/// is a function's worth of code at each place.
#pragma once

#include "carat/base/abi.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// A part of a text, for as long as what it was made from is there. Two words of memory, for there
/// are hundreds of places that fill some in.
class Word {
  public:
    Word(std::string_view text) : text_(text.data()), size_(text.size()) {}
    Word(const char* text) : Word(std::string_view(text)) {}
    Word(const std::string& text) : text_(text.data()), size_(text.size()) {}
    /// In decimal.
    template <std::unsigned_integral T>
    Word(T number) : text_(&is_number), size_(number) {}

    void append_to(std::string& text) const {
        if (text_ == &is_number) {
            text += std::to_string(size_);
        } else {
            text.append(text_, static_cast<std::size_t>(size_));
        }
    }

  private:
    static constexpr char is_number = 0;  ///< its address says that there is no text

    const char* text_;
    std::uint64_t size_;  ///< or the number
};

/// joined({"layer ", 3u, " of ", name})
[[nodiscard]] [[gnu::noinline, gnu::cold]] inline std::string joined(
    std::initializer_list<Word> words) {
    std::string text;
    for (const Word& word : words) word.append_to(text);
    return text;
}

}  // namespace carat::inline CARAT_ABI
