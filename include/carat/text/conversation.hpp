/// \file
/// A conversation, built in C++ or read from a messages file.
#pragma once

#include "carat/json.hpp"
#include "carat/result.hpp"
#include "carat/text/chat_parse.hpp"

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

/// A part of what a user says: text, or a medium by its file.
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
///
///     carat::Conversation talk;
///     talk.system("Be brief.").user("What is the capital of France?");
///     auto prompt = carat::render_chat(talk.messages(), talk.tools(), options);
class Conversation {
  public:
    Conversation() {
        root_.SetObject();
        root_.AddMember("messages", JsonValue(rapidjson::kArrayType), memory());
    }

    /// From the text of a messages file, `{"messages": [...], "tools": [...]}`, tools optional.
    /// `what` names the file in errors. What the messages say is looked at by render_chat.
    [[nodiscard]] static Result<Conversation> from_json(std::string_view text,
                                                        std::string_view what) {
        auto tree = parse_json(text, what);
        if (!tree) return std::move(tree).error();
        const JsonValue* messages = json::find(*tree, "messages");
        if (messages == nullptr || !messages->IsArray()) {
            return Error{Errc::bad_format,
                         std::string(what) + ": messages is " + json::type_name(messages) +
                             ", expected {\"messages\": [...], \"tools\": [...]}"};
        }
        Conversation out;
        out.root_ = *std::move(tree);
        return out;
    }

    /// Instructions for the whole conversation; they count as such only before anything else.
    Conversation& system(std::string_view text) { return say("system", text); }
    Conversation& user(std::string_view text) { return say("user", text); }
    /// Text and media in order; media are best put before the question.
    Conversation& user(std::initializer_list<ContentPart> parts) {
        return user(std::span(parts.begin(), parts.size()));
    }
    Conversation& user(std::span<const ContentPart> parts) {
        JsonValue content(rapidjson::kArrayType);
        for (const ContentPart& part : parts) {
            JsonValue object(rapidjson::kObjectType);
            object.AddMember("type", string(part.type), memory());
            object.AddMember(string(part.member), string(part.value), memory());
            if (part.fps > 0) object.AddMember("fps", part.fps, memory());
            content.PushBack(std::move(object), memory());
        }
        return add("user", std::move(content));
    }
    /// What the model said, as plain text.
    Conversation& assistant(std::string_view text) { return say("assistant", text); }

    /// What the model said, as parse_reply took it apart: its thoughts and calls are kept for the
    /// rest of the turn.
    Conversation& assistant(const Reply& reply) {
        const bool only_calls = reply.content.empty() && !reply.tool_calls.empty();
        add("assistant", only_calls ? JsonValue() : string(reply.content));
        JsonValue& message = last();
        if (!reply.thinking.empty())
            message.AddMember("reasoning", string(reply.thinking), memory());
        if (reply.tool_calls.empty()) return *this;
        JsonValue calls(rapidjson::kArrayType);
        for (const ToolCall& call : reply.tool_calls) {
            JsonValue function(rapidjson::kObjectType);
            function.AddMember("name", string(call.name), memory());
            function.AddMember("arguments", JsonValue(call.arguments, memory()), memory());
            JsonValue object(rapidjson::kObjectType);
            object.AddMember("type", "function", memory());
            object.AddMember("function", std::move(function), memory());
            calls.PushBack(std::move(object), memory());
        }
        message.AddMember("tool_calls", std::move(calls), memory());
        return *this;
    }

    /// The result of a call that the last message made: a value (an object is best) or plain text.
    /// An error where the last message is not the assistant's.
    [[nodiscard]] Result<void> tool_result(std::string_view name, const JsonValue& value) {
        if (json::elements(messages()).empty() ||
            json::string(json::find(last(), "role")) != "assistant") {
            return Error{Errc::invalid_argument,
                         "a result of " + std::string(name) +
                             " without a call, expected the assistant's message before it"};
        }
        JsonValue& message = last();
        if (!message.HasMember("tool_responses")) {
            message.AddMember("tool_responses", JsonValue(rapidjson::kArrayType), memory());
        }
        JsonValue& list = message["tool_responses"];
        if (!list.IsArray()) list.SetArray();
        JsonValue response(rapidjson::kObjectType);
        response.AddMember("name", string(name), memory());
        response.AddMember("response", JsonValue(value, memory()), memory());
        list.PushBack(std::move(response), memory());
        return {};
    }
    [[nodiscard]] Result<void> tool_result(std::string_view name, std::string_view text) {
        return tool_result(name, string(text));
    }

    /// The functions that the model may call: the text of a JSON array as in a messages file.
    /// `what` names it in errors.
    [[nodiscard]] Result<void> set_tools(std::string_view json_text,
                                         std::string_view what = "tools") {
        const auto tree = parse_json(json_text, what);
        if (!tree) return tree.error();
        if (!tree->IsArray()) {
            return Error{Errc::bad_format, std::string(what) + " is " + json::type_name(&*tree) +
                                               ", expected an array of tools"};
        }
        set_tools(*tree);
        return {};
    }

    /// Takes back the user's last message and everything after it. The text of that message, its
    /// parts joined by blanks; nothing where there is none.
    std::optional<std::string> undo() {
        const JsonValue* said = last_of_user();
        if (said == nullptr) return std::nullopt;
        const JsonValue* content = json::find(*said, "content");
        std::string text(json::string(content).value_or(""));
        for (const JsonValue& part : json::elements(content))
            if (const auto piece = json::string(json::find(part, "text")))
                text += (text.empty() ? "" : " ") + std::string(*piece);
        list().PopBack();
        return text;
    }
    /// The user's last message with another text, and nothing after it. Its pictures, sounds and
    /// videos stay. Where the user said nothing yet, it is said now.
    Conversation& edit(std::string_view text) {
        JsonValue* said = last_of_user();
        if (said == nullptr) return user(text);
        JsonValue& content = (*said)["content"];
        if (!content.IsArray()) {
            content = string(text);
            return *this;
        }
        JsonValue part(rapidjson::kObjectType), parts(rapidjson::kArrayType);
        part.AddMember("type", "text", memory());
        part.AddMember("text", string(text), memory());
        for (JsonValue& old : content.GetArray()) {
            if (json::string(json::find(old, "type")) != "text") {
                parts.PushBack(old, memory());
            } else if (!part.IsNull()) {
                parts.PushBack(part, memory());  // where the first text was; leaves null
            }
        }
        if (!part.IsNull()) parts.PushBack(part, memory());
        content = std::move(parts);
        return *this;
    }
    /// The same messages and tools once more.
    [[nodiscard]] Conversation copy() const {
        Conversation other;
        other.root_.CopyFrom(root_, other.memory());
        return other;
    }
    /// `{"messages": [...], "tools": [...]}`.
    [[nodiscard]] const JsonValue& json() const noexcept { return root_; }
    /// The functions that the model may call, an array; anything else takes them away.
    void set_tools(const JsonValue& tools) {
        root_.RemoveMember("tools");
        if (tools.IsArray()) root_.AddMember("tools", JsonValue(tools, memory()), memory());
    }

    /// An array.
    [[nodiscard]] const JsonValue& messages() const { return *json::find(root_, "messages"); }
    /// What the file says, null where it says nothing.
    [[nodiscard]] const JsonValue* tools() const { return json::find(root_, "tools"); }

  private:
    Json::AllocatorType& memory() { return root_.GetAllocator(); }
    JsonValue string(std::string_view text) {
        return JsonValue(text.empty() ? "" : text.data(),
                         static_cast<rapidjson::SizeType>(text.size()), memory());
    }
    JsonValue& list() { return const_cast<JsonValue&>(messages()); }
    /// The user's last message, and nothing behind it; none where there is none, and all stays.
    JsonValue* last_of_user() {
        for (rapidjson::SizeType i = list().Size(); i > 0; --i) {
            if (json::string(json::find(list()[i - 1], "role")) != "user") continue;
            if (!list()[i - 1].HasMember("content"))
                list()[i - 1].AddMember("content", JsonValue(), memory());
            while (list().Size() > i) list().PopBack();
            return &list()[i - 1];
        }
        return nullptr;
    }
    JsonValue& last() { return list()[list().Size() - 1]; }

    Conversation& say(std::string_view role, std::string_view text) {
        return add(role, string(text));
    }
    Conversation& add(std::string_view role, JsonValue content) {
        JsonValue message(rapidjson::kObjectType);
        message.AddMember("role", string(role), memory());
        message.AddMember("content", std::move(content), memory());
        list().PushBack(std::move(message), memory());
        return *this;
    }

    Json root_;
};

}  // namespace carat::inline CARAT_ABI
