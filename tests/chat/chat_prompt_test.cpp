#include "carat/chat/chat_prompt.hpp"

#include "carat/models/pocket.hpp"
#include "text/fixture.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

using namespace carat;

namespace {

constexpr std::size_t hidden = 4;

/// So many parts that name one picture.
Conversation pictures(std::size_t parts) {
    Conversation talk;
    talk.user(std::vector<ContentPart>(parts, image_part("a.png")));
    return talk;
}
/// A reader of pictures with so many soft tokens and such a text.
ChatMedia media(std::size_t soft_tokens, std::string text) {
    ChatMedia all;
    all.set_reader([=](const MediaPart&, Progress) -> Result<Medium> {
        return Medium{{MediaKind::image, text}, std::vector<float>(soft_tokens * hidden)};
    });
    return all;
}
Result<ChatPrompt> prompt(const Conversation& talk, ChatMedia& media, std::size_t context) {
    const ChatOptions options;
    const PromptMaker make{
        talk, options, pocket_tokenizer(), media, models::pocket.tokens, hidden, context, {}};
    return make.through(ContextWindow());
}

}  // namespace

TEST_CASE("a prompt that the context has no room for is not given the rows of its media") {
    ChatMedia read = media(50, image_text(50).text);
    const Conversation talk = pictures(100);
    const auto fits = prompt(talk, read, 10'000);
    REQUIRE_MESSAGE(fits, fits.error().text);
    CHECK(fits->rows.size() == 100 * 50 * hidden);
    CHECK(fits->types.size() == fits->ids.size());
    const auto exactly = prompt(talk, read, fits->ids.size());
    REQUIRE(exactly);
    CHECK(exactly->rows.size() == fits->rows.size());
    const auto too_long = prompt(talk, read, fits->ids.size() - 1);
    REQUIRE(too_long);
    CHECK(too_long->ids == fits->ids);
    CHECK(too_long->rows.empty());
}

TEST_CASE(
    "a few bytes that stand for a text which nobody can encode are refused before it is made") {
    ChatMedia read = media(1, image_text(1).text + std::string(1'000'000, 'a'));
    const auto refused = prompt(pictures(100'000), read, 100);  // 100 GB of text
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::out_of_range);
    CHECK(refused.error().text.starts_with("messages[0].content[66]: with this the prompt has "));
}

TEST_CASE("a medium has as many soft tokens as placeholders: none stands in another's place") {
    for (const std::size_t soft_tokens : {2u, 4u}) {
        ChatMedia read = media(soft_tokens, image_text(3).text);
        const auto refused = prompt(pictures(2), read, 100);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Errc::mismatch);
        CHECK(refused.error().text == "messages[0].content[0]: " + std::to_string(soft_tokens) +
                                          " soft tokens for 3 placeholders");
    }
}

TEST_CASE("a window stays where it was when a prompt through it fails") {
    Conversation talk;
    for (int i = 0; i < 20; ++i) talk.user("What is the capital of France?").assistant("Paris.");
    talk.user({image_part("a.png"), text_part("And this?")});
    ChatMedia read;
    int reads = 0;
    const auto reader = [&](const MediaPart&, Progress) -> Result<Medium> {
        if (++reads == 1) return Medium{image_text(1), std::vector<float>(hidden)};
        return Error{Errc::io, "gone"};
    };
    read.set_reader(reader);
    const ChatOptions options;
    const PromptMaker make{talk, options, pocket_tokenizer(), read, models::pocket.tokens, hidden,
                           100,  {}};
    ContextWindow window;
    const auto slid = make.with_room(window, 20);
    REQUIRE_MESSAGE(slid, slid.error().text);
    CHECK(slid->ids.size() + 20 <= 100);
    CHECK(window.hidden() > 0);
    CHECK(window.hidden() % 2 == 0);

    ContextWindow other;
    read.clear();
    CHECK_FALSE(make.with_room(other, 20));
    CHECK(other.hidden() == 0);
}

TEST_CASE("every medium has its own place where kinds are printed in another order than listed") {
    const auto talk = Conversation::from_json(
        R"({"messages":[{"role":"user","content":"q"},
        {"role":"assistant","content":[{"type":"audio","path":"1"},{"type":"video","path":"2"}],
         "tool_calls":[{"function":{"name":"f","arguments":{}}}]},
        {"role":"tool","content":[{"type":"video","path":"3"},{"type":"image","path":"4"}]}]})",
        "m.json");
    REQUIRE_MESSAGE(talk, talk.error().text);
    ChatMedia read;
    read.set_reader([](const MediaPart& part, Progress) -> Result<Medium> {
        const std::vector<std::string> times(1, "00:00");
        return Medium{part.kind == MediaKind::image   ? image_text(2)
                      : part.kind == MediaKind::video ? video_text(times, 2)
                                                      : audio_text(2),
                      std::vector<float>(2 * hidden, std::stof(part.source))};
    });
    const auto made = prompt(*talk, read, 1000);
    REQUIRE_MESSAGE(made, made.error().text);
    // The result's come first. Of a kind, the first that is listed is the first that is printed.
    std::vector<std::pair<int, float>> placed;
    for (std::size_t i = 0, row = 0; i < made->ids.size(); ++i)
        if (made->types[i] != 0) placed.emplace_back(made->types[i], made->rows.at(row++ * hidden));
    CHECK(placed == std::vector<std::pair<int, float>>{{2, 2.0f},
                                                       {2, 2.0f},
                                                       {1, 4.0f},
                                                       {1, 4.0f},
                                                       {3, 1.0f},
                                                       {3, 1.0f},
                                                       {2, 3.0f},
                                                       {2, 3.0f}});
    CHECK(made->rows.size() == placed.size() * hidden);
}
