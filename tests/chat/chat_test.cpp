#include "carat/chat.hpp"

#include "carat/gemma4.hpp"
#include "carat/models/pocket.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "support/files.hpp"
#include "support/gguf_projector.hpp"
#include "support/gguf_tokenizer.hpp"
#include "support/oracle.hpp"
#include "text/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

using namespace carat;

namespace {

using Pocket = Gemma4<models::pocket, weights::bf16>;

const Pocket& pocket() {
    static const auto model = [] {
        auto m = Pocket::open(source_path("examples/pocket"));
        REQUIRE_MESSAGE(m, m.error().text);
        return *std::move(m);
    }();
    return model;
}
Chat<Pocket> chat_with(ChatSettings settings = {.session = {.context_tokens = 512}}) {
    static Serial serial;
    auto chat = Chat<Pocket>::open(pocket(), source_path("examples/pocket"), serial, settings);
    REQUIRE_MESSAGE(chat, chat.error().text);
    return *std::move(chat);
}
ChatTurn reply(Chat<Pocket>& chat) {
    auto turn = chat.reply([](const ReplyEvent&) {});
    REQUIRE_MESSAGE(turn, turn.error().text);
    return *std::move(turn);
}
/// A reader of pictures of one colour, two soft tokens each.
MediaReader plain_pictures(int& reads) {
    return [&reads](const MediaPart& part, Progress) -> Result<Medium> {
        ++reads;
        return Medium{image_text(2), std::vector<float>(2 * Pocket::Text::hidden,
                                                        part.source == "a.png" ? 0.5f : -0.5f)};
    };
}
/// A model that says what it is told to, one text a turn, control tokens in it.
class Script {
  public:
    Script(const Tokenizer& tokenizer, const std::vector<std::string>& turns) {
        for (const std::string& turn : turns) {
            const auto ids = tokenizer.encode(turn);
            REQUIRE(ids);
            ids_.insert(ids_.end(), ids->begin(), ids->end());
        }
    }
    TokenMask allowed(std::size_t) {
        words_.assign(TokenMask::words_for(Pocket::Text::vocab), 0);
        const auto id = static_cast<std::size_t>(ids_[std::min(at_, ids_.size() - 1)]);
        words_[id / 64] |= std::uint64_t{1} << (id % 64);
        return TokenMask(words_);
    }
    void accept(std::int32_t) { ++at_; }
    [[nodiscard]] bool finished() const { return at_ == ids_.size(); }

  private:
    std::vector<std::int32_t> ids_;
    std::vector<std::uint64_t> words_;
    std::size_t at_ = 0;
};
struct TemporaryFile {
    std::string path = "carat_chat_test." + std::to_string(::getpid()) + ".chat";
    ~TemporaryFile() { std::remove(path.c_str()); }
};

}  // namespace

TEST_CASE("a folder of GGUF files talks as the folder that they were made from") {
    const std::string source = source_path("examples/pocket");
    const auto text_of = [&](const std::string& name) {
        const auto text = read_file(path_in(source, name));
        REQUIRE(text);
        return *text;
    };
    const auto vocabulary = read_tokenizer_json(text_of("tokenizer.json"), "tokenizer.json");
    REQUIRE(vocabulary);
    test::GgufFile text = test::gguf_of(source, models::pocket.text);
    test::add_tokenizer(text, *vocabulary);
    text.add("tokenizer.chat_template", text_of("chat_template.jinja").c_str());
    const test::Folder folder("chat_gguf");
    test::write_text(folder / "pocket.gguf", text.bytes());
    test::write_text(folder / "mmproj.gguf", test::projector_of(source, models::pocket).bytes());

    const auto model = Pocket::open(folder.path());
    REQUIRE_MESSAGE(model, model.error().text);
    Serial serial;
    const ChatSettings settings{.session = {.context_tokens = 256},
                                .sampling = SamplerOptions{.greedy = true}};
    auto chat = Chat<Pocket>::open(*model, folder.path(), serial, settings);
    REQUIRE_MESSAGE(chat, chat.error().text);
    auto expected = chat_with(settings);
    for (auto* one : {&*chat, &expected}) one->user("What is the capital of France?");
    const ChatTurn said = reply(*chat);
    CHECK(said.reply.content.find("Paris") != std::string::npos);
    CHECK(said.token_ids == reply(expected).token_ids);
}

TEST_CASE("damaged weights end an answer with an error, and the question stays") {
    auto model = Pocket::open(source_path("examples/pocket"));
    REQUIRE_MESSAGE(model, model.error().text);
    float& damaged = const_cast<float*>(model->weights().norm.data())[3];  // in the model's memory
    const float whole = damaged;
    static Serial serial;
    auto chat = Chat<Pocket>::open(*model, source_path("examples/pocket"), serial,
                                   {.session = {.context_tokens = 256}});
    REQUIRE_MESSAGE(chat, chat.error().text);
    chat->user("What is the capital of France?");
    const auto fault = [&](float value) {
        damaged = value;
        std::size_t told = 0;
        const auto turn = chat->reply([&](const ReplyEvent&) { ++told; });
        damaged = whole;
        REQUIRE_FALSE(turn);
        CHECK(turn.error().code == Errc::bad_format);
        CHECK(told == 0);
        CHECK(chat->conversation().messages().Size() == 1);
        return turn.error().text;
    };
    for (const float value : {std::nanf(""), HUGE_VALF}) {
        CAPTURE(value);
        const std::string text = fault(value);
        CHECK(text.starts_with("the hidden state after "));
        CHECK(text.ends_with(" tokens is not finite: the weights are damaged"));
    }
    // In the middle of an answer: what was said till then is told, and no part of the conversation.
    std::size_t told = 0;
    const auto turn = chat->reply([&](const ReplyEvent&) {
        if (++told == 1) damaged = HUGE_VALF;
    });
    damaged = whole;
    REQUIRE_FALSE(turn);
    CHECK(turn.error().code == Errc::bad_format);
    CHECK(told == 1);
    CHECK(chat->conversation().messages().Size() == 1);
    // With whole weights the same question has its answer.
    auto other = chat_with({.session = {.context_tokens = 256}});
    other.user("What is the capital of France?");
    CHECK(reply(*chat).token_ids == reply(other).token_ids);
}

TEST_CASE("a conversation remembers, streams, and computes only what is new") {
    auto chat = chat_with();
    chat.user("My name is Anna.");
    std::string said;
    for (const std::string_view piece : chat.reply()) {
        CHECK_FALSE(piece.empty());
        said += piece;
    }
    REQUIRE(chat.last());
    CHECK(said == chat.last()->reply.content);
    CHECK(said == "Nice to meet you, Anna!");
    CHECK(chat.last()->stop == StopReason::stop_token);
    chat.user("What is my name?");
    const ChatTurn turn = reply(chat);
    CHECK(turn.reply.content == "Your name is Anna.");
    CHECK(turn.reused >= 8);
    CHECK(turn.reused < turn.input_ids.size());
    CHECK(chat.session().size() == turn.input_ids.size() + turn.token_ids.size() - 1);

    CHECK(chat.undo() == "What is my name?");
    chat.edit("My name is Bob.").user("What is my name?");
    CHECK(chat.conversation().messages().Size() == 2);
}

TEST_CASE("conversations share a model, and a fork goes its own way") {
    auto a = chat_with(), b = chat_with();
    a.user("My name is Anna.");
    b.user("My name is Tom.");
    reply(a);
    reply(b);
    auto c = a.fork();
    REQUIRE(c);
    for (auto* chat : {&a, &b, &*c}) chat->user("What is my name?");
    const ChatTurn in_a = reply(a);
    CHECK(reply(b).reply.content == "Your name is Tom.");
    const ChatTurn in_c = reply(*c);
    CHECK(in_a.reply.content == "Your name is Anna.");
    CHECK(in_c.token_ids == in_a.token_ids);
    CHECK(in_c.reused == in_a.reused);
}

TEST_CASE("a conversation goes on after save and load, with its cache and without") {
    auto a = chat_with();
    a.system("Answer in upper case.").user("My name is Anna.");
    reply(a);
    for (const bool with_cache : {true, false}) {
        const TemporaryFile file;
        REQUIRE(a.save(file.path, with_cache));
        auto b = chat_with({.session = {.context_tokens = 300}});
        const auto loaded = b.load(file.path);
        REQUIRE_MESSAGE(loaded, loaded.error().text);
        auto c = a.fork();
        REQUIRE(c);
        c->user("What is my name?");
        b.user("What is my name?");
        const ChatTurn turn = reply(b), same = reply(*c);
        CHECK(turn.token_ids == same.token_ids);
        CHECK(turn.input_ids == same.input_ids);
        CHECK(turn.reused == (with_cache ? same.reused : 0));
    }
}

TEST_CASE("a file that cannot be gone on with is refused in a line") {
    const TemporaryFile file;
    auto a = chat_with();
    a.user("Hello!");
    reply(a);
    REQUIRE(a.save(file.path));
    const std::string whole = *read_file(file.path);
    const auto refusal = [&](std::string text) {
        std::ofstream(file.path, std::ios::binary) << text;
        auto b = chat_with();
        const auto loaded = b.load(file.path);
        REQUIRE_FALSE(loaded);
        CHECK(b.conversation().messages().Empty());
        CHECK(loaded.error().text.starts_with(file.path + ": "));
        return loaded.error().text.substr(file.path.size() + 2);
    };
    CHECK(refusal("hello") == "not a conversation that carat saved");
    CHECK(refusal("carat chat 7\n{}\n12345678") == "saved in version 7 of the format, expected 3");
    CHECK(refusal("carat chat \x1b[2J\n{}\n12345678") ==
          "saved in version \\x1b[2J of the format, expected 3");
    std::string damaged = whole;
    damaged[damaged.size() / 2] ^= 1;
    CHECK(refusal(damaged) == "damaged: its checksum is wrong");
    CHECK(refusal(whole.substr(0, whole.size() - 9)) == "damaged: its checksum is wrong");
    std::string other = whole.substr(0, whole.size() - 8);
    const std::size_t digit = other.find("\"model\":") + 8;
    other[digit] = other[digit] == '1' ? '2' : '1';
    Fnv1a sum;
    sum.add(std::as_bytes(std::span(other)));
    const std::uint64_t value = sum.value();
    other.append(reinterpret_cast<const char*>(&value), sizeof value);
    CHECK(refusal(other) == "saved with another model than the one that is open");
}

TEST_CASE("what a model says stands for no picture, not even where a filter asks for one") {
    ChatSettings settings{.session = {.context_tokens = 80}, .full = FullContext::slide};
    settings.sampling = SamplerOptions{.greedy = true};  // a host's own
    auto chat = chat_with(settings);
    chat.user("What is the capital of France?");
    Script script(chat.tokenizer(), {"<|image|>"});
    chat.set_filter(script);
    const auto turn = chat.reply([](const ReplyEvent&) {});
    REQUIRE(!turn);
    CHECK(turn.error().text.find("none of the tokens allowed") != std::string::npos);
}
TEST_CASE("a full context stops, or slides and keeps the system turn") {
    auto stops = chat_with({.session = {.context_tokens = 60}});
    auto slides = chat_with({.session = {.context_tokens = 60}, .full = FullContext::slide});
    slides.system("Be brief.");
    bool stopped = false;
    std::size_t forgotten = 0;
    for (int i = 0; i < 8; ++i) {
        stops.user("What is the capital of France?");
        stopped = stopped || reply(stops).stop == StopReason::context_full;
        slides.user("What is the capital of France?");
        const ChatTurn turn = reply(slides);
        CHECK(turn.stop == StopReason::stop_token);
        CHECK(turn.input_ids.size() <= 60);
        forgotten = turn.forgotten;
    }
    CHECK(stopped);
    CHECK(forgotten >= 8);
    CHECK(slides.conversation().messages().Size() == 17);
    slides.user("Tell me a story about a fox.");  // longer than what is left
    const ChatTurn story = reply(slides);
    CHECK(story.reply.content.starts_with("Once upon a time"));
}

TEST_CASE("an answer stops when it is told to, and a medium without a reader is an error") {
    auto chat = chat_with();
    chat.user("Tell me a story about a fox.");
    int events = 0;
    auto turn = chat.reply([&](const ReplyEvent&) { return ++events < 3; });
    REQUIRE(turn);
    CHECK(turn->stop == StopReason::caller);
    CHECK(turn->token_ids.size() < 10);
    for (const std::string_view piece : chat.user("And then?").reply()) {
        (void)piece;
        break;
    }
    REQUIRE(chat.last());
    CHECK(chat.last()->stop == StopReason::caller);
    chat.user({image_part("cat.png"), text_part("What is this?")});
    const auto refused = chat.reply([](const ReplyEvent&) {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text ==
          "messages[4].content[0]: cat.png: this chat has no reader for pictures, sounds and "
          "videos (set_media_reader)");
}

TEST_CASE("a medium stands in the prompt as its reader says, and is known again by its content") {
    auto chat = chat_with();
    int reads = 0;
    chat.set_media_reader(plain_pictures(reads));
    chat.settings().max_tokens = 4;
    chat.user({image_part("a.png"), text_part("What is this?")});
    const ChatTurn first = reply(chat);
    chat.undo();
    chat.user({image_part("a.png"), text_part("What is this?")});
    CHECK(reply(chat).reused + 1 == first.input_ids.size());
    CHECK(reads == 1);
    chat.undo();
    chat.user({image_part("b.png"), text_part("What is this?")});
    const ChatTurn other = reply(chat);
    CHECK(other.input_ids == first.input_ids);
    CHECK(other.reused < 6);
    CHECK(reads == 2);
}

TEST_CASE("a question with a picture is edited, forked and saved, and the picture read once") {
    auto chat = chat_with();
    int reads = 0;
    chat.set_media_reader(plain_pictures(reads));
    chat.settings().max_tokens = 6;
    chat.system("Be brief.").user({image_part("a.png"), text_part("What is this?")});
    const ChatTurn first = reply(chat);
    const ChatTurn edited = reply(chat.edit("Describe the image."));
    CHECK(edited.reused >= 10);  // past the picture
    CHECK(edited.input_ids != first.input_ids);
    auto whole = chat_with();
    whole.set_media_reader(plain_pictures(reads));
    whole.settings().max_tokens = 6;
    whole.system("Be brief.").user({image_part("a.png"), text_part("Describe the image.")});
    CHECK(reply(whole).token_ids == edited.token_ids);
    CHECK(reads == 2);

    const TemporaryFile file;
    REQUIRE(chat.save(file.path));
    auto loaded = chat_with();  // which can read no pictures
    const auto done = loaded.load(file.path);
    REQUIRE_MESSAGE(done, done.error().text);
    loaded.settings().max_tokens = 6;
    auto fork = chat.fork();
    REQUIRE(fork);
    const ChatTurn there = reply(loaded.user("And then?"));
    const ChatTurn here = reply(fork->user("And then?"));
    CHECK(there.input_ids == here.input_ids);
    CHECK(there.token_ids == here.token_ids);
    CHECK(there.reused == here.reused);
    REQUIRE(loaded.undo());
    const ChatTurn again = reply(loaded.edit("What is this?"));  // the picture is read in anew
    CHECK(again.input_ids == first.input_ids);
    CHECK(again.token_ids == first.token_ids);
    CHECK(reads == 2);

    chat.set_media_reader([](const MediaPart&, Progress) -> Result<Medium> {
        return Medium{image_text(2), std::vector<float>(7)};
    });
    const auto odd = chat.user({image_part("c.png")}).reply([](const ReplyEvent&) {});
    REQUIRE_FALSE(odd);
    CHECK(odd.error().text == "messages[3].content[0]: 7 values, expected rows of 256");
}

TEST_CASE("functions are called, several in a turn, until there is an answer or a limit") {
    auto chat = chat_with();
    Tools tools;
    int called = 0;
    tools.add("get_weather", "Get the weather in a city.", {{"city", "The city name."}},
              [&](const std::string&) {
                  ++called;
                  return parse_json(R"({"condition": "rainy", "temperature": 14})", "weather");
              });
    REQUIRE(chat.set_tools(tools));
    std::string heard;
    const auto nothing = [](const ReplyEvent&) {};
    const auto result = [&](const ToolCall& call, const JsonValue& value) {
        JsonWriter a, b;
        heard += call.name + std::string(a.value(call.arguments).text()) + "=" +
                 std::string(b.value(value).text()) + ";";
    };
    auto turn = chat.user("What is the weather in London?").reply(tools, nothing, result);
    REQUIRE(turn);
    CHECK(heard == R"(get_weather{"city":"London"}={"condition":"rainy","temperature":14};)");
    CHECK(turn->reply.content == "It is rainy in London with 14 degrees.");
    CHECK(called == 1);

    const std::string call = "<|tool_call>call:get_weather{city:<|\"|>Lyon<|\"|>}<tool_call|>";
    const std::string other = "<|tool_call>call:no_such{x:1}<tool_call|>";
    Script script(chat.tokenizer(), {call + call + other + "<|tool_response>",
                                     call + "<|tool_response>", "Rain.<turn|>"});
    chat.set_filter(script);
    heard.clear();
    turn = chat.user("And in Lyon?").reply(tools, nothing, result);
    REQUIRE(turn);
    CHECK(turn->reply.content == "Rain.");
    CHECK(called == 4);
    CHECK(heard.find(R"(no_such{"x":1}={"error":"there is no function no_such"};)") !=
          std::string::npos);
    CHECK(script.finished());

    Script forever(chat.tokenizer(), std::vector<std::string>(4, call + "<|tool_response>"));
    chat.set_filter(forever);
    turn = chat.user("Again?").reply(tools, nothing, result, {}, 3);
    REQUIRE(turn);
    CHECK(turn->reply.tool_calls.size() == 1);  // which nobody answered
    CHECK(called == 7);
    CHECK(forever.finished());
}

TEST_CASE("text and a call in one answer are remembered, with the call's result and in a file") {
    auto chat = chat_with();
    chat.settings().format.variant = ChatVariant::small;  // no thought before an answer
    Script script(chat.tokenizer(),
                  {"I'll check.<|tool_call>call:f{}<tool_call|><|tool_response>", "Rain.<turn|>"});
    chat.set_filter(script);
    chat.user("What is the weather in London?");
    const ChatTurn first = reply(chat);
    CHECK(first.reply.content == "I'll check.");
    REQUIRE(chat.conversation().tool_result("f", "rain"));
    const TemporaryFile file;
    REQUIRE(chat.save(file.path));
    auto other = chat_with();
    REQUIRE(other.load(file.path));
    other.settings().format.variant = ChatVariant::small;
    CHECK(other.conversation().json() == chat.conversation().json());
    other.set_filter(script);
    const ChatTurn second = reply(other);
    CHECK(second.reused == first.input_ids.size() + first.token_ids.size() - 1);
    CHECK(second.reply.content == "Rain.");
    CHECK(other.undo() == "What is the weather in London?");
    CHECK(other.conversation().messages().Empty());
}

TEST_CASE("answers have the form that was asked for, at any limit, and in a fork") {
    auto chat = chat_with();
    REQUIRE(chat.answer_as(AnswerShape::json(
        R"({"type":"object","properties":{"capital":{"type":"string"},"n":{"type":"integer"}},
            "required":["capital","n"],"additionalProperties":false})")));
    auto other = chat.fork();
    REQUIRE(other);
    for (const std::size_t limit : {std::size_t{60}, std::size_t{24}}) {
        for (auto* c : {&chat, &*other}) {
            c->settings().max_tokens = limit;
            c->user("What is the capital of France?");
            const ChatTurn turn = reply(*c);
            const auto value = parse_json(turn.reply.content, "answer");
            REQUIRE_MESSAGE(value, turn.reply.content);
            CHECK(json::string(json::find(*value, "capital")));
            CHECK(json::integer(json::find(*value, "n")));
        }
    }
    chat.settings().max_tokens = 2;
    CHECK_FALSE(chat.user("And of Spain?").reply([](const ReplyEvent&) {}));
    REQUIRE(chat.answer_as(AnswerShape::choices({"yes", "no"})));
    const std::string said = reply(chat).reply.content;
    CHECK((said == "yes" || said == "no"));
    CHECK_FALSE(chat.answer_as(AnswerShape::regex("(")));
}

namespace {

/// An assistant that is right as far as it has been told.
struct Told {
    test::Oracle<Pocket::Text>::Weights oracle{};
    Result<Speculation<test::Oracle<Pocket::Text>>> speculation(const Pocket::Session& session,
                                                                SpeculationOptions options) const {
        if (options.draft_tokens == 0) options.draft_tokens = 4;
        return Speculation<test::Oracle<Pocket::Text>>::create(oracle, session, options);
    }
};

}  // namespace

TEST_CASE("with an assistant a chat says the same, bound to a form, forked and saved as well") {
    Told told;
    Chat<Pocket> plain = chat_with(), drafted = chat_with();
    REQUIRE(drafted.set_drafter(told, {.adapt = false}));
    CHECK(drafted.draft_bytes() > 0);
    CHECK(plain.draft_bytes() == 0);
    const auto both = [&](Chat<Pocket>& a, Chat<Pocket>& b) {
        const ChatTurn expected = reply(a);
        told.oracle.says = expected.input_ids;
        told.oracle.says.insert(told.oracle.says.end(), expected.token_ids.begin(),
                                expected.token_ids.end());
        ChatTurn turn = reply(b);
        CHECK(turn.token_ids == expected.token_ids);
        CHECK(turn.reply.content == expected.reply.content);
        CHECK(turn.stop == expected.stop);
        CHECK(turn.reused == expected.reused);
        CHECK(a.session().size() == b.session().size());
        CHECK(expected.drafts == DraftStats{});
        CHECK(turn.drafts.passes + turn.drafts.accepted == turn.token_ids.size() - 1);
        CHECK(turn.drafts.accepted > turn.drafts.passes);
        return turn;
    };
    plain.user("My name is Anna.");
    drafted.user("My name is Anna.");
    both(plain, drafted);
    plain.user("What is my name?");
    drafted.user("What is my name?");
    CHECK(both(plain, drafted).reply.content == "Your name is Anna.");

    auto plain_fork = plain.fork(), drafted_fork = drafted.fork();
    REQUIRE((plain_fork && drafted_fork));
    CHECK(drafted_fork->draft_bytes() == drafted.draft_bytes());
    const AnswerShape shape = AnswerShape::choices({"blue", "a long green word", "red"});
    REQUIRE(plain_fork->answer_as(shape));
    REQUIRE(drafted_fork->answer_as(shape));
    plain_fork->user("What is the capital of France?");
    drafted_fork->user("What is the capital of France?");
    const ChatTurn expected = reply(*plain_fork), bound = reply(*drafted_fork);
    CHECK(bound.token_ids == expected.token_ids);

    const test::Folder folder("drafted_chat");
    REQUIRE(drafted.save(folder / "chat"));
    Chat<Pocket> loaded = chat_with();
    REQUIRE(loaded.load(folder / "chat"));
    loaded.user("What is the capital of France?");
    plain.user("What is the capital of France?");
    CHECK(reply(loaded).token_ids == reply(plain).token_ids);
}

TEST_CASE("an answer that is left early with an assistant leaves what it has said, and no more") {
    Told told;
    Chat<Pocket> plain = chat_with();
    plain.user("What is the capital of France?");
    const ChatTurn all = reply(plain);
    told.oracle.says = all.input_ids;
    told.oracle.says.insert(told.oracle.says.end(), all.token_ids.begin(), all.token_ids.end());
    Chat<Pocket> chat = chat_with();
    REQUIRE(chat.set_drafter(told, {.draft_tokens = 6, .adapt = false}));
    chat.user("What is the capital of France?");
    std::size_t pieces = 0;
    for ([[maybe_unused]] const std::string_view piece : chat.reply())
        if (++pieces == 2) break;
    REQUIRE(chat.last());
    CHECK(chat.last()->stop == StopReason::caller);
    CHECK(chat.session().size() ==
          chat.last()->input_ids.size() + chat.last()->token_ids.size() - 1);
    chat.undo();
    chat.user("What is the capital of France?");
    const ChatTurn again = reply(chat);
    CHECK(again.token_ids == all.token_ids);
    CHECK(again.reused > 0);
    const auto refused = chat.set_drafter(told, {.draft_tokens = 99});
    REQUIRE(!refused);
    CHECK(test::contains(refused.error().text, "draft_tokens is 99"));
}
