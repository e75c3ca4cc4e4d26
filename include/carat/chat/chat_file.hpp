/// \file
/// A saved chat: a line that says what it is, a line of JSON, what its media look like to the
/// model, what the session remembers, and a checksum of all that.
#pragma once

#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_media.hpp"
#include "carat/chat/chat_prompt.hpp"
#include "carat/checkpoint/fnv1a.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/format/json.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/prompt/conversation.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// What is known of a chat but its session.
struct ChatRecord {
    std::uint64_t model = 0;  ///< its fingerprint
    std::uint64_t replies = 0;
    std::size_t hidden = 0;
    bool thinking = false;
    ChatTokens held{};  ///< the session's tokens; nothing: it is not saved
    Conversation talk{};
};

namespace detail {

inline constexpr std::string_view chat_magic = "carat chat ";
inline constexpr int chat_version = 3;

}  // namespace detail

/// Writes a chat. save_session(write) gives the session's state to write(bytes), where `held` has
/// tokens; `media` has what the conversation names then. Bad input: what the system refuses, and
/// what load_chat would, such as a medium's text that is no UTF-8.
template <class SaveSession>
Result<void> save_chat(const std::string& path, const ChatRecord& chat, const ChatMedia& media,
                       SaveSession&& save_session) {
    JsonWriter w;
    w.begin_object().key("model").value(chat.model);
    w.key("replies").value(chat.replies).key("hidden").value(chat.hidden);
    w.key("thinking").value(chat.thinking);
    w.key("ids").begin_array();
    for (const std::int32_t id : chat.held.ids) w.value(id);
    w.end_array().key("contents").begin_array();
    for (const std::uint64_t content : chat.held.contents) w.value(content);
    w.end_array().key("media").begin_array();
    std::map<std::string, const Medium*> saved;  // however often a conversation names one
    if (!chat.held.ids.empty())
        for (const MediaPart& part : media_parts(chat.talk.messages()))
            if (const Medium* medium = media.find(part))
                saved.emplace(ChatMedia::key(part), medium);
    for (const auto& [key, medium] : saved) {
        w.begin_object().key("part").value(key);
        w.key("kind").value(static_cast<std::int64_t>(medium->text.kind));
        w.key("text").value(medium->text.text);
        w.key("values").value(std::uint64_t{medium->rows.size()}).end_object();
    }
    w.end_array().key("conversation").value(chat.talk.json()).end_object();
    // A file that nobody could read must not replace a good one.
    if (const auto again = parse_json(w.text(), path); !again)
        return Error{again.error().code, "cannot be saved: " + again.error().text};

    UnfinishedFile file(path);
    Fnv1a sum;
    const auto write = [&](std::span<const std::byte> bytes) {
        sum.add(bytes);
        file.write(bytes.data(), bytes.size());
    };
    const std::string head = std::string(detail::chat_magic) +
                             std::to_string(detail::chat_version) + '\n' + std::string(w.text()) +
                             '\n';
    write(std::as_bytes(std::span(head)));
    for (const auto& [key, medium] : saved) write(std::as_bytes(std::span(medium->rows)));
    if (!chat.held.ids.empty()) save_session(write);
    const std::uint64_t value = sum.value();
    file.write(&value, sizeof value);
    return file.finish();
}

/// Reads a chat. load_session(bytes) is a Result<void> of the session's state, called where tokens
/// are held and all else is good. `media` gets what was saved, in rows of `hidden` values. Bad
/// input: a file that is none, of another version, damaged, or of another model.
template <class LoadSession>
Result<ChatRecord> load_chat(const std::string& path, std::uint64_t model, std::size_t hidden,
                             ChatMedia& media, LoadSession&& load_session) {
    const auto file = MappedFile::open(path);
    if (!file) return file.error();
    if (!file->will_need(file->bytes()))
        return Error{Errc::io, path + ": has been shortened while it was read"};
    std::string_view text = file->text();
    const auto bad = [&](const std::string& why) {
        return Error{Errc::bad_format, path + ": " + why};
    };
    constexpr std::string_view magic = detail::chat_magic;
    if (!text.starts_with(magic)) return bad("not a conversation that carat saved");
    const std::size_t first = text.find('\n');
    const std::string found(text.substr(
        magic.size(), std::min<std::size_t>(first, 40) - std::min(magic.size(), first)));
    if (found != std::to_string(detail::chat_version))
        return Error{Errc::unsupported, path + ": saved in version " + printable(found) +
                                            " of the format, expected " +
                                            std::to_string(detail::chat_version)};
    std::uint64_t stored = 0;
    const std::size_t second = text.find('\n', first + 1);
    if (second == std::string_view::npos || text.size() - second - 1 < sizeof stored)
        return bad("cut off");
    std::memcpy(&stored, text.data() + text.size() - sizeof stored, sizeof stored);
    text.remove_suffix(sizeof stored);
    Fnv1a sum;
    sum.add(std::as_bytes(std::span(text)));
    if (sum.value() != stored) return bad("damaged: its checksum is wrong");
    const auto head = parse_json(text.substr(first + 1, second - first - 1), path);
    if (!head) return head.error();
    if (json::unsigned_integer(json::find(*head, "model")) != model)
        return Error{Errc::mismatch, path + ": saved with another model than the one that is open"};
    const JsonValue* saved = json::find(*head, "conversation");
    if (json::find(saved, "messages") == nullptr) return bad("it has no messages");
    JsonWriter copy;
    auto talk = Conversation::from_json(copy.value(*saved).text(), path);
    if (!talk) return std::move(talk).error();

    ChatRecord out;
    out.model = model;
    out.talk = *std::move(talk);
    out.hidden =
        static_cast<std::size_t>(json::unsigned_integer(json::find(*head, "hidden")).value_or(0));
    out.hidden = std::min<std::size_t>(out.hidden, out.talk.messages().Size());
    out.replies = json::unsigned_integer(json::find(*head, "replies")).value_or(0);
    out.thinking = json::boolean(json::find(*head, "thinking")).value_or(false);
    for (const JsonValue& id : json::elements(json::find(*head, "ids")))
        out.held.ids.push_back(static_cast<std::int32_t>(json::integer(id).value_or(0)));
    for (const JsonValue& c : json::elements(json::find(*head, "contents")))
        out.held.contents.push_back(json::unsigned_integer(c).value_or(0));
    if (out.held.contents.size() != out.held.ids.size())
        return bad("its tokens and their contents differ in number");

    auto rest = std::as_bytes(std::span(text.substr(second + 1)));
    std::vector<std::pair<std::string, Medium>> seen;
    for (const JsonValue& m : json::elements(json::find(*head, "media"))) {
        const std::uint64_t kind = json::unsigned_integer(json::find(m, "kind")).value_or(3);
        const std::uint64_t values = json::unsigned_integer(json::find(m, "values")).value_or(1);
        if (kind > 2 || values % hidden != 0 || values > rest.size() / sizeof(float))
            return bad("its media are of no known form");
        Medium medium{{static_cast<MediaKind>(kind),
                       std::string(json::string(json::find(m, "text")).value_or(""))},
                      std::vector<float>(static_cast<std::size_t>(values))};
        const std::size_t bytes = medium.rows.size() * sizeof(float);
        if (bytes > 0) std::memcpy(medium.rows.data(), rest.data(), bytes);
        rest = rest.subspan(bytes);
        seen.emplace_back(json::string(json::find(m, "part")).value_or(""), std::move(medium));
    }
    if (!out.held.ids.empty())
        if (const Result<void> loaded = load_session(rest); !loaded)
            return Error{loaded.error().code, path + ": " + loaded.error().text};
    for (auto& [key, medium] : seen) media.add(std::move(key), std::move(medium));
    return out;
}

}  // namespace carat::inline CARAT_ABI
