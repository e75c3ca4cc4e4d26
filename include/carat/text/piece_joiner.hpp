/// \file
/// Pieces back into text, with the rule for runs of byte pieces.
#pragma once

#include "carat/text/unicode.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// Joins pieces in order. A run of byte pieces is text only if the whole run is valid UTF-8;
/// otherwise each of its bytes is one U+FFFD. So a run is held back until another piece or the end
/// shows how long it is; everything else comes out at once. Source: spec/processing.md, 2.2.
class PieceJoiner {
  public:
    /// The text that is certain once this byte has been added: none.
    void add_byte(std::uint8_t byte) { run_ += static_cast<char>(byte); }

    /// The text that is certain once this piece has been added; U+2581 becomes a space.
    [[nodiscard]] std::string add_piece(std::string_view piece) {
        constexpr std::string_view space = "\xE2\x96\x81";
        std::string out = finish();
        for (std::size_t at = piece.find(space); at != std::string_view::npos;
             at = piece.find(space)) {
            out += piece.substr(0, at);
            out += ' ';
            piece.remove_prefix(at + space.size());
        }
        out += piece;
        return out;
    }

    /// What was held back. The joiner is as new afterwards.
    [[nodiscard]] std::string finish() {
        std::string out;
        if (unicode::is_valid(run_)) {
            out.swap(run_);
        } else {
            for (std::size_t i = 0; i < run_.size(); ++i) out += unicode::replacement;
            run_.clear();
        }
        return out;
    }

  private:
    std::string run_;
};

}  // namespace carat::inline CARAT_ABI
