/// \file
/// What conversation.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_parse.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/text/unicode.hpp"

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail {

/// A tree that is made of another's, in a form that a file can hold: all text UTF-8, all numbers
/// those that JSON has, no more than so many levels.
class SavedForm : public Json {
  public:
    SavedForm(AllocatorType& memory, std::size_t levels) : Json(&memory), levels_(levels) {}

    // What Accept() calls, beside what Json has; false where there are more levels.
    bool Double(double v) { return std::isfinite(v) ? Json::Double(v) : Null(); }
    bool String(const char* s, rapidjson::SizeType n, bool) {
        const std::string_view text(s, n);
        if (unicode::is_valid(text)) return Json::String(s, n, true);
        const std::string valid = unicode::repaired(text);
        return Json::String(valid.data(), static_cast<rapidjson::SizeType>(valid.size()), true);
    }
    bool Key(const char* s, rapidjson::SizeType n, bool copy) { return String(s, n, copy); }
    bool StartObject() { return levels_-- > 0 && Json::StartObject(); }
    bool EndObject(rapidjson::SizeType n) { return ++levels_, Json::EndObject(n); }
    bool StartArray() { return levels_-- > 0 && Json::StartArray(); }
    bool EndArray(rapidjson::SizeType n) { return ++levels_, Json::EndArray(n); }

  private:
    std::size_t levels_;
};

}  // namespace detail

CARAT_ONCE Conversation::Conversation() {
    root_.SetObject();
    root_.AddMember("messages", JsonValue(rapidjson::kArrayType), memory());
}

CARAT_ONCE Result<Conversation> Conversation::from_json(std::string_view text,
                                                        std::string_view what) {
    return memory_errors(what, [&]() -> Result<Conversation> {
        auto tree = parse_json(text, what, max_depth);
        if (!tree) return std::move(tree).error();
        JsonValue* messages = json::find(*tree, "messages");
        if (messages == nullptr || !messages->IsArray()) {
            return Error{Errc::bad_format,
                         joined({what, ": messages is ", json::type_name(messages),
                                 ", expected {\"messages\": [...], \"tools\": [...]}"})};
        }
        JsonValue root(rapidjson::kObjectType);
        root.AddMember("messages", *messages, tree->GetAllocator());
        if (JsonValue* tools = json::find(*tree, "tools"))
            root.AddMember("tools", *tools, tree->GetAllocator());
        tree->JsonValue::Swap(root);
        Conversation out;
        out.root_ = *std::move(tree);
        return out;
    });
}

CARAT_ONCE Conversation& Conversation::user(std::span<const ContentPart> parts) {
    JsonValue content(rapidjson::kArrayType);
    for (const ContentPart& part : parts) {
        JsonValue object(rapidjson::kObjectType);
        object.AddMember("type", string(part.type), memory());
        object.AddMember(string(part.member), string(part.value), memory());
        if (part.fps > 0 && std::isfinite(part.fps)) object.AddMember("fps", part.fps, memory());
        content.PushBack(std::move(object), memory());
    }
    return add("user", std::move(content));
}

CARAT_ONCE Conversation& Conversation::assistant(const Reply& reply) {
    const bool says = !reply.content.empty(), calls = !reply.tool_calls.empty();
    const auto message = [&](JsonValue content) {
        JsonValue object(rapidjson::kObjectType);
        object.AddMember("role", "assistant", memory());
        object.AddMember("content", std::move(content), memory());
        return object;
    };
    JsonValue first = message(calls && !says ? JsonValue() : string(reply.content)), second;
    if (!reply.thinking.empty()) first.AddMember("reasoning", string(reply.thinking), memory());
    if (calls) {
        JsonValue tool_calls(rapidjson::kArrayType);
        for (const ToolCall& call : reply.tool_calls) {
            JsonValue function(rapidjson::kObjectType);
            function.AddMember("name", string(call.name), memory());
            function.AddMember("arguments", copied(call.arguments, max_call_depth), memory());
            JsonValue object(rapidjson::kObjectType);
            object.AddMember("type", "function", memory());
            object.AddMember("function", std::move(function), memory());
            tool_calls.PushBack(std::move(object), memory());
        }
        // Beside calls, text would be printed behind their results, and end the turn.
        if (says) second = message(JsonValue());
        (says ? second : first).AddMember("tool_calls", std::move(tool_calls), memory());
    }
    // Room for both before there is one of them.
    if (says && calls && list().Size() + 2 > list().Capacity())
        list().Reserve(2 * (list().Size() + 1), memory());
    list().PushBack(std::move(first), memory());
    if (!second.IsNull()) list().PushBack(std::move(second), memory());
    return *this;
}

CARAT_ONCE Result<void> Conversation::tool_result(std::string_view name, const JsonValue& value) {
    return memory_errors("a result of a call", [&]() -> Result<void> {
        if (json::elements(messages()).empty() ||
            json::string(json::find(last(), "role")) != "assistant") {
            return Error{Errc::invalid_argument,
                         joined({"a result of ", printable(name),
                                 " without a call, expected the assistant's message before it"})};
        }
        // The conversation, its messages, the message, its responses, this one.
        constexpr std::size_t levels = max_depth - 5;
        JsonValue copy = copied(value, levels);
        if (copy.IsNull() && (value.IsObject() || value.IsArray())) {
            return Error{Errc::out_of_range,
                         joined({"a result of ", printable(name), " is nested deeper than ", levels,
                                 " levels"})};
        }
        JsonValue response(rapidjson::kObjectType);
        response.AddMember("name", string(name), memory());
        response.AddMember("response", std::move(copy), memory());
        JsonValue& message = last();
        if (json::find(message, "tool_responses") == nullptr)
            put(message, "tool_responses", JsonValue(rapidjson::kArrayType));
        JsonValue& responses = *json::find(message, "tool_responses");
        if (!responses.IsArray()) responses.SetArray();
        responses.PushBack(std::move(response), memory());
        return {};
    });
}

CARAT_ONCE Result<void> Conversation::tool_result(std::string_view name, std::string_view text) {
    return memory_errors("a result of a call", [&] { return tool_result(name, string(text)); });
}

CARAT_ONCE Result<void> Conversation::set_tools(std::string_view json_text, std::string_view what) {
    return memory_errors(what, [&]() -> Result<void> {
        const auto tree = parse_json(json_text, what, max_depth - 1);
        if (!tree) return tree.error();
        if (!tree->IsArray()) {
            return Error{Errc::bad_format, joined({what, " is ", json::type_name(&*tree),
                                                   ", expected an array of tools"})};
        }
        set_tools(*tree);
        return {};
    });
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
    parts.Reserve(content.Size() + 1, memory());
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
    JsonValue copy = copied(tools, max_depth - 1);
    root_.RemoveMember("tools");
    if (copy.IsArray()) root_.AddMember("tools", std::move(copy), memory());
}

CARAT_ONCE const JsonValue& Conversation::messages() const {
    return *json::find(root_, "messages");
}

CARAT_ONCE const JsonValue* Conversation::tools() const { return json::find(root_, "tools"); }

CARAT_ONCE JsonValue Conversation::string(std::string_view text) {
    const auto value = [this](std::string_view valid) {
        return JsonValue(valid.empty() ? "" : valid.data(),
                         static_cast<rapidjson::SizeType>(valid.size()), memory());
    };
    return unicode::is_valid(text) ? value(text) : value(unicode::repaired(text));
}

CARAT_ONCE JsonValue Conversation::copied(const JsonValue& value, std::size_t levels) {
    detail::SavedForm copy(memory(), levels);
    auto events = [&](Json&) { return value.Accept(copy); };
    copy.Populate(events);
    return std::move(static_cast<JsonValue&>(copy));
}

/// AddMember, after which an object is what it was where there is no memory. RapidJSON's has then
/// counted room that it has not.
CARAT_ONCE void Conversation::put(JsonValue& object, std::string_view name, JsonValue value) {
    JsonValue wider(rapidjson::kObjectType);
    for (rapidjson::SizeType n = object.MemberCount(); n > 0; --n)
        wider.AddMember("", JsonValue(), memory());
    wider.AddMember(string(name), std::move(value), memory());
    auto from = object.MemberBegin(), to = wider.MemberBegin();
    for (rapidjson::SizeType n = object.MemberCount(); n > 0; --n, ++from, ++to) {
        to->name = from->name;
        to->value = from->value;
    }
    object = wider;
}

CARAT_ONCE JsonValue* Conversation::last_of_user() {
    for (rapidjson::SizeType i = list().Size(); i > 0; --i) {
        if (json::string(json::find(list()[i - 1], "role")) != "user") continue;
        if (json::find(list()[i - 1], "content") == nullptr)
            put(list()[i - 1], "content", JsonValue());
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
