// says: nodiscard
#include "carat/chat/answer_stream.hpp"

#include <memory>

#pragma GCC diagnostic error "-Wunused-result"

/// As much of a chat as a range of its pieces asks for.
struct Silent {
    struct Answer {
        struct {
            carat::StopReason stop;
        } turn;
    };
    std::unique_ptr<Answer> answer_;
    carat::Result<int> last_ = 0;

    int end(auto&) { return 0; }
    carat::AnswerStream<Silent> reply() { return carat::AnswerStream<Silent>(*this); }
};

void talk(Silent& chat);
void talk(Silent& chat) {
#if defined(FAIL)
    chat.reply();
#else
    [[maybe_unused]] const auto answer = chat.reply();
#endif
}
