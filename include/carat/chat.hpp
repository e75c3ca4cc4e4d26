/// \file
/// Chat: a conversation with a model, and what the model remembers of it.
///
///     auto chat = carat::Chat<Model>::open(*model, "gemma-4-E2B-it", executor);
///     if (!chat) return report(chat.error());
///     chat->user("What is the capital of France?");
///     for (std::string_view piece : chat->reply()) std::cout << piece << std::flush;
#pragma once

#include "carat/checkpoint/fnv1a.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/constrain/answer_shape.hpp"
#include "carat/generate/generate.hpp"
#include "carat/json_writer.hpp"
#include "carat/text/chat_encode.hpp"
#include "carat/text/chat_parse.hpp"
#include "carat/text/chat_variant.hpp"
#include "carat/text/conversation.hpp"
#include "carat/text/media_expansion.hpp"
#include "carat/text/media_parts.hpp"
#include "carat/text/stream.hpp"
#include "carat/text/tokenizer.hpp"
#include "carat/text/tools.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat {

/// What happens when a conversation no longer fits into the context.
enum class FullContext : std::uint8_t {
    stop,   ///< the answer stops, with StopReason::context_full
    slide,  ///< the model forgets the oldest questions and answers; the system turn stays
};

struct ChatSettings {
    ChatOptions format{};          ///< Chat::open finds the variant in the model's folder
    std::size_t max_tokens = 512;  ///< of an answer
    SessionOptions session{};      ///< how long the conversation may get
    FullContext full = FullContext::stop;
    std::optional<SamplerOptions> sampling{};  ///< nothing: what the model's files say
};

/// A picture, a sound or a video as a model takes it.
struct Medium {
    MediaText text{};           ///< what stands for it in the prompt, placeholders among it
    std::vector<float> rows{};  ///< [placeholders, hidden_size], not scaled
};
/// Reads a medium. A chat calls it once for each, when it first becomes part of a prompt. It may
/// tell its caller how far it is, and is told to stop.
using MediaReader = std::function<Result<Medium>(const MediaPart&, Progress)>;

/// One answer, and what it took.
struct ChatTurn {
    std::vector<std::int32_t> input_ids{};  ///< the whole prompt
    std::vector<std::int32_t> token_ids{};  ///< the answer, with the stop token
    Reply reply{};
    StopReason stop = StopReason::stop_token;
    std::size_t reused = 0;     ///< tokens of the prompt that were remembered
    std::size_t forgotten = 0;  ///< messages that the context has no room for, in all
    double media_ms = 0, read_ms = 0, write_ms = 0;
};

/// A conversation. Several may share one model and one tokenizer, which must outlive them; each has
/// a cache of its own. A prompt is computed from the first token on that differs from what the
/// cache holds, whatever was said, edited or undone. Move only; not while an answer is being given.
template <class M>
class Chat {
  public:
    using Model = M;
    using Session = typename Model::Session;

    /// `tokenizer` is shared with others. Bad input: a session or a sampler that cannot be.
    static Result<Chat> create(const Model& model, std::shared_ptr<const Tokenizer> tokenizer,
                               ExecutorRef executor, ChatSettings settings = {}) {
        auto session = model.session(executor, settings.session);
        if (!session) return std::move(session).error();
        SamplerOptions sampling = settings.sampling.value_or(model.sampler_options());
        auto sampler = Sampler::create(Model::Text::vocab, std::move(sampling));
        if (!sampler) return std::move(sampler).error();
        return Chat(model, std::move(tokenizer), *std::move(session), *std::move(sampler),
                    std::move(settings));
    }

    /// The same, with tokenizer and variant from the model's folder.
    static Result<Chat> open(const Model& model, const std::string& folder, ExecutorRef executor,
                             ChatSettings settings = {}) {
        const auto variant = chat_variant(folder);
        if (!variant) return variant.error();
        auto tokenizer = Tokenizer::open(folder);
        if (!tokenizer) return std::move(tokenizer).error();
        settings.format.variant = *variant;
        return create(model, std::make_shared<const Tokenizer>(*std::move(tokenizer)), executor,
                      std::move(settings));
    }

    // ---- what is said

    Chat& system(std::string_view text) { return talk_.system(text), *this; }
    Chat& user(std::string_view text) { return talk_.user(text), *this; }
    Chat& user(std::initializer_list<ContentPart> parts) { return talk_.user(parts), *this; }
    Chat& user(std::span<const ContentPart> parts) { return talk_.user(parts), *this; }
    /// Takes back the user's last message and what followed. Its text, nothing where there is none.
    std::optional<std::string> undo() {
        auto text = talk_.undo();
        if (hidden_ >= talk_.messages().Size()) hidden_ = 0;  // what is left may fit again
        return text;
    }
    /// The user's last message, said differently; pictures and sounds in it stay.
    Chat& edit(std::string_view text) { return talk_.edit(text), *this; }
    /// Starts over. Tools stay.
    void reset() {
        Conversation fresh;
        if (talk_.tools() != nullptr) fresh.set_tools(*talk_.tools());
        start_with(std::move(fresh));
    }
    /// Goes on with another conversation.
    void start_with(Conversation talk) {
        talk_ = std::move(talk);
        hidden_ = 0;
    }
    [[nodiscard]] Conversation& conversation() noexcept { return talk_; }
    [[nodiscard]] const Conversation& conversation() const noexcept { return talk_; }
    [[nodiscard]] ChatSettings& settings() noexcept { return settings_; }
    [[nodiscard]] const Tokenizer& tokenizer() const noexcept { return *tokenizer_; }
    [[nodiscard]] const Session& session() const noexcept { return session_; }
    /// How pictures, sounds and videos become soft tokens.
    void set_media_reader(MediaReader reader) { read_media_ = std::move(reader); }
    /// What the following answers are bound to. The filter's object must outlive them.
    void set_filter(TokenFilter filter) { filter_ = filter; }
    /// The form of the following answers: they satisfy a schema, match an expression, are one of
    /// several texts, or call only the tools declared so far, with right arguments. They do so also
    /// where the token limit ends them; a limit that is too small for it is an error of reply().
    /// AnswerShape{} lifts it. Goes before a filter. Bad input: what make_constraint refuses.
    Result<void> answer_as(const AnswerShape& shape) {
        constraint_.reset();
        if (shape.kind == AnswerShape::Kind::free) return {};
        if (!tokens_) tokens_ = constrain::TokenTrie::of(*tokenizer_);
        auto made = make_constraint(shape, tokens_, talk_.tools());
        if (!made) return std::move(made).error();
        constraint_ = *std::move(made);
        return {};
    }

    // ---- what the model says

    /// The model's next turn, which becomes part of the conversation. on_event(const ReplyEvent&)
    /// hears it while it is spoken, and may return false to stop. `progress` is asked while the
    /// prompt is read, and with done == total before every token; false stops the answer as it is
    /// (StopReason::caller), or, while the prompt is read, is Errc::cancelled. Bad input: messages
    /// that cannot be rendered, media that cannot be read; the conversation stays as it was.
    template <class OnEvent>
    Result<ChatTurn> reply(OnEvent&& on_event, Progress progress = {}) {
        if (auto begun = begin(progress); !begun) return begun.error();
        while (true) {
            const auto more = step(on_event, progress);
            if (!more) return more.error();
            if (!*more) return end(on_event);
        }
    }

    /// Declares functions to the model. They are called by reply(tools, …).
    Result<void> set_tools(const Tools& tools) { return talk_.set_tools(tools.declarations()); }

    /// Answers with functions: calls what the model asks for, all of a turn's calls in order, tells
    /// it what they returned, and so on until it has an answer or has called `limit` times; then
    /// the last turn still has its calls. on_result(const ToolCall&, const JsonValue&) hears of
    /// each.
    template <class OnEvent, class OnResult>
    Result<ChatTurn> reply(const Tools& tools, OnEvent&& on_event, OnResult&& on_result,
                           Progress progress = {}, std::size_t limit = 8) {
        for (std::size_t round = 0;; ++round) {
            auto turn = reply(on_event, progress);
            if (!turn || turn->reply.tool_calls.empty() || round == limit ||
                turn->stop == StopReason::caller)
                return turn;
            for (const ToolCall& call : turn->reply.tool_calls) {
                const Json value = tools.call(call);
                on_result(call, static_cast<const JsonValue&>(value));
                if (auto told = talk_.tool_result(call.name, value); !told) return told.error();
            }
        }
    }

    class Stream;
    /// The same as a range of pieces of the answer's text. Leaving it early ends the answer. What
    /// it took, or what went wrong, is in last() afterwards.
    Stream reply() { return Stream(*this); }
    /// The last answer that a Stream gave.
    [[nodiscard]] const Result<ChatTurn>& last() const noexcept { return last_; }

    // ---- forks and files

    /// A conversation that has the same past and goes its own way. Bad input: memory that the
    /// system refuses.
    Result<Chat> fork() const {
        auto session = session_.fork();
        if (!session) return std::move(session).error();
        Chat other(*model_, tokenizer_, *std::move(session), sampler_, settings_);
        other.talk_ = talk_.copy();
        other.hidden_ = hidden_;
        other.replies_ = replies_;
        other.held_ = held_;
        other.read_media_ = read_media_;
        other.media_ = media_;
        other.tokens_ = tokens_;
        other.constraint_ = constraint_;
        return other;
    }

    /// Writes the conversation, and what the model remembers of it unless `with_cache` is false: a
    /// chat that loads it then reads its prompt again, with the same tokens as result. Bad input:
    /// what the system refuses.
    Result<void> save(const std::string& path, bool with_cache = true) const {
        UnfinishedFile file(path);
        Fnv1a sum;
        const auto write = [&](std::span<const std::byte> bytes) {
            sum.add(bytes);
            file.write(bytes.data(), bytes.size());
        };
        JsonWriter w;
        w.begin_object().key("model").value(model_->fingerprint());
        w.key("replies").value(replies_).key("hidden").value(hidden_);
        w.key("thinking").value(settings_.format.enable_thinking);
        w.key("ids").begin_array();
        if (with_cache)
            for (const std::int32_t id : held_.ids) w.value(id);
        w.end_array().key("contents").begin_array();
        if (with_cache)
            for (const std::uint64_t content : held_.contents) w.value(content);
        w.end_array().key("conversation").value(talk_.json()).end_object();
        const std::string head =
            std::string(magic) + std::to_string(version) + '\n' + std::string(w.text()) + '\n';
        write(std::as_bytes(std::span(head)));
        if (with_cache && !held_.ids.empty()) session_.save(write);
        const std::uint64_t value = sum.value();
        file.write(&value, sizeof value);
        return file.finish();
    }

    /// Becomes the conversation that a chat saved. Bad input: a file that is none, of another
    /// version, damaged, of another model, or (with its cache) longer than this context. The chat
    /// is as it was then, but its cache may be gone.
    Result<void> load(const std::string& path) {
        const auto file = MappedFile::open(path);
        if (!file) return file.error();
        std::string_view text = file->text();
        const auto bad = [&](const std::string& why) {
            return Error{Errc::bad_format, path + ": " + why};
        };
        if (!text.starts_with(magic)) return bad("not a conversation that carat saved");
        const std::size_t first = text.find('\n');
        const std::string found(text.substr(
            magic.size(), std::min<std::size_t>(first, 40) - std::min(magic.size(), first)));
        if (found != std::to_string(version))
            return Error{Errc::unsupported, path + ": saved in version " + found +
                                                " of the format, expected " +
                                                std::to_string(version)};
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
        if (json::unsigned_integer(json::find(*head, "model")) != model_->fingerprint())
            return Error{Errc::mismatch,
                         path + ": saved with another model than the one that is open"};
        const JsonValue* saved = json::find(*head, "conversation");
        if (json::find(saved, "messages") == nullptr) return bad("it has no messages");
        JsonWriter copy;
        auto talk = Conversation::from_json(copy.value(*saved).text(), path);
        if (!talk) return std::move(talk).error();

        Held held;
        for (const JsonValue& id : json::elements(json::find(*head, "ids")))
            held.ids.push_back(static_cast<std::int32_t>(json::integer(id).value_or(0)));
        for (const JsonValue& c : json::elements(json::find(*head, "contents")))
            held.contents.push_back(json::unsigned_integer(c).value_or(0));
        held_ = {};
        session_.clear();
        if (!held.ids.empty() && held.contents.size() == held.ids.size()) {
            auto rest = std::as_bytes(std::span(text.substr(second + 1)));
            auto loaded = session_.load([&](std::span<std::byte> to) {
                if (to.size() > rest.size()) return false;
                std::copy_n(rest.begin(), to.size(), to.begin());
                rest = rest.subspan(to.size());
                return true;
            });
            if (!loaded) return Error{loaded.error().code, path + ": " + loaded.error().text};
            if (session_.size() != held.ids.size()) {
                session_.clear();
                return bad("its cache and its tokens differ in length");
            }
            held_ = std::move(held);
        }
        talk_ = *std::move(talk);
        hidden_ = json::unsigned_integer(json::find(*head, "hidden")).value_or(0);
        hidden_ = std::min<std::size_t>(hidden_, talk_.messages().Size());
        replies_ = json::unsigned_integer(json::find(*head, "replies")).value_or(0);
        settings_.format.enable_thinking =
            json::boolean(json::find(*head, "thinking")).value_or(false);
        return {};
    }

  private:
    static constexpr std::string_view magic = "carat chat ";
    static constexpr int version = 2;
    using Clock = std::chrono::steady_clock;

    /// Tokens in the session. Of two media with the same ids the contents differ; text has 0.
    struct Held {
        std::vector<std::int32_t> ids{};
        std::vector<std::uint64_t> contents{};
        void resize(std::size_t n) {
            ids.resize(n);
            contents.resize(n);
        }
    };
    struct Prompt : Held {
        std::vector<std::uint8_t> types{};
        std::vector<float> rows{};
        bool in_thought = false;
        double media_ms = 0;
    };
    struct HeldMedium : Medium {
        std::uint64_t content = 0;  ///< differs where the medium does; not 0
    };
    /// An answer that is being given.
    struct Answer {
        ChatTurn turn{};
        ReplyParser parser;
        TextStream text;
        std::optional<Generation<typename Model::Text>> generation{};
        Clock::time_point started = Clock::now(), read = started;
        std::size_t reread = 0;  ///< tokens of the answer that were read with a prompt, by a slide
        bool over = false;
    };

    Chat(const Model& model, std::shared_ptr<const Tokenizer> tokenizer, Session session,
         Sampler sampler, ChatSettings settings)
        : model_(&model),
          tokenizer_(std::move(tokenizer)),
          session_(std::move(session)),
          sampler_(std::move(sampler)),
          settings_(std::move(settings)) {}

    static double ms(Clock::time_point from, Clock::time_point to) {
        return std::chrono::duration<double, std::milli>(to - from).count();
    }

    /// The messages that the context has room for: without `hidden_` of them after the system's.
    Json visible() const {
        Json out(rapidjson::kArrayType);
        const auto all = json::elements(talk_.messages());
        const std::size_t first = has_system() ? 1 : 0;
        for (std::size_t i = 0; i < all.size(); ++i)
            if (i < first || i >= first + hidden_)
                out.PushBack(JsonValue(all[i], out.GetAllocator()), out.GetAllocator());
        return out;
    }
    bool has_system() const {
        const auto all = json::elements(talk_.messages());
        const auto role = all.empty() ? std::nullopt : json::string(json::find(all[0], "role"));
        return role == "system" || role == "developer";
    }
    /// Forgets the oldest question and what followed. False where only the last one is left.
    bool slide() {
        const auto all = json::elements(talk_.messages());
        for (std::size_t i = (has_system() ? 1 : 0) + hidden_ + 1; i < all.size(); ++i) {
            if (json::string(json::find(all[i], "role")) != "user") continue;
            hidden_ = i - (has_system() ? 1 : 0);
            return true;
        }
        return false;
    }

    Result<Prompt> prompt(Progress progress) {
        const Json messages = visible();
        auto text = render_chat(messages, talk_.tools(), settings_.format);
        if (!text) return std::move(text).error();
        Prompt p;
        p.in_thought = starts_in_thought(text->text);
        const Clock::time_point start = Clock::now();
        std::vector<MediaText> texts;
        std::vector<const HeldMedium*> media;
        for (const MediaPart& part : media_parts(messages)) {
            const auto medium = read_medium(part, progress);
            if (!medium) return medium.error();
            texts.push_back((*medium)->text);
            media.push_back(*medium);
        }
        p.media_ms = ms(start, Clock::now());
        if (!media.empty()) {
            text = expand_media(*text, texts);
            if (!text) return std::move(text).error();
        }
        auto ids = encode_prompt(*tokenizer_, *text);
        if (!ids) return std::move(ids).error();
        p.ids = *std::move(ids);
        p.contents.assign(p.ids.size(), 0);
        if (media.empty()) return p;
        constexpr MediaTokens tokens = Model::config.tokens;
        constexpr std::size_t hidden = Model::Text::hidden;
        p.types.assign(p.ids.size(), 0);
        std::size_t next = 0, rows = 0;  // the medium, and how many of its rows have a place
        for (std::size_t i = 0; i < p.ids.size(); ++i) {
            const std::int32_t id = p.ids[i];
            if (!tokens.is_placeholder(id)) continue;
            while (next < media.size() && rows * hidden >= media[next]->rows.size()) {
                ++next;
                rows = 0;
            }
            if (next == media.size())
                return Error{Errc::mismatch, "there are more placeholders than soft tokens"};
            const float* row = media[next]->rows.data() + rows++ * hidden;
            p.rows.insert(p.rows.end(), row, row + hidden);
            p.contents[i] = media[next]->content;
            p.types[i] = id == tokens.image ? 1 : id == tokens.video ? 2 : 3;
        }
        return p;
    }
    Result<const HeldMedium*> read_medium(const MediaPart& part, Progress progress) {
        JsonWriter key;
        key.value(*part.part);
        const std::string name(key.text());
        if (const auto known = media_.find(name); known != media_.end()) return &known->second;
        if (!read_media_)
            return Error{Errc::unsupported,
                         part.where + ": " + part.source +
                             ": this chat has no reader for pictures, sounds and videos"};
        auto medium = read_media_(part, progress);
        if (!medium) return std::move(medium).error();
        Fnv1a content;
        content.add(std::as_bytes(std::span(medium->rows)));
        return &media_.emplace(name, HeldMedium{*std::move(medium), content.value() | 1})
                    .first->second;
    }

    /// How many tokens of the prompt the session holds already; the others it holds are forgotten.
    /// At least one is left to compute, since its logits are wanted; a medium is never cut.
    std::size_t keep_prefix(const Held& p) {
        std::size_t n = 0;
        while (n + 1 < p.ids.size() && n < held_.ids.size() && p.ids[n] == held_.ids[n] &&
               p.contents[n] == held_.contents[n])
            ++n;
        while (n > 0 && p.contents[n] != 0 && p.contents[n] == p.contents[n - 1]) --n;
        if (!session_.rewind(n)) {
            session_.clear();
            n = 0;
        }
        held_.resize(n);
        return n;
    }

    /// Reads what the session does not hold yet of a prompt. How much it held.
    Result<std::size_t> read(const Prompt& p, std::size_t max_tokens, Progress progress) {
        const std::size_t kept = keep_prefix(p);
        SessionInput<typename Model::Text> in;
        in.ids = std::span(p.ids).subspan(kept);
        if (!p.types.empty()) in.token_types = std::span(p.types).subspan(kept);
        if (!p.rows.empty()) {
            constexpr MediaTokens tokens = Model::config.tokens;
            constexpr std::size_t hidden = Model::Text::hidden;
            const auto placeholder = [&](std::int32_t id) { return tokens.is_placeholder(id); };
            const auto middle = p.ids.begin() + static_cast<std::ptrdiff_t>(kept);
            const auto before = std::count_if(p.ids.begin(), middle, placeholder);
            const auto after = std::count_if(middle, p.ids.end(), placeholder);
            if (after > 0)
                in.soft_tokens = View<const float, dynamic, hidden>(
                    p.rows.data() + static_cast<std::size_t>(before) * hidden,
                    static_cast<std::size_t>(after));
        }
        held_ = p;
        answer_->generation.emplace(session_, sampler_,
                                    GenerateOptions{max_tokens, model_->generation().eos_token_ids},
                                    constraint_ ? TokenFilter(*constraint_) : filter_);
        auto done = answer_->generation->read(in, progress);
        if (!done) {
            held_.resize(session_.size());
            return done.error();
        }
        return kept;
    }

    Result<void> begin(Progress progress) {
        answer_.reset();
        auto p = prompt(progress);
        if (!p) return std::move(p).error();
        const std::size_t context = session_.context_tokens();
        const std::size_t reserve = std::min(settings_.max_tokens, context / 4);
        while (settings_.full == FullContext::slide && p->ids.size() + reserve > context &&
               slide()) {
            p = prompt(progress);
            if (!p) return std::move(p).error();
        }
        answer_ = std::make_unique<Answer>(
            Answer{.parser = ReplyParser(p->in_thought), .text = TextStream(*tokenizer_)});
        answer_->turn.input_ids = p->ids;
        answer_->turn.media_ms = p->media_ms;
        answer_->turn.forgotten = hidden_;
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
            if (auto begun = constraint_->begin(room, start); !begun) {
                answer_.reset();
                return begun;
            }
        }
        SamplerOptions sampling = settings_.sampling.value_or(model_->sampler_options());
        sampling.seed += replies_;  // an answer that is asked for again may be another one
        auto sampler = Sampler::create(Model::Text::vocab, std::move(sampling));
        if (!sampler) return std::move(sampler).error();
        sampler_ = *std::move(sampler);
        for (const std::int32_t id : p->ids) sampler_.observe(id);
        const auto kept = read(*p, settings_.max_tokens, progress);
        if (!kept) {
            answer_.reset();
            return kept.error();
        }
        answer_->turn.reused = *kept;
        answer_->read = Clock::now();
        return {};
    }

    /// One token. False once the answer is over.
    template <class OnEvent>
    Result<bool> step(OnEvent& on_event, Progress progress) {
        Answer& a = *answer_;
        if (a.over) return false;
        bool go_on = true;
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
        a.turn.token_ids.push_back(**id);
        if (const auto text = a.text.push(**id)) {
            a.parser.push_token(
                *text, tokenizer_->is_special(**id) ? tokenizer_->piece(**id) : std::string_view{},
                [&](const ReplyEvent& e) { go_on = tell(on_event, e) && go_on; });
        }
        if (!go_on) a.turn.stop = StopReason::caller;
        return go_on;
    }
    template <class OnEvent>
    static bool tell(OnEvent& on_event, const ReplyEvent& e) {
        if constexpr (std::is_convertible_v<std::invoke_result_t<OnEvent&, const ReplyEvent&>,
                                            bool>) {
            return on_event(e);
        } else {
            on_event(e);
            return true;
        }
    }

    /// Forgets the oldest turn in the middle of an answer, and goes on with it.
    Result<bool> slide_on(Progress progress) {
        Answer& a = *answer_;
        if (!slide()) return false;
        auto p = prompt(progress);
        if (!p) return std::move(p).error();
        const auto& said = a.turn.token_ids;
        p->ids.insert(p->ids.end(), said.begin(), said.end());
        p->contents.resize(p->ids.size(), 0);
        if (!p->types.empty()) p->types.resize(p->ids.size(), 0);
        a.turn.forgotten = hidden_;
        a.reread = said.size();
        if (auto kept = read(*p, settings_.max_tokens - said.size(), progress); !kept)
            return kept.error();
        return true;
    }

    /// The answer as it is becomes part of the conversation.
    template <class OnEvent>
    ChatTurn end(OnEvent& on_event) {
        Answer& a = *answer_;
        const auto quiet = [&](const ReplyEvent& e) { tell(on_event, e); };
        a.parser.push_text(a.text.finish(), quiet);
        a.turn.reply = a.parser.finish(quiet);
        a.turn.read_ms = ms(a.started, a.read);
        a.turn.write_ms = ms(a.read, Clock::now());
        if (!a.over) {
            const auto& said = a.turn.token_ids;
            held_.ids.insert(held_.ids.end(), said.begin() + static_cast<std::ptrdiff_t>(a.reread),
                             said.end());
            held_.resize(session_.size());
            talk_.assistant(a.turn.reply);
            ++replies_;
        }
        ChatTurn turn = std::move(a.turn);
        answer_.reset();
        return turn;
    }

    const Model* model_;
    std::shared_ptr<const Tokenizer> tokenizer_;
    Session session_;
    Sampler sampler_;
    ChatSettings settings_;
    Conversation talk_;
    std::size_t hidden_ = 0;  // messages that the context has no room for
    std::uint64_t replies_ = 0;
    Held held_;
    TokenFilter filter_;
    std::shared_ptr<const constrain::TokenTrie> tokens_;  // once a constraint needs it
    std::optional<Constraint> constraint_;
    MediaReader read_media_;
    std::map<std::string, HeldMedium> media_;  // by their parts as JSON
    std::unique_ptr<Answer> answer_;
    Result<ChatTurn> last_ = ChatTurn{};
};

/// The pieces of one answer.
template <class M>
class Chat<M>::Stream {
  public:
    class Iterator {
      public:
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;

        explicit Iterator(Stream* stream) : stream_(stream) {}
        std::string_view operator*() const { return stream_->piece_; }
        Iterator& operator++() { return stream_->advance(), *this; }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator& i, std::default_sentinel_t) { return i.done(); }

      private:
        [[nodiscard]] bool done() const { return stream_->over_; }

        Stream* stream_;
    };

    Iterator begin() {
        if (auto begun = chat_.begin({}); begun) {
            advance();
        } else {
            fail(begun.error());
        }
        return Iterator(this);
    }
    static std::default_sentinel_t end() { return {}; }

    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() {
        if (over_ || !chat_.answer_) return;
        chat_.answer_->turn.stop = StopReason::caller;
        finish();
    }

  private:
    friend class Chat;
    explicit Stream(Chat& chat) : chat_(chat) {}

    void fail(Error error) {
        chat_.last_ = std::move(error);
        chat_.answer_.reset();
        over_ = true;
    }
    void finish() {
        auto hear = [this](const ReplyEvent& e) { add(e); };
        chat_.last_ = chat_.end(hear);
    }
    void add(const ReplyEvent& e) {
        if (e.type == ReplyEvent::Type::text) piece_ += e.text;
    }
    void advance() {
        piece_.clear();
        if (!chat_.answer_) {
            over_ = true;
            return;
        }
        auto hear = [this](const ReplyEvent& e) { add(e); };
        while (piece_.empty() && chat_.answer_) {
            const auto more = chat_.step(hear, {});
            if (!more) return fail(more.error());
            if (!*more) finish();
        }
        over_ = piece_.empty();
    }

    Chat& chat_;
    std::string piece_;
    bool over_ = false;
};

}  // namespace carat
