// What an answer does whatever the host leaves out: it ends, calls and draws as it should.
#include "carat/chat.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/gemma4.hpp"
#include "carat/models/pocket.hpp"
#include "carat/parallel/executor.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

using Pocket = Gemma4<models::pocket, weights::bf16>;

const Pocket& model() {
    static const auto opened = [] {
        auto m = Pocket::open(pocket);
        REQUIRE_MESSAGE(m, m.error().text);
        return *std::move(m);
    }();
    return opened;
}
Chat<Pocket> chat_of(const Pocket& model, ChatSettings settings = {}) {
    static Serial serial;
    settings.session.context_tokens = 512;
    auto chat = Chat<Pocket>::open(model, pocket, serial, std::move(settings));
    REQUIRE_MESSAGE(chat, chat.error().text);
    return *std::move(chat);
}

/// Allows the same tokens at every place.
class Only {
  public:
    explicit Only(std::initializer_list<std::int32_t> ids)
        : words_(TokenMask::words_for(Pocket::Text::vocab)) {
        for (const std::int32_t id : ids)
            words_[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
    }
    [[nodiscard]] TokenMask allowed(std::size_t) const { return TokenMask(words_); }
    void accept(std::int32_t) {}

  private:
    std::vector<std::uint64_t> words_;
};

template <class M>
concept MakesSession = requires(M&& m, Serial& serial) {
    static_cast<M&&>(m).session(serial);
};
template <class M>
concept OpensChat = requires(M&& m, Serial& serial) {
    Chat<Pocket>::open(static_cast<M&&>(m), pocket, serial);
};
template <class M>
concept CreatesChat = requires(M&& m, Serial& serial) {
    Chat<Pocket>::create(static_cast<M&&>(m), nullptr, serial);
};
static_assert(MakesSession<const Pocket&> && OpensChat<const Pocket&>);
static_assert(CreatesChat<const Pocket&>);
// A model that nobody keeps would be gone before its session.
static_assert(!MakesSession<Pocket> && !OpensChat<Pocket> && !CreatesChat<Pocket>);

}  // namespace

TEST_CASE("a turn ends where it ends, though no generation_config.json says how") {
    auto files = CheckpointFiles::open(pocket);
    REQUIRE_MESSAGE(files, files.error().text);
    const auto bare = Pocket::from(*std::move(files));
    REQUIRE_MESSAGE(bare, bare.error().text);
    REQUIRE(bare->generation().eos_token_ids == std::vector<std::int32_t>{1});
    auto chat = chat_of(*bare, {.sampling = SamplerOptions{.greedy = true}});
    const auto turn = chat.user("What is the capital of France?").answer();
    REQUIRE_MESSAGE(turn, turn.error().text);
    CHECK(turn->reply.content == "The capital of France is Paris.");
    CHECK(turn->stop == StopReason::stop_token);
    auto fork = chat.fork();
    REQUIRE_MESSAGE(fork, fork.error().text);
    const auto next = fork->user("What is the capital of Japan?").answer();
    REQUIRE_MESSAGE(next, next.error().text);
    CHECK(next->stop == StopReason::stop_token);
}

TEST_CASE("functions that an answer may call are declared with it, but for those that are") {
    auto chat = chat_of(model());
    Tools tools;
    tools.add("get_weather", "Get the weather in a city.", {{"city", "The city name."}},
              [](const std::string& city) { return city == "London" ? "rainy" : "sunny"; });
    chat.user("What is the weather in London?");
    const auto turn = chat.answer(tools);
    REQUIRE_MESSAGE(turn, turn.error().text);
    CHECK(contains(turn->reply.content, "rainy"));
    REQUIRE(json::elements(chat.conversation().tools()).size() == 1);

    Tools more;  // the host's own, of which it calls one here
    more.add("get_time", "The time of day.", [] { return "noon"; });
    more.add("get_weather", "Get the weather in a city.", {{"city", "The city name."}},
             [](const std::string&) { return "rainy"; });
    REQUIRE(chat.set_tools(more));
    REQUIRE(chat.user("What is the weather in London?").answer(tools));
    CHECK(json::elements(chat.conversation().tools()).size() == 2);
}

TEST_CASE("a placeholder of soft tokens is never drawn, however the host draws") {
    constexpr MediaTokens tokens = Pocket::config.tokens;
    auto chat = chat_of(
        model(), {.max_tokens = 16, .sampling = SamplerOptions{.temperature = 1e6f, .seed = 7}});
    const auto one = chat.tokenizer().id_of("a");
    REQUIRE(one);
    Only only{tokens.image, tokens.video, tokens.audio, *one};
    chat.set_filter(only);
    const auto turn = chat.user("Hello!").answer();
    REQUIRE_MESSAGE(turn, turn.error().text);
    CHECK(turn->token_ids == std::vector<std::int32_t>(16, *one));
}

TEST_CASE("where nothing is asked there is no answer, and the conversation stays as it was") {
    auto chat = chat_of(model());
    const auto refusal = [&](std::size_t messages) {
        const auto turn = chat.answer();
        REQUIRE_FALSE(turn);
        CHECK(turn.error().code == Errc::invalid_argument);
        CHECK(chat.conversation().messages().Size() == messages);
        return turn.error().text;
    };
    CHECK(refusal(0) == "there is no message, expected the user's");
    chat.user("My name is Anna.");
    REQUIRE(chat.answer());
    const std::string again =
        "the last message is the model's, expected the user's or a function's result";
    CHECK(refusal(2) == again);
    for ([[maybe_unused]] const std::string_view piece : chat.reply()) FAIL("a piece of nothing");
    REQUIRE_FALSE(chat.last());
    CHECK(chat.last().error().text == again);
    const auto turn = chat.user("What is my name?").answer();
    REQUIRE_MESSAGE(turn, turn.error().text);
    CHECK(turn->reply.content == "Your name is Anna.");

    // A call is the model's word as well, and its result is not; nor are instructions alone.
    auto conversation = Conversation::from_json(
        R"({"messages": [{"role": "user", "content": "Rain?"}, {"role": "assistant", "tool_calls":
            [{"function": {"name": "get_weather", "arguments": {"city": "London"}}}]}]})",
        "messages");
    REQUIRE_MESSAGE(conversation, conversation.error().text);
    chat.start_with(*std::move(conversation));
    CHECK(refusal(2) == again);
    REQUIRE(chat.conversation().tool_result("get_weather", "rainy"));
    CHECK(chat.answer());
    chat.reset();
    CHECK(chat.system("Say hello.").answer());
}

TEST_CASE("an answer that nobody listens to is cancelled while it reads, and stopped afterwards") {
    auto chat = chat_of(model());
    const auto never = [](std::size_t, std::size_t) { return false; };
    Tools tools;
    tools.add("get_time", "The time of day.", [] { return "noon"; });
    chat.user("Tell me a story about a fox.");
    CHECK(chat.answer(never).error().code == Errc::cancelled);
    CHECK(chat.answer(tools, never).error().code == Errc::cancelled);
    CHECK(chat.conversation().messages().Size() == 1);
    std::size_t tokens = 0;
    const auto turn = chat.answer(
        [&](std::size_t done, std::size_t total) { return done < total || ++tokens < 4; });
    REQUIRE_MESSAGE(turn, turn.error().text);
    CHECK(turn->stop == StopReason::caller);
    CHECK(turn->token_ids.size() <= 3);
}

TEST_CASE("a prompt longer than the context is not read: an empty reply, full context") {
    for (const FullContext full : {FullContext::stop, FullContext::slide}) {
        auto chat = chat_of(model(), {.full = full});
        std::string text;
        for (int i = 0; i < 600; ++i) text += " one";
        const auto turn = chat.user(text).answer();
        REQUIRE_MESSAGE(turn, turn.error().text);
        CHECK(turn->stop == StopReason::context_full);
        CHECK(turn->reply.content.empty());
        CHECK(turn->token_ids.empty());
        CHECK(turn->input_ids.size() > 512);
        CHECK(chat.session().size() == 0);
        CHECK(chat.conversation().messages().Size() == 1);
    }
}

}  // namespace carat::test
