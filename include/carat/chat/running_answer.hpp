/// \file
/// An answer while it is being given: tokens become text, and text the events that a listener
/// hears.
#pragma once

#include "carat/chat/chat_settings.hpp"
#include "carat/generate/generate.hpp"
#include "carat/prompt/chat_parse.hpp"
#include "carat/text/stream.hpp"
#include "carat/text/tokenizer.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace carat::inline CARAT_ABI {

template <class M>
struct RunningAnswer {
    using Clock = std::chrono::steady_clock;

    RunningAnswer(bool in_thought, const Tokenizer& tokenizer)
        : parser(in_thought), text(tokenizer) {}

    ChatTurn turn{};
    ReplyParser parser;
    TextStream text;
    std::optional<Generation<typename M::Text>> generation{};
    Clock::time_point started = Clock::now(), read = started;
    DraftStats drafts_before{};
    std::size_t reread = 0;  ///< tokens of the answer that were read with a prompt, by a slide
    bool over = false;       ///< before it began: the prompt has no room

    /// The model's next token. False where the listener wants no more.
    template <class OnEvent>
    bool push(std::int32_t id, const Tokenizer& tokenizer, OnEvent& on_event) {
        bool go_on = true;
        turn.token_ids.push_back(id);
        if (const auto piece = text.push(id))
            parser.push_token(*piece,
                              tokenizer.is_special(id) ? tokenizer.piece(id) : std::string_view{},
                              [&](const ReplyEvent& e) { go_on = tell(on_event, e) && go_on; });
        if (!go_on) turn.stop = StopReason::caller;
        return go_on;
    }
    /// There are no more: what was held back is told, and `turn` is whole.
    template <class OnEvent>
    void finish(OnEvent& on_event) {
        const auto quiet = [&](const ReplyEvent& e) { tell(on_event, e); };
        parser.push_text(text.finish(), quiet);
        turn.reply = parser.finish(quiet);
        turn.read_ms = ms(started, read);
        turn.write_ms = ms(read, Clock::now());
    }

  private:
    static double ms(Clock::time_point from, Clock::time_point to) {
        return std::chrono::duration<double, std::milli>(to - from).count();
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
};

}  // namespace carat::inline CARAT_ABI
