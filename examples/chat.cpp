// The whole: talk with the model.
//
//   chat --model examples/pocket "What is the capital of France?"
//   chat --model examples/pocket      (talks until the end of input)
#include "carat/chat.hpp"

#include "carat/media_files.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "media_options.hpp"
#include "program.hpp"
#include "reply.hpp"
#include "talk.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Arguments {
    std::string model, draft, prompt, system, tools, messages, schema, regex, history, load, save;
    std::vector<std::string> choices;
    bool constrain_tools = false;
    Given given{};
    std::size_t max_soft_tokens = 0;
    bool think = false, greedy = false, json = false, slide = false, in_place = false;
    double temperature = -1, top_p = -1, min_p = -1;
    std::int64_t top_k = -1;
    std::uint64_t seed = 0;
    std::size_t max_tokens = 512, threads = all_threads(), context = 4096;
};

carat::SamplerOptions sampling(const Model& model, const Arguments& a) {
    carat::SamplerOptions o = model.sampler_options();
    if (a.temperature >= 0 || a.top_k >= 0 || a.top_p >= 0 || a.min_p >= 0) o.greedy = false;
    if (a.temperature > 0) o.temperature = static_cast<float>(a.temperature);
    if (a.top_k >= 0) o.top_k = static_cast<std::size_t>(a.top_k);
    if (a.top_p >= 0) o.top_p = static_cast<float>(a.top_p);
    if (a.min_p >= 0) o.min_p = static_cast<float>(a.min_p);
    if (a.greedy || a.temperature == 0) o.greedy = true;
    o.seed = a.seed;
    return o;
}

carat::Result<carat::Conversation> first_messages(const Arguments& a) {
    carat::Conversation talk;
    if (!a.messages.empty()) {
        const auto text = carat::read_file(a.messages);
        if (!text) return text.error();
        auto read = carat::Conversation::from_json(*text, a.messages);
        if (!read) return read.error();
        talk = std::move(*read);
    }
    if (!a.tools.empty()) {
        const auto text = carat::read_file(a.tools);
        if (!text) return text.error();
        if (auto set = talk.set_tools(*text, a.tools); !set) return set.error();
    }
    if (!a.system.empty()) talk.system(a.system);
    return talk;
}

carat::Result<carat::AnswerShape> shape(const Arguments& a) {
    using Shape = carat::AnswerShape;
    if (!a.schema.empty()) {
        auto text = carat::read_file(a.schema);
        if (!text) return std::move(text).error();
        return Shape::json(*std::move(text));
    }
    if (!a.regex.empty()) return Shape::regex(a.regex);
    if (!a.choices.empty()) return Shape::choices(a.choices);
    return a.constrain_tools ? Shape::calls() : Shape{};
}

/// What no checkpoint of this config could take is said before one is loaded.
carat::Result<void> check(const Given& given) {
    if (!given.images.empty() || !given.videos.empty())
        if (auto able = Model::can_see(); !able) return able;
    if (!given.audios.empty()) return Model::can_hear();
    return {};
}

carat::Result<void> chat(const Arguments& a) {
    if (auto possible = check(a.given); !possible) return possible;
    auto first = first_messages(a);
    if (!first) return first.error();
    const auto form = shape(a);
    if (!form) return form.error();
    if (!a.draft.empty() && !can_draft) return Assistant::open(a.draft).error();
    const Stopwatch watch;
    ProgressLine line("loading");
    const auto loading = [&](std::size_t done, std::size_t total) {
        return line(done, total) && interrupted == 0;
    };
    carat::ThreadPool pool(a.threads);
    const auto model = Model::open(a.model, loading, {.executor = pool, .in_place = a.in_place});
    std::optional<Assistant> assistant;
    if (model && !a.draft.empty()) {
        auto opened = Assistant::open(a.draft, loading, {.executor = pool});
        line.clear();
        if (!opened) return opened.error();
        assistant.emplace(*std::move(opened));
    }
    line.clear();
    if (!model) return model.error();
    const double load_ms = watch.ms();
    const carat::MediaFiles<Model> files(
        *model, a.model, pool,
        {.folder = a.messages.empty() ? "." : folder_of(a.messages),
         .max_soft_tokens = a.max_soft_tokens});
    auto chat = carat::Chat<Model>::open(
        *model, a.model, pool,
        {.format = {.enable_thinking = a.think},
         .max_tokens = a.max_tokens,
         .session = files.session_options({.context_tokens = a.context},
                                          carat::media_parts(first->messages())),
         .full = a.slide ? carat::FullContext::slide : carat::FullContext::stop,
         .sampling = sampling(*model, a)});
    if (!chat) return chat.error();
    std::size_t planned = model->memory_bytes() + chat->session().memory_bytes();
    if constexpr (can_draft)
        if (assistant) {
            if (auto set = chat->set_drafter(*assistant); !set) return set;
            planned += assistant->memory_bytes() + chat->draft_bytes();
        }
    chat->start_with(*std::move(first));
    if (!a.load.empty())
        if (auto loaded = chat->load(a.load); !loaded) return loaded;
    if (a.think) chat->settings().format.enable_thinking = true;
    if (auto bound = chat->answer_as(*form); !bound) return bound;
    chat->set_media_reader(files);

    Talk<Model> talk(*chat,
                     {.system = a.system,
                      .history = a.history,
                      .given = a.given,
                      .json = a.json,
                      .load_ms = load_ms,
                      .drafts = assistant.has_value(),
                      .planned_bytes = planned},
                     *form);
    if (!a.prompt.empty()) talk.ask(a.prompt);
    auto done = a.prompt.empty() && a.messages.empty() ? talk.go_on() : talk.answer();
    if (done && !a.save.empty()) done = chat->save(a.save);
    return done;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Talk with a Gemma 4.");
    app.add_option("--model", a.model, "folder or GGUF file of the checkpoint")
        ->type_name("PATH")
        ->required();
    app.add_option("--draft", a.draft, "folder of its assistant, which guesses answers: quicker")
        ->type_name("PATH");
    app.add_option("PROMPT", a.prompt,
                   "one question; without it, one a line until the end of input");
    app.add_option("--image", a.given.images,
                   "a picture before the first question: PNG, JPEG, GIF, WebP, BMP")
        ->type_name("FILE")
        ->allow_extra_args(false);
    app.add_option("--audio", a.given.audios, "a sound before the first question")
        ->type_name("FILE")
        ->allow_extra_args(false);
    app.add_option("--video", a.given.videos,
                   "a video before the first question: a file, a folder of frames, an animated GIF")
        ->type_name("PATH")
        ->allow_extra_args(false);
    app.add_option("--fps", a.given.fps,
                   "frames a second of the videos; else a file says it, and a folder has 24")
        ->check(CLI::PositiveNumber);
    app.add_flag("--sound", a.given.sound, "let the model hear the videos too");
    add_budget_option(app, a.max_soft_tokens);
    auto* system = app.add_option("--system", a.system, "instructions for the whole conversation")
                       ->type_name("TEXT");
    app.add_flag("--think", a.think, "let the model think before it answers");
    auto* tools = app.add_option("--tools", a.tools, "functions the model may call: a JSON array")
                      ->type_name("FILE");
    auto* forms = app.add_option_group("form of the answers");
    forms->require_option(0, 1);
    forms->add_option("--schema", a.schema, "answers are JSON that satisfies a JSON schema")
        ->type_name("FILE");
    forms->add_option("--regex", a.regex, "answers match a regular expression")->type_name("TEXT");
    forms->add_option("--choice", a.choices, "answers are one of these; give it several times")
        ->type_name("TEXT")
        ->allow_extra_args(false);
    forms->add_flag("--constrain-tools", a.constrain_tools,
                    "calls are of declared tools, with arguments of the declared types");
    auto* messages = app.add_option("--messages", a.messages,
                                    "a conversation to go on with: {\"messages\": [...]}")
                         ->type_name("FILE");
    app.add_option("--load", a.load, "go on with a conversation that /save or --save wrote")
        ->type_name("FILE")
        ->excludes(system, tools, messages);
    app.add_option("--save", a.save, "keep the conversation, to be gone on with later")
        ->type_name("FILE");
    app.add_option("--history", a.history, "questions of earlier talks, for the arrow keys")
        ->type_name("FILE");
    app.add_flag("--greedy", a.greedy, "always the most probable token");
    app.add_option("--temperature", a.temperature, "0: greedy")->check(CLI::Range(0.0, 100.0));
    app.add_option("--top-k", a.top_k, "0: all")->check(CLI::Range(0, 1 << 30));
    app.add_option("--top-p", a.top_p)->check(CLI::Range(0.0, 1.0));
    app.add_option("--min-p", a.min_p)->check(CLI::Range(0.0, 1.0));
    app.add_option("--seed", a.seed, "of the random choice");
    app.add_option("--max-tokens", a.max_tokens, "of an answer");
    app.add_option("--threads", a.threads, "threads to compute with")->check(CLI::Range(1, 1024));
    app.add_option("--context", a.context, "longest conversation in tokens");
    app.add_flag("--in-place", a.in_place, "weights of a packed checkpoint stay in their file");
    app.add_flag("--slide", a.slide, "forget the oldest turns where the context is full");
    app.add_flag("--json", a.json, "one JSON object an answer, with ids, timings and memory");
    stop_answers_by_ctrl_c();
    return run_program(app, argc, argv, "chat", [&] { return chat(a); });
}
