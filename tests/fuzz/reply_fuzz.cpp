// What a model writes: any text has a meaning, the same however it is cut.
#include "carat/prompt/chat_parse.hpp"
#include "check.hpp"

#include <string>
#include <vector>

using namespace carat;

namespace {

using Heard = std::vector<std::pair<ReplyEvent::Type, std::string>>;

/// Neighbours of one type count as one, apart from what stands for itself.
auto listener(Heard& heard) {
    return [&heard](const ReplyEvent& e) {
        using Type = ReplyEvent::Type;
        const bool joins =
            e.type == Type::text || e.type == Type::thinking || e.type == Type::call_argument;
        if (joins && !heard.empty() && heard.back().first == e.type)
            heard.back().second += e.text;
        else
            heard.emplace_back(e.type, e.text);
    };
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const bool in_thought = (data[0] & 1) != 0;
    const std::string text = unicode::repaired(test::text_of(data + 1, size - 1));
    Heard whole, cut;
    ReplyParser one(in_thought), many(in_thought);
    auto hear_whole = listener(whole);
    auto hear_cut = listener(cut);
    one.push(text, hear_whole);
    const Reply a = one.finish(hear_whole);
    std::size_t step = data[0];
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t n = std::min<std::size_t>(1 + step % 5, text.size() - at);
        many.push(std::string_view(text).substr(at, n), hear_cut);
        at += n;
        step = step * 31 + 7;
    }
    const Reply b = many.finish(hear_cut);
    test::hold(a.thinking == b.thinking && a.content == b.content, "the same texts");
    test::hold(a.tool_calls.size() == b.tool_calls.size(), "the same calls");
    test::hold(a.malformed_calls == b.malformed_calls, "the same malformed calls");
    test::hold(whole == cut, "the same events");
    return 0;
}
