/// \file
/// The pictures, sounds and videos of a conversation, each read once.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/prompt/media_parts.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
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
    [[nodiscard]] static std::string key(const MediaPart& part);

    void set_reader(MediaReader reader) { reader_ = std::move(reader); }
    void clear() { held_.clear(); }
    const Held& add(std::string key, Medium medium);
    [[nodiscard]] const Held* find(const MediaPart& part) const;
    /// Reads what is not known yet. Bad input: no reader, what the reader refuses, and rows that
    /// are not of `hidden` values each.
    Result<const Held*> read(const MediaPart& part, std::size_t hidden, Progress progress);

  private:
    MediaReader reader_;
    std::map<std::string, Held> held_;
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/chat/chat_media.inl.hpp"
#endif
