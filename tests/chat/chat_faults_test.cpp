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
#include <string>
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
