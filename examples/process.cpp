// The processor: a messages file into what the model takes, and the model's output into what it
// means.
//
//   process --model examples/pocket --messages talk.json --out inputs.safetensors
//   process --model examples/pocket --messages talk.json --print-prompt
//   process --parse output.txt
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/json_writer.hpp"
#include "carat/text/chat_encode.hpp"
#include "carat/text/chat_parse.hpp"
#include "carat/text/chat_variant.hpp"
#include "carat/text/conversation.hpp"
#include "carat/text/media_parts.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Arguments {
    std::string model, messages, out, parse, variant;
    int max_soft_tokens = 0;
    bool print_prompt = false, think = false, preserve_thinking = false,
         no_generation_prompt = false;
    bool starts_in_thought = false, special_in_text = false;
};

/// What a model's raw output means, as one JSON object on standard output.
carat::Result<void> print_reply(const Arguments& a) {
    const auto text = carat::read_file(a.parse);
    if (!text) return text.error();
    const carat::Reply reply =
        carat::parse_reply(carat::unicode::repaired(*text), a.starts_in_thought);
    carat::JsonWriter out;
    out.begin_object().key("thinking").value(reply.thinking).key("content").value(reply.content);
    out.key("tool_calls").begin_array();
    for (const carat::ToolCall& call : reply.tool_calls) {
        out.begin_object().key("name").value(call.name);
        out.key("arguments").value(call.arguments).end_object();
    }
    out.end_array().key("malformed_calls").begin_array();
    for (const auto& call : reply.malformed_calls) out.value(call.text);
    out.end_array().end_object();
    std::printf("%s\n", std::string(out.text()).c_str());
    return {};
}

/// The tensors that a text model takes, under the names of the reference: ids, no padding, no
/// media.
carat::Result<void> write_inputs(const Arguments& a, const carat::PromptText& prompt) {
    const auto tokenizer = carat::Tokenizer::open(a.model);
    if (!tokenizer) return tokenizer.error();
    const auto ids = a.special_in_text ? tokenizer->encode(prompt.text)
                                       : carat::encode_prompt(*tokenizer, prompt);
    if (!ids) return ids.error();
    const std::vector<std::size_t> shape = {1, ids->size()};
    carat::SafetensorsWriter file;
    using I64 = std::vector<std::int64_t>;
    for (auto [name, values] : {std::pair("input_ids", I64(ids->begin(), ids->end())),
                                std::pair("attention_mask", I64(ids->size(), 1)),
                                std::pair("mm_token_type_ids", I64(ids->size(), 0))}) {
        if (auto added = file.add(name, shape, std::move(values)); !added) return added.error();
    }
    return file.write(a.out);
}

carat::Result<void> process(const Arguments& a) {
    const auto text = carat::read_file(a.messages);
    if (!text) return text.error();
    const auto talk = carat::Conversation::from_json(*text, a.messages);
    if (!talk) return talk.error();
    auto variant = carat::chat_variant(a.model);
    if (!variant) return variant.error();
    if (!a.variant.empty()) {
        *variant = a.variant == "large" ? carat::ChatVariant::large : carat::ChatVariant::small;
    }
    auto prompt =
        carat::render_chat(talk->messages(), talk->tools(),
                           {*variant, a.think, a.preserve_thinking, !a.no_generation_prompt});
    if (!prompt) return carat::Error{prompt.error().code, a.messages + ": " + prompt.error().text};
    if (a.print_prompt) {
        std::fwrite(prompt->text.data(), 1, prompt->text.size(), stdout);
        return {};
    }
    if (const auto media = carat::media_parts(talk->messages()); !media.empty()) {
        return carat::Error{carat::Errc::unsupported,
                            a.messages + ": " + media[0].where + " is a medium (" +
                                media[0].source +
                                "), but process writes inputs of text only; --print-prompt works"};
    }
    return write_inputs(a, *prompt);
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Messages into model inputs, and model output into its meaning.");
    app.add_option("--model", a.model, "folder of the checkpoint")->type_name("DIR");
    app.add_option("--messages", a.messages, "{\"messages\": [...], \"tools\": [...]}")
        ->type_name("FILE");
    app.add_option("--out", a.out, "the inputs, a safetensors file")->type_name("FILE");
    app.add_option("--max-soft-tokens", a.max_soft_tokens, "soft tokens an image")
        ->check(CLI::IsMember({70, 140, 280, 560, 1120}));
    app.add_flag("--think", a.think, "switch thinking on");
    app.add_flag("--preserve-thinking", a.preserve_thinking,
                 "keep thoughts of earlier turns with calls");
    app.add_option("--template", a.variant, "chat format, else that of the model's template")
        ->check(CLI::IsMember({"small", "large"}));
    app.add_flag("--no-generation-prompt", a.no_generation_prompt, "end with the last message");
    app.add_flag("--special-in-text", a.special_in_text,
                 "let messages spell control tokens, which are plain text otherwise");
    app.add_flag("--print-prompt", a.print_prompt, "print the rendered text instead");
    app.add_option("--parse", a.parse, "print what a model's raw output means")->type_name("FILE");
    app.add_flag("--starts-in-thought", a.starts_in_thought, "the prompt left a thought open");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::Error& error) {
        std::fprintf(stderr, "process: %s\n", error.what());
        return 1;
    }
    const bool complete =
        !a.model.empty() && !a.messages.empty() && a.print_prompt == a.out.empty();
    if (a.parse.empty() && !complete) {
        std::fprintf(
            stderr,
            "process: expected --model and --messages with --out or --print-prompt, or --parse\n");
        return 1;
    }
    const auto done = a.parse.empty() ? process(a) : print_reply(a);
    if (!done) std::fprintf(stderr, "process: %s\n", done.error().text.c_str());
    return done ? 0 : 1;
}
