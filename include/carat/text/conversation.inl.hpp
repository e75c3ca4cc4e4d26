/// \file
/// What conversation.hpp declares.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/text/chat_parse.hpp"
#include "carat/text/conversation.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Conversation::Conversation() {
    root_.SetObject();
    root_.AddMember("messages", JsonValue(rapidjson::kArrayType), memory());
}

CARAT_ONCE Result<Conversation> Conversation::from_json(std::string_view text,
                                                        std::string_view what) {
    auto tree = parse_json(text, what);
    if (!tree) return std::move(tree).error();
    const JsonValue* messages = json::find(*tree, "messages");
    if (messages == nullptr || !messages->IsArray()) {
        return Error{Errc::bad_format, std::string(what) + ": messages is " +
                                           json::type_name(messages) +
                                           ", expected {\"messages\": [...], \"tools\": [...]}"};
    }
    Conversation out;
    out.root_ = *std::move(tree);
    return out;
}

CARAT_ONCE Conversation& Conversation::user(std::span<const ContentPart> parts) {
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

CARAT_ONCE Conversation& Conversation::assistant(const Reply& reply) {
    const bool only_calls = reply.content.empty() && !reply.tool_calls.empty();
    add("assistant", only_calls ? JsonValue() : string(reply.content));
    JsonValue& message = last();
    if (!reply.thinking.empty()) message.AddMember("reasoning", string(reply.thinking), memory());
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

CARAT_ONCE Result<void> Conversation::tool_result(std::string_view name, const JsonValue& value) {
    if (json::elements(messages()).empty() ||
        json::string(json::find(last(), "role")) != "assistant") {
        return Error{Errc::invalid_argument,
                     "a result of " + std::string(name) +
                         " without a call, expected the assistant's message before it"};
    }
    JsonValue& message = last();
    if (json::find(message, "tool_responses") == nullptr)
        message.AddMember("tool_responses", JsonValue(rapidjson::kArrayType), memory());
    JsonValue& list = *json::find(message, "tool_responses");
    if (!list.IsArray()) list.SetArray();
    JsonValue response(rapidjson::kObjectType);
    response.AddMember("name", string(name), memory());
    response.AddMember("response", JsonValue(value, memory()), memory());
    list.PushBack(std::move(response), memory());
    return {};
}

CARAT_ONCE Result<void> Conversation::tool_result(std::string_view name, std::string_view text) {
    return tool_result(name, string(text));
}

CARAT_ONCE Result<void> Conversation::set_tools(std::string_view json_text, std::string_view what) {
    const auto tree = parse_json(json_text, what);
    if (!tree) return tree.error();
    if (!tree->IsArray()) {
        return Error{Errc::bad_format, std::string(what) + " is " + json::type_name(&*tree) +
                                           ", expected an array of tools"};
    }
    set_tools(*tree);
    return {};
}

CARAT_ONCE std::optional<std::string> Conversation::undo() {
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

CARAT_ONCE Conversation& Conversation::edit(std::string_view text) {
    JsonValue* said = last_of_user();
    if (said == nullptr) return user(text);
    JsonValue& content = *json::find(*said, "content");
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

CARAT_ONCE Conversation Conversation::copy() const {
    Conversation other;
    other.root_.CopyFrom(root_, other.memory());
    return other;
}

CARAT_ONCE void Conversation::set_tools(const JsonValue& tools) {
    root_.RemoveMember("tools");
    if (tools.IsArray()) root_.AddMember("tools", JsonValue(tools, memory()), memory());
}

CARAT_ONCE const JsonValue& Conversation::messages() const {
    return *json::find(root_, "messages");
}

CARAT_ONCE const JsonValue* Conversation::tools() const { return json::find(root_, "tools"); }

CARAT_ONCE JsonValue Conversation::string(std::string_view text) {
    return JsonValue(text.empty() ? "" : text.data(), static_cast<rapidjson::SizeType>(text.size()),
                     memory());
}

CARAT_ONCE JsonValue* Conversation::last_of_user() {
    for (rapidjson::SizeType i = list().Size(); i > 0; --i) {
        if (json::string(json::find(list()[i - 1], "role")) != "user") continue;
        if (json::find(list()[i - 1], "content") == nullptr)
            list()[i - 1].AddMember("content", JsonValue(), memory());
        while (list().Size() > i) list().PopBack();
        return &list()[i - 1];
    }
    return nullptr;
}

CARAT_ONCE Conversation& Conversation::add(std::string_view role, JsonValue content) {
    JsonValue message(rapidjson::kObjectType);
    message.AddMember("role", string(role), memory());
    message.AddMember("content", std::move(content), memory());
    list().PushBack(std::move(message), memory());
    return *this;
}

}  // namespace carat::inline CARAT_ABI
