// Declarations of functions: a JSON array, or one of them, into a prompt.
#include "carat/prompt/chat_format.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/prompt/tools.hpp"
#include "check.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = test::text_of(data, size);
    Tools tools;
    const auto nothing = [](const JsonValue&) -> Result<Json> { return Json(); };
    std::string declarations(text);
    if (test::good(tools.add_json(text, nothing))) declarations = tools.declarations();
    Conversation talk;
    talk.user("What can you do?");
    if (!test::good(talk.set_tools(declarations))) return 0;
    for (const ChatVariant variant : {ChatVariant::small, ChatVariant::large})
        test::good(render_chat(talk.messages(), talk.tools(), {.variant = variant}));
    return 0;
}
