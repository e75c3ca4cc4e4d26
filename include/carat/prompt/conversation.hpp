/// \file
/// A conversation, built in C++ or read from a messages file.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_parse.hpp"

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

/// A part of what a user says: text, or a medium by its file, whose name is UTF-8 as all text is.
struct ContentPart {
    std::string_view type;    ///< text, image, audio or video
    std::string_view member;  ///< the member that holds the value: text or path
    std::string value;
    double fps = 0;  ///< of a video that does not say it itself; 0: unknown
};
[[nodiscard]] inline ContentPart text_part(std::string text) {
    return {"text", "text", std::move(text)};
}
[[nodiscard]] inline ContentPart image_part(std::string path) {
    return {"image", "path", std::move(path)};
}
[[nodiscard]] inline ContentPart audio_part(std::string path) {
    return {"audio", "path", std::move(path)};
}
/// A folder of frames or a video file; `fps` says how many frames a second a folder has.
[[nodiscard]] inline ContentPart video_part(std::string path, double fps = 0) {
    return {"video", "path", std::move(path), fps};
}

/// Messages and tools in the form of spec/chat.md, section 3. Move only.
/// Whatever it accepts can be saved and read again: bytes that are not UTF-8 become one U+FFFD
/// each, as they do for Tokenizer::encode, numbers that are none become null.
///
///     carat::Conversation talk;
///     talk.system("Be brief.").user("What is the capital of France?");
///     auto prompt = carat::render_chat(talk.messages(), talk.tools(), options);
class Conversation {
  public:
    Conversation();

    /// How deep a messages file may nest: a saved chat is one level more.
    static constexpr std::size_t max_depth = json::max_depth - 1;

    /// From the text of a messages file, `{"messages": [...], "tools": [...]}`, tools optional;
    /// what else it says is not kept. `what` names the file in errors. What the messages say is
    /// looked at by render_chat.
    [[nodiscard]] static Result<Conversation> from_json(std::string_view text,
                                                        std::string_view what);

    /// Instructions for the whole conversation; they count as such only before anything else.
    Conversation& system(std::string_view text) { return say("system", text); }
    Conversation& user(std::string_view text) { return say("user", text); }
    /// Text and media in order; media are best put before the question.
    Conversation& user(std::initializer_list<ContentPart> parts) {
        return user(std::span(parts.begin(), parts.size()));
    }
    Conversation& user(std::span<const ContentPart> parts);
    /// What the model said, as plain text.
    Conversation& assistant(std::string_view text) { return say("assistant", text); }

    /// What the model said, as parse_reply took it apart: its thoughts and calls are kept for the
    /// rest of the turn. Text and calls are two messages, which the renderer joins in one turn.
    /// Arguments that nest deeper than max_call_depth are left out.
    Conversation& assistant(const Reply& reply);

    /// The result of a call that the last message made: a value (an object is best) or plain text.
    /// An error where the last message is not the assistant's, and for a value that nests deeper
    /// than max_depth in its place.
    [[nodiscard]] Result<void> tool_result(std::string_view name, const JsonValue& value);
    [[nodiscard]] Result<void> tool_result(std::string_view name, std::string_view text);

    /// The functions that the model may call: the text of a JSON array as in a messages file.
    /// `what` names it in errors.
    [[nodiscard]] Result<void> set_tools(std::string_view json_text,
                                         std::string_view what = "tools");

    /// Takes back the user's last message and everything after it. The text of that message, its
    /// parts joined by blanks; nothing where there is none.
    std::optional<std::string> undo();
    /// The user's last message with another text, and nothing after it. Its pictures, sounds and
    /// videos stay. Where the user said nothing yet, it is said now.
    Conversation& edit(std::string_view text);
    /// The same messages and tools once more.
    [[nodiscard]] Conversation copy() const;
    /// `{"messages": [...], "tools": [...]}`.
    [[nodiscard]] const JsonValue& json() const noexcept { return root_; }
    /// The functions that the model may call, an array that nests less deep than
    /// max_depth; anything else takes them away.
    void set_tools(const JsonValue& tools);

    /// An array.
    [[nodiscard]] const JsonValue& messages() const;
    /// What the file says, null where it says nothing.
    [[nodiscard]] const JsonValue* tools() const;

  private:
    Json::AllocatorType& memory() { return root_.GetAllocator(); }
    JsonValue string(std::string_view text);
    /// A copy of a value, null where it nests deeper than `levels`.
    JsonValue copied(const JsonValue& value, std::size_t levels);
    void put(JsonValue& object, std::string_view name, JsonValue value);
    JsonValue& list() { return const_cast<JsonValue&>(messages()); }
    /// The user's last message, and nothing behind it; none where there is none, and all stays.
    JsonValue* last_of_user();
    JsonValue& last() { return list()[list().Size() - 1]; }

    Conversation& say(std::string_view role, std::string_view text) {
        return add(role, string(text));
    }
    Conversation& add(std::string_view role, JsonValue content);

    Json root_;
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/conversation.inl.hpp"
#endif
