// The system refuses while a conversation is saved or loaded: an error, no partial file, and what
// was there before stays.
#include "carat/chat.hpp"
#include "carat/gemma4.hpp"
#include "carat/models/pocket.hpp"
#include "carat/parallel/executor.hpp"
#include "support/faults.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

using Pocket = Gemma4<models::pocket, weights::bf16>;

/// A chat with something to save, a picture among it.
struct Talk {
    Serial serial;
    Pocket model = [] {
        auto opened = Pocket::open(pocket);
        REQUIRE_MESSAGE(opened, opened.error().text);
        return *std::move(opened);
    }();
    [[nodiscard]] Chat<Pocket> chat() {
        ChatSettings settings{.session = {.context_tokens = 256}};
        auto chat = Chat<Pocket>::open(model, pocket, serial, settings);
        REQUIRE_MESSAGE(chat, chat.error().text);
        chat->set_media_reader([](const MediaPart&, Progress) -> Result<Medium> {
            return Medium{image_text(2), std::vector<float>(2 * Pocket::Text::hidden, 0.5f)};
        });
        return *std::move(chat);
    }
    [[nodiscard]] Chat<Pocket> said(const std::string& text, const std::string& picture = "a.png") {
        auto chat = this->chat();
        chat.user({image_part(picture), text_part(text)});
        const auto turn = chat.reply([](const ReplyEvent&) {});
        REQUIRE_MESSAGE(turn, turn.error().text);
        return chat;
    }
};
/// One conversation in its file, and another that is to replace it.
struct Saved {
    Talk talk;
    Folder folder{"chat"};
    std::string path = folder / "x.chat";
    std::string before = [&] {
        REQUIRE(talk.said("My name is Anna.").save(path));
        return read_text(path);
    }();
    Chat<Pocket> chat = talk.said("What is in this picture?");
};
std::size_t messages(const Chat<Pocket>& chat) { return chat.conversation().messages().Size(); }

}  // namespace

TEST_CASE("a chat that cannot be opened for writing or reading is an error with its name") {
    Talk talk;
    const Folder folder("chat");
    const auto chat = talk.said("What is in this picture?");
    write_text(folder / "file", "file");
    for (const std::string& path :
         {folder / "none/x.chat", folder / "file/x.chat", folder.path()}) {
        CAPTURE(path);
        const auto saved = chat.save(path);
        REQUIRE_FALSE(saved);
        CHECK(saved.error().code == Errc::io);
        CHECK(saved.error().text.starts_with(path + ": cannot "));
        auto other = talk.chat();
        const auto loaded = other.load(path);
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().code == Errc::io);
        CHECK(loaded.error().text.starts_with(path + ": cannot "));
    }
    CHECK(folder.files() == 1);
    CHECK(read_text(folder / "file") == "file");
}

#if defined(__unix__)
TEST_CASE("a disk that is full while a chat is saved leaves the old file, and no other") {
    Saved at;
    REQUIRE(at.chat.save(at.folder / "whole.chat"));
    const std::size_t whole = read_text(at.folder / "whole.chat").size();
    for (const std::size_t limit : {std::size_t{0}, std::size_t{10}, whole / 2, whole - 1})
        for (const char* name : {"x.chat", "new.chat"}) {
            CAPTURE(limit);
            CAPTURE(name);
            CHECK(in_child([&] {
                      if (!limit_files(limit)) return 2;
                      const auto saved = at.chat.save(at.folder / name);
                      if (saved) return 3;
                      return saved.error().code == Errc::io ? 0 : 4;
                  }) == 0);
            CHECK(at.folder.files() == 2);
            CHECK(read_text(at.path) == at.before);
        }
    auto loaded = at.talk.chat();
    CHECK(loaded.load(at.path));
}
#endif

#if defined(__cpp_exceptions)
TEST_CASE("whichever allocation fails while a chat is saved, the old file stays") {
    Saved at;
    CHECK(fail_until_good([&] {
              auto saved = at.chat.save(at.path);
              allocations_left = never;  // the test's own
              if (!saved) {
                  CHECK(read_text(at.path) == at.before);
                  CHECK(at.folder.files() == 1);
              }
              return saved;
          }) > 20);
    CHECK(read_text(at.path) != at.before);
}

TEST_CASE("whichever allocation fails while a chat is loaded, the chat can go on") {
    Talk talk;
    const Folder folder("chat");
    const std::string path = folder / "x.chat";
    // Longer than the other, so that the session it leaves would be taken for that one's.
    REQUIRE(talk.said("What is in this picture, and what else could be in it?").save(path));
    auto chat = talk.said("My name is Anna.", "b.png");
    REQUIRE(messages(chat) == 2);
    CHECK(fail_until_good([&] {
              auto loaded = chat.load(path);
              allocations_left = never;
              if (!loaded) CHECK(messages(chat) == 2);
              return loaded;
          }) > 20);
    // After the failures that come last, when the session has been loaded already: what the chat
    // says next is what it would have said.
    const auto load_with = [&](Chat<Pocket>& to, std::size_t allocations) {
        allocations_left = allocations;
        const bool loaded = static_cast<bool>(to.load(path));
        allocations_left = never;
        return loaded;
    };
    std::size_t enough = 0;
    for (auto probe = talk.said("My name is Anna.", "b.png"); !load_with(probe, enough);) ++enough;
    const auto answer = [](Chat<Pocket>& c) {
        c.user("What is my name?");
        auto turn = c.reply([](const ReplyEvent&) {});
        REQUIRE_MESSAGE(turn, turn.error().text);
        return turn->token_ids;
    };
    auto same = talk.said("My name is Anna.", "b.png");
    const auto expected = answer(same);
    for (std::size_t less = 1; less < 12; ++less) {
        CAPTURE(less);
        auto late = talk.said("My name is Anna.", "b.png");
        REQUIRE_FALSE(load_with(late, enough - less));
        CHECK(messages(late) == 2);
        CHECK(answer(late) == expected);
    }
}
#endif

#if defined(__cpp_exceptions)
TEST_CASE("memory that is refused while an answer is given is its error, and the chat can go on") {
    Talk talk;
    auto chat = talk.said("My name is Anna.");
    auto same = talk.said("My name is Anna.");
    const auto answer = [](Chat<Pocket>& c) {
        auto turn = c.reply([](const ReplyEvent&) {});
        REQUIRE_MESSAGE(turn, turn.error().text);
        return turn->token_ids;
    };
    chat.user("What is my name?");
    for (std::size_t at : {0u, 1u, 3u}) {
        CAPTURE(at);
        const auto turn = chat.reply([&](const ReplyEvent&) {
            if (at-- == 0) throw std::bad_alloc();
        });
        REQUIRE_FALSE(turn);
        CHECK(turn.error().code == Errc::out_of_memory);
        CHECK(turn.error().text == "the answer: out of memory");
        CHECK(messages(chat) == 3);
    }
    std::size_t pieces = 0;
    for (std::string_view piece : chat.reply()) {
        static_cast<void>(piece);
        if (++pieces == 1) allocations_left = 0;
    }
    allocations_left = never;
    CHECK(messages(chat) == (chat.last() ? 4 : 3));
    if (chat.last()) chat.undo(), chat.user("What is my name?");
    CHECK(answer(chat) == answer(same.user("What is my name?")));
    CHECK(fail_until_good([&] { return chat.fork(); }) > 3);
    const AnswerShape shape = AnswerShape::choices({"a", "b"});
    CHECK(fail_until_good([&] { return chat.answer_as(shape); }) > 3);
    Tools tools;
    tools.add("get_weather", "Get the weather in a city.", {{"city", "The city name."}},
              [](const std::string& city) { return city; });
    CHECK(fail_until_good([&] { return chat.set_tools(tools); }) > 3);
}
#endif

TEST_CASE("what load refuses is not saved over a good file") {
    Talk talk;
    const Folder folder("chat");
    const std::string path = folder / "x.chat";
    REQUIRE(talk.said("My name is Anna.").save(path));
    const std::string before = read_text(path);
    auto chat = talk.chat();
    chat.set_media_reader([](const MediaPart&, Progress) -> Result<Medium> {
        MediaText text = image_text(2);
        text.text += "\xFF";
        return Medium{text, std::vector<float>(2 * Pocket::Text::hidden, 0.5f)};
    });
    chat.user({image_part("a.png"), text_part("What is this?")});
    REQUIRE(chat.reply([](const ReplyEvent&) {}));
    const auto saved = chat.save(path);
    REQUIRE_FALSE(saved);
    CHECK(saved.error().text.starts_with("cannot be saved: " + path + ": line 1, column "));
    CHECK(read_text(path) == before);
    CHECK(folder.files() == 1);
}

TEST_CASE("what a chat accepts is saved and loaded, whatever bytes it has and however it nests") {
    Talk talk;
    const Folder folder("chat");
    const std::string path = folder / "x.chat";
    auto chat = talk.said("My name \xC3 is Anna.", "\xFF.png");
    const std::size_t deep = max_call_depth - 1;
    auto call = parse_call("call:f{a:" + std::string(deep, '[') + std::string(deep, ']') + "}");
    REQUIRE(call);
    Reply reply;
    reply.tool_calls.push_back(*std::move(call));
    chat.conversation().assistant(reply);
    REQUIRE(chat.conversation().tool_result("f", "\xFF"));
    REQUIRE(chat.save(path));
    auto other = talk.chat();
    const auto loaded = other.load(path);
    REQUIRE_MESSAGE(loaded, loaded.error().text);
    CHECK(other.conversation().json() == chat.conversation().json());
}

TEST_CASE("a medium is saved once, however often a conversation names it") {
    Talk talk;
    const Folder folder("chat");
    auto chat = talk.chat();
    chat.user(std::vector<ContentPart>(20, image_part("a.png")));
    REQUIRE(chat.reply([](const ReplyEvent&) {}));
    REQUIRE(chat.save(folder / "x.chat"));
    const std::string file = read_text(folder / "x.chat");
    CHECK(file.find("\"part\"") == file.rfind("\"part\""));
    auto other = talk.chat();
    REQUIRE(other.load(folder / "x.chat"));
    const auto ids = [](Chat<Pocket>& c) { return c.user("And?").answer()->input_ids; };
    CHECK(ids(other) == ids(chat));
}

TEST_CASE("a chat that was cut off anywhere is refused, and the other chat stays what it was") {
    Talk talk;
    const Folder folder("chat");
    const std::string path = folder / "x.chat";
    REQUIRE(talk.said("What is in this picture?").save(path));
    const std::string whole = read_text(path);
    auto chat = talk.said("My name is Anna.");
    for (std::size_t n = 1; n < whole.size(); n += 1 + n / 3) {
        CAPTURE(n);
        write_text(path, whole.substr(0, n));
        const auto loaded = chat.load(path);
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().text.starts_with(path + ": "));
        CHECK(messages(chat) == 2);
    }
}

}  // namespace carat::test
