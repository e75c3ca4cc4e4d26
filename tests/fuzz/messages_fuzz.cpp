// A messages file: into a conversation, a prompt in both formats, and its media.
#include "carat/prompt/chat_format.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/prompt/media_parts.hpp"
#include "check.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto talk = Conversation::from_json(test::text_of(data, size), "fuzz");
    if (!test::good(talk)) return 0;
    for (const ChatVariant variant : {ChatVariant::small, ChatVariant::large})
        for (const bool thinking : {false, true}) {
            const ChatOptions options{variant, thinking, thinking, true};
            const auto prompt = render_chat(talk->messages(), talk->tools(), options);
            if (!test::good(prompt)) continue;
            std::vector<MediaText> media;
            for (const MediaPart& part : media_parts(talk->messages()))
                if (part.kind == MediaKind::audio) media.push_back(audio_text(3));
            test::good(expand_media(*prompt, media));
        }
    while (talk->undo()) {
    }
    return 0;
}
