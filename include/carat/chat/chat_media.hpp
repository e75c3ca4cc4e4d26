/// \file
/// The pictures, sounds and videos of a conversation, each read once.
#pragma once

#include "carat/checkpoint/fnv1a.hpp"
#include "carat/joined.hpp"
#include "carat/json_writer.hpp"
#include "carat/progress.hpp"
#include "carat/result.hpp"
#include "carat/text/media_expansion.hpp"
#include "carat/text/media_parts.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// A picture, a sound or a video as a model takes it.
struct Medium {
    MediaText text{};           ///< what stands for it in the prompt, placeholders among it
    std::vector<float> rows{};  ///< [placeholders, hidden_size], not scaled
};
/// Reads a medium. A chat calls it once for each, when it first becomes part of a prompt. It may
/// tell its caller how far it is, and is told to stop.
using MediaReader = std::function<Result<Medium>(const MediaPart&, Progress)>;

/// What was read, by the parts of the messages that name it.
class ChatMedia {
  public:
    struct Held : Medium {
        std::uint64_t content = 0;  ///< differs where the medium does; not 0
    };
    /// A part's name among them.
    [[nodiscard]] static std::string key(const MediaPart& part) {
        JsonWriter w;
        return std::string(w.value(*part.part).text());
    }

    void set_reader(MediaReader reader) { reader_ = std::move(reader); }
    void clear() { held_.clear(); }
    const Held& add(std::string key, Medium medium) {
        Fnv1a content;
        content.add(std::as_bytes(std::span(medium.rows)));
        return held_.insert_or_assign(std::move(key), Held{std::move(medium), content.value() | 1})
            .first->second;
    }
    [[nodiscard]] const Held* find(const MediaPart& part) const {
        const auto known = held_.find(key(part));
        return known == held_.end() ? nullptr : &known->second;
    }
    /// Reads what is not known yet. Bad input: no reader, what the reader refuses, and rows that
    /// are not of `hidden` values each.
    Result<const Held*> read(const MediaPart& part, std::size_t hidden, Progress progress) {
        if (const Held* known = find(part)) return known;
        if (!reader_)
            return Error{Errc::unsupported,
                         part.where + ": " + part.source +
                             ": this chat has no reader for pictures, sounds and videos"};
        auto medium = reader_(part, progress);
        if (!medium) return std::move(medium).error();
        if (medium->rows.size() % hidden != 0)
            return Error{Errc::mismatch, joined({part.where, ": ", medium->rows.size(),
                                                 " values, expected rows of ", hidden})};
        return &add(key(part), *std::move(medium));
    }

  private:
    MediaReader reader_;
    std::map<std::string, Held> held_;
};

}  // namespace carat::inline CARAT_ABI
