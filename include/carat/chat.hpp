/// \file
/// Chat: a conversation with a model, and what the model remembers of it.
///
///     auto chat = carat::Chat<Model>::open(*model, "gemma-4-E2B-it", executor);
///     if (!chat) return report(chat.error());
///     chat->user("What is the capital of France?");
///     for (std::string_view piece : chat->reply()) std::cout << piece << std::flush;
#pragma once

#include "carat/chat/answer_rules.hpp"
#include "carat/chat/answer_stream.hpp"
#include "carat/chat/chat_file.hpp"
#include "carat/chat/chat_media.hpp"
#include "carat/chat/chat_memory.hpp"
#include "carat/chat/chat_prompt.hpp"
#include "carat/chat/chat_settings.hpp"
#include "carat/chat/context_window.hpp"
#include "carat/chat/running_answer.hpp"
#include "carat/chat/tool_rounds.hpp"
#include "carat/constrain/answer_shape.hpp"
#include "carat/format/json.hpp"
#include "carat/generate/generate.hpp"
#include "carat/prompt/chat_parse.hpp"
#include "carat/prompt/chat_variant.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/prompt/tools.hpp"
#include "carat/text/stream.hpp"
#include "carat/text/tokenizer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// A conversation. Several may share one model and, taking turns, one executor, which must outlive
/// them; each has a cache of its own. A prompt is computed from the first token on that differs
/// from what the cache holds, whatever was said, edited or undone. Move only; not while an answer
/// is being given.
///
/// A chat is used from one thread at a time. Its model and its tokenizer may be shared by any
/// number of threads; a ThreadPool runs one call at a time, so that chats on different threads need
/// an executor each.
template <class M>
class Chat {
  public:
    using Model = M;
    using Session = typename Model::Session;

    /// `tokenizer` is shared with others. Bad input: a session or a sampler that cannot be.
    static Result<Chat> create(const Model& model, std::shared_ptr<const Tokenizer> tokenizer,
                               ExecutorRef executor, ChatSettings settings = {}) {
        return memory_errors("a chat", [&]() -> Result<Chat> {
            auto session = model.session(executor, settings.session);
            if (!session) return std::move(session).error();
            auto sampler =
                Sampler::create(Model::Text::vocab, detail::sampling_of(model, settings));
            if (!sampler) return std::move(sampler).error();
            return Chat(model, std::move(tokenizer), ChatMemory<Model>(*std::move(session)),
                        *std::move(sampler), std::move(settings));
        });
    }

    /// The same, with tokenizer and variant from the model's folder; the variant in `settings` is
    /// not looked at.
    static Result<Chat> open(const Model& model, const std::string& folder, ExecutorRef executor,
                             ChatSettings settings = {}) {
        const auto variant = chat_variant(folder);
        if (!variant) return variant.error();
        auto tokenizer = Tokenizer::open(folder);
        if (!tokenizer) return std::move(tokenizer).error();
        settings.format.variant = *variant;
        return memory_errors(folder, [&] {
            return create(model, std::make_shared<const Tokenizer>(*std::move(tokenizer)), executor,
                          std::move(settings));
        });
    }

    // A model that nobody keeps would be gone before the chat.
    static Result<Chat> create(const Model&&, std::shared_ptr<const Tokenizer>, ExecutorRef,
                               ChatSettings = {}) = delete;
    static Result<Chat> open(const Model&&, const std::string&, ExecutorRef,
                             ChatSettings = {}) = delete;

    // ---- what is said

    Chat& system(std::string_view text) { return talk_.system(text), *this; }
    Chat& user(std::string_view text) { return talk_.user(text), *this; }
    Chat& user(std::initializer_list<ContentPart> parts) { return talk_.user(parts), *this; }
    Chat& user(std::span<const ContentPart> parts) { return talk_.user(parts), *this; }
    /// Takes back the user's last message and what followed. Its text, nothing where there is none.
    std::optional<std::string> undo() {
        auto text = talk_.undo();
        window_.shrink(talk_.messages());
        return text;
    }
    /// The user's last message, said differently; pictures and sounds in it stay.
    Chat& edit(std::string_view text) {
        talk_.edit(text);
        window_.shrink(talk_.messages());
        return *this;
    }
    /// Starts over: forgets all messages, the system's as well. Tools, the form of answers, filter,
    /// drafter and settings stay.
    void reset() {
        Conversation fresh;
        if (talk_.tools() != nullptr) fresh.set_tools(*talk_.tools());
        start_with(std::move(fresh));
    }
    /// Goes on with another conversation.
    void start_with(Conversation talk) {
        talk_ = std::move(talk);
        window_ = ContextWindow();
    }
    [[nodiscard]] Conversation& conversation() noexcept { return talk_; }
    [[nodiscard]] const Conversation& conversation() const noexcept { return talk_; }
    /// Changes take effect with the next answer, but for those of `session`, which is there
    /// already.
    [[nodiscard]] ChatSettings& settings() noexcept { return settings_; }
    [[nodiscard]] const Tokenizer& tokenizer() const noexcept { return *tokenizer_; }
    [[nodiscard]] const Session& session() const noexcept { return memory_.session(); }
    /// How pictures, sounds and videos become soft tokens.
    void set_media_reader(MediaReader reader) { media_.set_reader(std::move(reader)); }
    /// What the following answers are bound to. The filter's object must outlive them.
    void set_filter(TokenFilter filter) { filter_ = filter; }
    /// The form of the following answers: they satisfy a schema, match an expression, are one of
    /// several texts, or call only the tools declared so far, with right arguments. They do so also
    /// where the token limit ends them; a limit that is too small for it is an error of reply().
    /// AnswerShape{} lifts it. While a form is set, the filter of set_filter() is not asked. Bad
    /// input: what make_constraint refuses.
    Result<void> answer_as(const AnswerShape& shape) {
        constraint_.reset();
        if (shape.kind == AnswerShape::Kind::free) return {};
        return memory_errors("the form of answers", [&]() -> Result<void> {
            if (!tokens_) tokens_ = constrain::TokenTrie::of(*tokenizer_);
            auto made = make_constraint(shape, tokens_, talk_.tools());
            if (!made) return std::move(made).error();
            constraint_ = *std::move(made);
            return {};
        });
    }

    /// Lets an assistant, a Gemma4Drafter that must outlive this, guess what the model is about to
    /// say: answers come quicker, and in exact arithmetic are the same. Bad input: what
    /// Speculation::create refuses.
    template <class Drafter>
    Result<void> set_drafter(const Drafter& drafter, SpeculationOptions options = {}) {
        return memory_errors("drafts", [&]() -> Result<void> {
            auto drafts = drafter.speculation(memory_.session(), options);
            if (!drafts) return std::move(drafts).error();
            using Drafts = std::remove_cvref_t<decltype(*drafts)>;
            drafts_ = std::make_unique<Drafts>(*std::move(drafts));
            return {};
        });
    }
    /// Bytes that what guesses takes, besides the assistant's weights.
    [[nodiscard]] std::size_t draft_bytes() const noexcept {
        return drafts_ ? drafts_->memory_bytes() : 0;
    }

    // ---- what the model says

    /// The model's next turn, which becomes part of the conversation. on_event(const ReplyEvent&)
    /// hears it while it is spoken, and may return false to stop. `progress` is asked while the
    /// prompt is read, and with done == total before every token; false stops the answer as it is
    /// (StopReason::caller), or, while the prompt is read, is Errc::cancelled. Bad input: no
    /// message, or the model's own as the last one (invalid_argument), messages that cannot be
    /// rendered, media that cannot be read; the conversation stays as it was.
    template <class OnEvent>
    Result<ChatTurn> reply(OnEvent&& on_event, Progress progress = {}) {
        auto turn = memory_errors("the answer", [&]() -> Result<ChatTurn> {
            if (auto begun = begin(progress); !begun) return std::move(begun).error();
            while (true) {
                auto more = step(on_event, progress);
                if (!more) return std::move(more).error();
                if (!*more) return end(on_event);
            }
        });
        if (!turn) answer_.reset();
        return turn;
    }

    /// Declares functions to the model, instead of those declared before. They are called by
    /// reply(tools, …), which may be given fewer of them.
    Result<void> set_tools(const Tools& tools) {
        return memory_errors("tools", [&] { return talk_.set_tools(tools.declarations()); });
    }

    /// Answers with functions: calls what the model asks for, all of a turn's calls in order, tells
    /// it what they returned, and so on until it has an answer or has called `limit` times; then
    /// the last turn still has its calls. on_result(const ToolCall&, const JsonValue&) hears of
    /// each. Declares `tools` where no functions are declared yet; those that are stay.
    template <class OnEvent, class OnResult>
    Result<ChatTurn> reply(const Tools& tools, OnEvent&& on_event, OnResult&& on_result,
                           Progress progress = {}, std::size_t limit = 8) {
        if (json::elements(talk_.tools()).empty() && !tools.empty())
            if (auto set = set_tools(tools); !set) return std::move(set).error();
        return detail::reply_with_tools(*this, tools, on_event, on_result, progress, limit);
    }

    /// The whole answer at once, to whoever does not listen; with functions, as above.
    Result<ChatTurn> answer(Progress progress = {}) {
        return reply([](const ReplyEvent&) {}, progress);
    }
    Result<ChatTurn> answer(const Tools& tools, Progress progress = {}) {
        return reply(
            tools, [](const ReplyEvent&) {}, [](const ToolCall&, const JsonValue&) {}, progress);
    }

    /// The same as a range of pieces of the answer's text. Leaving it early ends the answer. What
    /// it took, or what went wrong, is in last() afterwards. Nothing is said until it is iterated.
    [[nodiscard("says nothing until it is iterated")]] AnswerStream<Chat> reply() {
        return AnswerStream<Chat>(*this);
    }
    /// The last answer that was given as a range; reply(on_event) and answer() return theirs, and
    /// leave this as it is.
    [[nodiscard]] const Result<ChatTurn>& last() const noexcept { return last_; }

    // ---- forks and files

    /// A conversation that has the same past and goes its own way. Bad input: memory that the
    /// system refuses.
    Result<Chat> fork() const {
        return memory_errors("a fork", [&]() -> Result<Chat> {
            auto memory = memory_.fork();
            if (!memory) return std::move(memory).error();
            Chat other(*model_, tokenizer_, *std::move(memory), sampler_, settings_);
            if (drafts_) {
                auto drafts = drafts_->fork(other.session());
                if (!drafts) return std::move(drafts).error();
                other.drafts_ = *std::move(drafts);
            }
            other.talk_ = talk_.copy();
            other.window_ = window_;
            other.replies_ = replies_;
            other.media_ = media_;
            other.tokens_ = tokens_;
            other.constraint_ = constraint_;
            return other;
        });
    }

    /// Writes the conversation, and what the model remembers of it unless `with_cache` is false: a
    /// chat that loads it then reads its prompt and its media again, with the same tokens as
    /// result. The file appears when it is complete, and replaces one of that name then. Bad input:
    /// what the system refuses.
    Result<void> save(const std::string& path, bool with_cache = true) const {
        return memory_errors(path, [&] {
            ChatRecord record{.model = model_->fingerprint(),
                              .replies = replies_,
                              .hidden = window_.hidden(),
                              .thinking = settings_.format.enable_thinking,
                              .talk = talk_.copy()};
            if (with_cache) record.held = memory_.held();
            return save_chat(path, record, media_, [&](auto& write) { session().save(write); });
        });
    }

    /// Becomes the conversation that a chat saved. Bad input: a file that is none, of another
    /// version, damaged, of another model, or (with its cache) longer than this context. The chat
    /// is as it was then, but its cache may be gone.
    Result<void> load(const std::string& path) {
        return memory_errors(path, [&] { return load_file(path); });
    }

  private:
    friend class AnswerStream<Chat>;
    using Answer = RunningAnswer<Model>;

    Result<void> load_file(const std::string& path) {
        auto saved =
            load_chat(path, model_->fingerprint(), Model::Text::hidden, media_,
                      [&](std::span<const std::byte> state) { return memory_.load(state); });
        if (!saved) return std::move(saved).error();
        if (!memory_.hold(std::move(saved->held)))
            return Error{Errc::bad_format, path + ": its cache and its tokens differ in length"};
        talk_ = std::move(saved->talk);
        window_ = ContextWindow(saved->hidden);
        replies_ = saved->replies;
        settings_.format.enable_thinking = saved->thinking;
        return {};
    }

    Chat(const Model& model, std::shared_ptr<const Tokenizer> tokenizer, ChatMemory<Model> memory,
         Sampler sampler, ChatSettings settings)
        : model_(&model),
          tokenizer_(std::move(tokenizer)),
          memory_(std::move(memory)),
          sampler_(std::move(sampler)),
          settings_(std::move(settings)),
          stop_ids_(detail::turn_ends(model, *tokenizer_)) {}

    PromptMaker prompts(Progress progress) {
        return {talk_,
                settings_.format,
                *tokenizer_,
                media_,
                Model::config.tokens,
                Model::Text::hidden,
                session().context_tokens(),
                progress};
    }
    /// Reads a prompt, with which an answer begins or goes on. How much of it was held already.
    Result<std::size_t> read(const ChatPrompt& p, std::size_t max_tokens, Progress progress) {
        answer_->generation.emplace(
            memory_.session(), sampler_, GenerateOptions{max_tokens, stop_ids_},
            constraint_ ? TokenFilter(*constraint_) : filter_, drafts_.get());
        return memory_.read(p, *answer_->generation, progress);
    }

    Result<void> begin(Progress progress) {
        answer_.reset();
        if (auto asked = detail::check_asked(talk_); !asked) return asked;
        const std::size_t context = session().context_tokens();
        const std::size_t reserve = std::min(settings_.max_tokens, context / 4);
        const auto p = settings_.full == FullContext::slide
                           ? prompts(progress).with_room(window_, reserve)
                           : prompts(progress).through(window_);
        if (!p) return p.error();
        answer_ = std::make_unique<Answer>(p->in_thought, *tokenizer_);
        if (drafts_) answer_->drafts_before = drafts_->stats();
        answer_->turn.input_ids = p->ids;
        answer_->turn.media_ms = p->media_ms;
        answer_->turn.forgotten = window_.hidden();
        if (p->ids.size() > context) {
            answer_->turn.stop = StopReason::context_full;
            answer_->over = true;
            return {};
        }
        if (constraint_) {
            const std::size_t room = std::min(settings_.max_tokens, context - p->ids.size() + 1);
            const auto start = p->in_thought                      ? OutputStart::in_thought
                               : settings_.format.enable_thinking ? OutputStart::may_think
                                                                  : OutputStart::answer;
            if (auto begun = constraint_->begin(room, start); !begun) return begun;
        }
        SamplerOptions options = detail::sampling_of(*model_, settings_);
        options.seed += replies_;  // an answer that is asked for again may be another one
        auto sampler = Sampler::create(Model::Text::vocab, std::move(options));
        if (!sampler) return std::move(sampler).error();
        sampler_ = *std::move(sampler);
        for (const std::int32_t id : p->ids) sampler_.observe(id);
        const auto kept = read(*p, settings_.max_tokens, progress);
        if (!kept) return kept.error();
        answer_->turn.reused = *kept;
        answer_->read = Answer::Clock::now();
        return {};
    }

    /// One token. False once the answer is over.
    template <class OnEvent>
    Result<bool> step(OnEvent& on_event, Progress progress) {
        Answer& a = *answer_;
        if (a.over) return false;
        if (!progress(1, 1)) {
            a.turn.stop = StopReason::caller;
            return false;
        }
        const auto id = a.generation->next();
        if (!id) return id.error();
        if (!*id) {
            a.turn.stop = a.generation->stop_reason();
            if (a.turn.stop == StopReason::context_full && settings_.full == FullContext::slide)
                return slide_on(progress);
            return false;
        }
        return a.push(**id, *tokenizer_, on_event);
    }

    /// Forgets the oldest turn in the middle of an answer, and goes on with it.
    Result<bool> slide_on(Progress progress) {
        Answer& a = *answer_;
        if (!window_.slide(talk_.messages())) return false;
        auto p = prompts(progress).through(window_);
        if (!p) return std::move(p).error();
        const auto& said = a.turn.token_ids;
        // sampling_of() lets no placeholder be said, so that none of these stands for a medium.
        p->ids.insert(p->ids.end(), said.begin(), said.end());
        p->contents.resize(p->ids.size(), 0);
        if (!p->types.empty()) p->types.resize(p->ids.size(), 0);
        a.turn.forgotten = window_.hidden();
        a.reread = said.size();
        if (auto kept = read(*p, settings_.max_tokens - said.size(), progress); !kept)
            return kept.error();
        return true;
    }

    /// The answer as it is becomes part of the conversation.
    template <class OnEvent>
    ChatTurn end(OnEvent& on_event) {
        Answer& a = *answer_;
        a.finish(on_event);
        if (!a.over) {
            a.generation->settle();
            if (drafts_) a.turn.drafts = drafts_->stats() - a.drafts_before;
            memory_.add(std::span(a.turn.token_ids).subspan(a.reread));
            talk_.assistant(a.turn.reply);
            ++replies_;
        }
        ChatTurn turn = std::move(a.turn);
        answer_.reset();
        return turn;
    }

    const Model* model_;
    std::shared_ptr<const Tokenizer> tokenizer_;
    ChatMemory<Model> memory_;
    Sampler sampler_;
    ChatSettings settings_;
    std::vector<std::int32_t> stop_ids_;
    Conversation talk_;
    ContextWindow window_;
    std::uint64_t replies_ = 0;
    TokenFilter filter_;
    std::shared_ptr<const constrain::TokenTrie> tokens_;  // once a constraint needs it
    std::optional<Constraint> constraint_;
    ChatMedia media_;
    std::unique_ptr<LogitsSource<typename Model::Text>> drafts_;
    std::unique_ptr<Answer> answer_;  // refers to what stands above
    Result<ChatTurn> last_ = ChatTurn{};
};

}  // namespace carat::inline CARAT_ABI
