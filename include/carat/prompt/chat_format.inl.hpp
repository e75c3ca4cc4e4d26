/// \file
/// What chat_format.hpp declares.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_format.hpp"
#include "carat/prompt/chat_options.hpp"
#include "carat/prompt/chat_text.hpp"
#include "carat/prompt/prompt_text.hpp"
#include "carat/prompt/tool_declaration.hpp"
#include "carat/prompt/value_format.hpp"
#include "carat/text/unicode.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail {

/// One rendering. Every method appends to the prompt; errors name the message by its index in the
/// input.
class ChatRenderer {
  public:
    explicit ChatRenderer(const ChatOptions& options) : options_(options) {}

    Result<PromptText> render(const JsonValue& messages, const JsonValue* tools) {
        if (!messages.IsArray()) {
            return fail("messages is " + std::string(json::type_name(&messages)) +
                        ", expected an array");
        }
        if (tools != nullptr && !tools->IsNull() && !tools->IsArray()) {
            return fail("tools is " + std::string(json::type_name(tools)) + ", expected an array");
        }
        messages_ = json::elements(messages);
        for (std::size_t i = 0; i < messages_.size(); ++i) {
            if (json::string(json::find(messages_[i], "role"))) continue;
            const bool object = messages_[i].IsObject();
            return fail(at(i) + (object ? ".role is " : " is ") +
                        json::type_name(object ? json::find(messages_[i], "role") : &messages_[i]) +
                        ", expected " + (object ? "a string" : "an object with a role"));
        }
        out_.control("<bos>");
        if (auto done = system_turn(tools); !done) return std::move(done).error();
        if (auto done = turns(); !done) return std::move(done).error();
        if (options_.add_generation_prompt) generation_prompt();
        return std::move(out_);
    }

  private:
    enum class Last { text, call, response };

    static Error fail(const std::string& why) { return {Errc::bad_format, why}; }
    static std::string at(std::size_t message) {
        return "messages[" + std::to_string(message) + "]";
    }
    static std::string at(const std::string& list, std::size_t i) {
        return list + "[" + std::to_string(i) + "]";
    }
    std::string_view role(std::size_t i) const {
        return *json::string(json::find(messages_[i], "role"));
    }

    /// The system message (if it comes first), the switch for thinking, and the tools share one
    /// turn. A content that is neither text nor parts says nothing, as in the reference.
    Result<void> system_turn(const JsonValue* tools) {
        const bool has_system =
            !messages_.empty() && (role(0) == "system" || role(0) == "developer");
        if (!options_.enable_thinking && !json::truthy(tools) && !has_system) return {};
        out_.control("<|turn>system\n");
        if (options_.enable_thinking) out_.control("<|think|>\n");
        if (has_system) {
            const JsonValue* content = json::find(messages_[0], "content");
            if (const auto text = json::string(content)) out_.user(unicode::trim(*text));
            for (const JsonValue& part : json::elements(content)) {
                out_.user(unicode::trim(json::string(json::find(part, "text")).value_or("")));
                out_.control(" ");
            }
            first_ = 1;
        }
        std::size_t index = 0;
        for (const JsonValue& tool : json::elements(tools)) {
            out_.control("<|tool>");
            if (auto done = write_declaration(out_, tool, at("tools", index++)); !done) return done;
            out_.control("<tool|>");
        }
        out_.control("<turn|>\n");
        return {};
    }

    static Result<void> check_content(const JsonValue* content, std::size_t i) {
        if (content == nullptr || content->IsNull() || content->IsString() || content->IsArray())
            return {};
        return fail(at(i) + ".content is " + json::type_name(content) +
                    ", expected a string or an array of parts");
    }

    Result<void> turns() {
        std::size_t after_user = 0;  // one past the last message of the user
        for (std::size_t i = first_; i < messages_.size(); ++i) {
            if (role(i) == "user") after_user = i + 1;
        }
        std::string_view previous;
        for (std::size_t i = first_; i < messages_.size(); ++i) {
            if (role(i) == "tool") continue;
            if (auto done = turn(i, previous, i >= after_user); !done) return done;
            previous = role(i);
        }
        return {};
    }

    Result<void> turn(std::size_t i, std::string_view previous, bool is_recent) {
        const JsonValue& m = messages_[i];
        const std::string_view speaker = role(i) == "assistant" ? "model" : role(i);
        const bool is_model = speaker == "model";
        if (!(is_model && previous == "assistant")) {
            out_.control("<|turn>");
            out_.user(speaker);
            out_.control("\n");
        }
        last_ = Last::text;
        const JsonValue* calls = json::find(m, "tool_calls");
        const bool has_calls = json::truthy(calls);
        if (auto done = thought(i, is_recent || (options_.preserve_thinking && has_calls)); !done)
            return done;
        if (has_calls) {
            if (auto done = tool_calls(i, calls); !done) return done;
        }
        bool responded = false;
        if (const JsonValue* responses = json::find(m, "tool_responses"); json::truthy(responses)) {
            if (auto done = tool_responses(i, responses, responded); !done) return done;
        } else if (has_calls) {
            if (auto done = tool_messages(i, calls, responded); !done) return done;
        }
        const std::size_t start = out_.text.size();
        if (auto done = body(i, is_model); !done) return done;
        const bool empty = unicode::trim(std::string_view(out_.text).substr(start)).empty();

        std::size_t next = i + 1;
        while (next < messages_.size() && role(next) == "tool") ++next;
        const bool is_last = next == messages_.size();
        if (last_ == Last::call && !responded) {
            out_.control("<|tool_response>");
        } else if (is_model && !is_last && role(next) == "assistant" && (!has_calls || responded)) {
            // the turn goes on with the next message
        } else if (!(responded && empty && is_last)) {
            out_.control("<turn|>\n");
        }
        return {};
    }

    Result<void> thought(std::size_t i, bool shown) {
        const JsonValue* text = json::find(messages_[i], "reasoning");
        const bool alias = !json::truthy(text);
        if (alias) text = json::find(messages_[i], "reasoning_content");
        if (!shown || !json::truthy(text)) return {};
        if (!text->IsString()) {
            return fail(at(i) + (alias ? ".reasoning_content is " : ".reasoning is ") +
                        json::type_name(text) + ", expected a string");
        }
        out_.control(open_thought);
        out_.user(*json::string(text));
        out_.control("\n<channel|>");
        return {};
    }

    Result<void> tool_calls(std::size_t i, const JsonValue* calls) {
        const std::string list = at(i) + ".tool_calls";
        if (!calls->IsArray())
            return fail(list + " is " + json::type_name(calls) + ", expected an array");
        std::size_t index = 0;
        for (const JsonValue& call : json::elements(calls)) {
            const std::string where = at(list, index++) + ".function";
            const JsonValue* function = json::find(call, "function");
            const JsonValue* name = json::find(function, "name");
            if (name == nullptr || !name->IsString()) {
                return fail(where + ".name is " + json::type_name(name) + ", expected a string");
            }
            const JsonValue* arguments = json::find(function, "arguments");
            if (arguments != nullptr && !arguments->IsNull() && !arguments->IsObject()) {
                return fail(where + ".arguments is " + json::type_name(arguments) +
                            ", expected an object");
            }
            out_.control("<|tool_call>call:");
            out_.user(*json::string(name));
            out_.control("{");
            write_members(out_, arguments, false);
            out_.control("}<tool_call|>");
        }
        last_ = Last::call;
        return {};
    }

    /// One response; `value` is null for a string that is given as such.
    void response(std::string_view name, const JsonValue* value, std::string_view text,
                  bool& responded) {
        out_.control("<|tool_response>response:");
        out_.user(name);
        out_.control("{");
        if (value != nullptr && value->IsObject()) {
            write_members(out_, value, false);
        } else {
            out_.control("value:");
            if (value != nullptr) {
                write_value(out_, *value, false);
            } else {
                out_.quoted(text);
            }
        }
        out_.control("}<tool_response|>");
        responded = true;
        last_ = Last::response;
    }

    static std::string_view name_or_unknown(const JsonValue& v) {
        const auto name = json::string(json::find(v, "name"));
        return name && !name->empty() ? *name : "unknown";
    }

    /// Results inside the assistant's message, Google's own form.
    Result<void> tool_responses(std::size_t i, const JsonValue* responses, bool& responded) {
        const std::string list = at(i) + ".tool_responses";
        if (!responses->IsArray())
            return fail(list + " is " + json::type_name(responses) + ", expected an array");
        std::size_t index = 0;
        for (const JsonValue& r : json::elements(responses)) {
            const JsonValue* value = json::find(r, "response");
            if (value == nullptr)
                return fail(at(list, index) + ".response is missing, expected a value");
            response(name_or_unknown(r), value, {}, responded);
            ++index;
        }
        return {};
    }

    /// Results in messages of the role tool that follow the calls.
    Result<void> tool_messages(std::size_t i, const JsonValue* calls, bool& responded) {
        if (i + 1 == messages_.size() || role(i + 1) != "tool") return {};
        std::map<std::string, std::string_view> names;  // by id, of which the last call counts
        std::size_t n = 0;
        for (const JsonValue& call : json::elements(calls)) {
            const JsonValue* id = json::find(call, "id");
            const auto key = key_of_id(id);
            if (!key) return wrong_id(at(at(i) + ".tool_calls", n) + ".id", id);
            names[*key] = *json::string(json::find(json::find(call, "function"), "name"));
            ++n;
        }
        for (std::size_t k = i + 1; k < messages_.size() && role(k) == "tool"; ++k) {
            const JsonValue& m = messages_[k];
            const JsonValue* id = json::find(m, "tool_call_id");
            const auto key = key_of_id(id);
            if (!key) return wrong_id(at(k) + ".tool_call_id", id);
            const auto known = names.find(*key);
            const std::string_view name = known == names.end() ? name_or_unknown(m) : known->second;
            const JsonValue null;
            const JsonValue* content = json::find(m, "content");
            if (content == nullptr) content = &null;
            if (content->IsObject()) {
                return fail(at(k) +
                            ".content is an object, expected a string (or tool_responses in the "
                            "message that calls)");
            }
            if (!content->IsArray()) {
                response(name, content, {}, responded);
                continue;
            }
            std::string text;
            std::string media;
            std::size_t index = 0;
            for (const JsonValue& part : json::elements(content)) {
                auto kind = part_text(part, at(at(k) + ".content", index++));
                if (!kind) return std::move(kind).error();
                if (kind->is_text) text += kind->text;
                media += kind->placeholder;
            }
            response(name, nullptr, text, responded);
            out_.control(media);
        }
        return {};
    }

    /// What is equal where two ids are: two that are missing, strings, integers. Nothing for what
    /// is no id.
    static std::optional<std::string> key_of_id(const JsonValue* id) {
        if (id == nullptr || id->IsNull()) return std::string();
        if (const auto text = json::string(id)) return "=" + std::string(*text);
        if (id->IsInt64() || id->IsUint64()) return format_number(*id);
        return std::nullopt;
    }
    static Error wrong_id(const std::string& where, const JsonValue* id) {
        return fail(where + " is " + json::type_name(id) + ", expected a string or an integer");
    }

    struct PartText {
        bool is_text = false;
        std::string_view text, placeholder;
    };
    static Result<PartText> part_text(const JsonValue& part, const std::string& where) {
        const auto type = json::string(json::find(part, "type"));
        if (!type) {
            return fail(where + (part.IsObject() ? ".type is " : " is ") +
                        json::type_name(part.IsObject() ? json::find(part, "type") : &part) +
                        ", expected a part with a type such as text or image");
        }
        if (*type != "text") return PartText{false, {}, media_placeholder(*type)};
        const JsonValue* text = json::find(part, "text");
        if (text == nullptr || !text->IsString()) {
            return fail(where + ".text is " + json::type_name(text) + ", expected a string");
        }
        return PartText{true, *json::string(text), {}};
    }

    Result<void> body(std::size_t i, bool is_model) {
        const JsonValue* content = json::find(messages_[i], "content");
        if (auto done = check_content(content, i); !done) return done;
        const auto write = [&](std::string_view text) {
            out_.user(is_model ? strip_thinking(text) : std::string(unicode::trim(text)));
        };
        if (const auto text = json::string(content)) write(*text);
        std::size_t index = 0;
        for (const JsonValue& part : json::elements(content)) {
            auto kind = part_text(part, at(at(i) + ".content", index++));
            if (!kind) return std::move(kind).error();
            if (kind->is_text) write(kind->text);
            out_.control(kind->placeholder);
        }
        return {};
    }

    void generation_prompt() {
        if (last_ == Last::text) {
            out_.control("<|turn>model\n");
            if (options_.variant == ChatVariant::large && !options_.enable_thinking) {
                out_.control("<|channel>thought\n<channel|>");
            }
        } else if (last_ == Last::response && options_.enable_thinking) {
            out_.control(open_thought);
        }
    }

    ChatOptions options_;
    std::span<const JsonValue> messages_;
    std::size_t first_ = 0;  // 1 where the first message is the system's
    Last last_ = Last::text;
    PromptText out_;
};

}  // namespace detail

CARAT_ONCE Result<PromptText> render_chat(const JsonValue& messages, const JsonValue* tools,
                                          const ChatOptions& options) {
    return memory_errors("the prompt",
                         [&] { return detail::ChatRenderer(options).render(messages, tools); });
}

}  // namespace carat::inline CARAT_ABI
