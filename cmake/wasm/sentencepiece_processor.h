// What carat uses of sentencepiece, for a build that has no sentencepiece to link: the processor of
// BPE models with byte fallback that carat writes. tests/text holds both to the same plain
// algorithm.
#pragma once

#include "carat/text/sentencepiece_proto.hpp"

#include <cstddef>
#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sentencepiece {

class Status {
  public:
    Status() = default;
    explicit Status(std::string text) : text_(std::move(text)), ok_(false) {}
    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] std::string ToString() const { return text_; }

  private:
    std::string text_;
    bool ok_ = true;
};

class SentencePieceProcessor {
  public:
    Status LoadFromSerializedProto(std::string_view bytes) {
        auto read = carat::read_sentencepiece_proto(bytes, "the model");
        if (!read) return Status(read.error().text);
        vocabulary_ = *std::move(read);
        for (std::size_t id = 0; id < vocabulary_.pieces.size(); ++id) {
            ids_.emplace(vocabulary_.pieces[id], static_cast<int>(id));
            if (vocabulary_.types[id] == Type::unknown) unknown_ = static_cast<int>(id);
        }
        return {};
    }

    Status Encode(std::string_view text, std::vector<int>* ids) const {
        std::string spaced;
        for (const char c : text) spaced += c == ' ' ? "\xE2\x96\x81" : std::string(1, c);
        std::vector<Symbol> symbols = characters(spaced);
        std::priority_queue<Pair> pairs;
        const auto consider = [&](std::size_t left) {
            const std::size_t right = left < symbols.size() ? symbols[left].next : symbols.size();
            if (right >= symbols.size()) return;
            const std::size_t length = symbols[left].text.size() + symbols[right].text.size();
            const auto merged = ids_.find({symbols[left].text.data(), length});
            if (merged != ids_.end() && is_text(merged->second))
                pairs.push({vocabulary_.scores[index(merged->second)], ~left, length});
        };
        for (std::size_t i = 0; i < symbols.size(); ++i) consider(i);
        while (!pairs.empty()) {
            const std::size_t left = ~std::get<1>(pairs.top()), length = std::get<2>(pairs.top());
            pairs.pop();
            const std::size_t right = symbols[left].next;
            // Stale where one side has been merged since.
            if (right >= symbols.size() || symbols[left].text.empty() ||
                symbols[left].text.size() + symbols[right].text.size() != length)
                continue;
            symbols[left].text = {symbols[left].text.data(), length};
            symbols[left].next = symbols[right].next;
            symbols[right].text = {};
            if (symbols[left].next < symbols.size()) symbols[symbols[left].next].previous = left;
            consider(left);
            consider(symbols[left].previous);
        }
        ids->clear();
        for (const Symbol& s : symbols) {
            if (s.text.empty()) continue;
            if (const auto it = ids_.find(s.text); it != ids_.end() && is_text(it->second)) {
                ids->push_back(it->second);
            } else {
                for (const char byte : s.text)
                    ids->push_back(PieceToId(carat::byte_piece(static_cast<std::uint8_t>(byte))));
            }
        }
        return {};
    }

    [[nodiscard]] const std::string& IdToPiece(int id) const {
        return vocabulary_.pieces[index(id)];
    }
    [[nodiscard]] int PieceToId(std::string_view piece) const {
        const auto it = ids_.find(piece);
        return it == ids_.end() ? unknown_ : it->second;
    }
    [[nodiscard]] bool IsControl(int id) const { return type(id) == Type::control; }
    [[nodiscard]] bool IsUnknown(int id) const { return type(id) == Type::unknown; }
    [[nodiscard]] bool IsUnused(int id) const { return type(id) == Type::unused; }

  private:
    using Type = carat::PieceType;
    using Pair = std::tuple<float, std::size_t, std::size_t>;  // score, ~left, bytes of both
    struct Symbol {
        std::string_view text;
        std::size_t previous, next;
    };

    static std::size_t index(int id) { return static_cast<std::size_t>(id); }
    [[nodiscard]] Type type(int id) const { return vocabulary_.types[index(id)]; }
    [[nodiscard]] bool is_text(int id) const { return type(id) == Type::normal; }

    static std::vector<Symbol> characters(std::string_view text) {
        std::vector<Symbol> symbols;
        while (!text.empty()) {
            const std::size_t length = carat::unicode::first_code_point(text).length;
            symbols.push_back({text.substr(0, length), symbols.size() - 1, symbols.size() + 1});
            text.remove_prefix(length);
        }
        return symbols;
    }

    carat::Vocabulary vocabulary_;
    std::unordered_map<std::string_view, int> ids_;  // of vocabulary_'s pieces
    int unknown_ = 0;
};

}  // namespace sentencepiece
