// The processor: a messages file into what the model takes, and the model's output into what it
// means.
//
//   process --model examples/pocket --messages talk.json --out inputs.safetensors
//   process --model examples/pocket --messages talk.json --print-prompt
//   process --parse output.txt
#include "carat/attachments/processor_config.hpp"
#include "carat/attachments/read_sight.hpp"
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/prompt/chat_encode.hpp"
#include "carat/prompt/chat_parse.hpp"
#include "carat/prompt/chat_variant.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "media_options.hpp"
#include "padded_media.hpp"

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
    std::size_t max_soft_tokens = 0;
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

/// The media of the messages, each kind as its tower takes it, and what stands for them in the
/// prompt.
struct Media {
    carat::MelBatch clips;
    std::vector<carat::Sight> sights;  // images and videos
    std::vector<carat::MediaText> text;

    static carat::Result<Media> read(const Arguments& a,
                                     const std::vector<carat::MediaPart>& parts) {
        Media media;
        auto clips = read_clips(parts, folder_of(a.messages), a.model);
        if (!clips) return carat::Error{clips.error().code, a.messages + ": " + clips.error().text};
        media.clips = std::move(*clips);
        auto config = carat::picture_config(a.model);
        if (!config) return config.error();
        if (a.max_soft_tokens > 0) config->image.max_soft_tokens = a.max_soft_tokens;
        std::size_t clip = 0;
        for (const carat::MediaPart& part : parts) {
            if (part.kind == carat::MediaKind::audio) {
                media.text.push_back(carat::audio_text(media.clips.soft_tokens(clip++)));
                continue;
            }
            auto sight = carat::read_sight(part, folder_of(a.messages), *config);
            if (!sight)
                return carat::Error{sight.error().code, a.messages + ": " + sight.error().text};
            media.text.push_back(sight->text);
            media.sights.push_back(std::move(*sight));
        }
        return media;
    }
    carat::Result<void> add_to(carat::SafetensorsWriter& file) {
        if (auto added = add_sights(file, carat::MediaKind::image); !added) return added;
        if (auto added = add_sights(file, carat::MediaKind::video); !added) return added;
        return add_clips(file);
    }
    carat::Result<void> add_sights(carat::SafetensorsWriter& file, carat::MediaKind kind) const {
        const bool video = kind == carat::MediaKind::video;
        std::vector<const carat::Sight*> some;
        for (const carat::Sight& s : sights)
            if (s.text.kind == kind) some.push_back(&s);
        if (some.empty()) return {};
        auto t = PictureTensors::of(some, video);
        std::vector<std::size_t> values = t.shape, positions = t.shape;
        values.push_back(some[0]->frames[0].values.size() / some[0]->frames[0].count);
        positions.push_back(2);
        if (auto added = file.add(video ? "pixel_values_videos" : "pixel_values", values,
                                  std::move(t.values));
            !added)
            return added;
        return file.add(video ? "video_position_ids" : "image_position_ids", positions,
                        std::move(t.positions));
    }
    carat::Result<void> add_clips(carat::SafetensorsWriter& file) {
        if (clips.clips == 0) return {};
        const std::vector<std::size_t> frames = {clips.clips, clips.frames};
        const std::vector<std::int64_t> mask(clips.mask.begin(), clips.mask.end());
        if (auto added = file.add("input_features", {clips.clips, clips.frames, clips.bins},
                                  std::move(clips.features));
            !added)
            return added;
        return file.add("input_features_mask", frames, mask);
    }
};

/// What each token stands for, by the placeholder it is: 1 image, 2 video, 3 audio, 0 text.
carat::Result<std::vector<std::int64_t>> token_types(const carat::Tokenizer& tokenizer,
                                                     const std::vector<std::int32_t>& ids,
                                                     const std::vector<carat::MediaText>& media) {
    std::vector<std::int64_t> types(ids.size(), 0);
    constexpr std::pair<carat::MediaKind, std::int64_t> kinds[] = {
        {carat::MediaKind::image, 1}, {carat::MediaKind::video, 2}, {carat::MediaKind::audio, 3}};
    for (const auto& [kind, type] : kinds) {
        const std::string name(carat::placeholder_of(kind));
        const auto id = tokenizer.encode(name);
        if (!id) return id.error();
        bool used = false;
        for (const carat::MediaText& m : media) used = used || m.kind == kind;
        if (id->size() != 1) {
            if (!used) continue;
            return carat::Error{carat::Errc::mismatch,
                                "the tokenizer has no token " + name + ", which media need"};
        }
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (ids[i] == id->front()) types[i] = type;
    }
    return types;
}

/// The tensors that a model takes, under the names of the reference; one sequence, no padding.
carat::Result<void> write_inputs(const Arguments& a, const carat::PromptText& prompt,
                                 Media& media) {
    const auto tokenizer = carat::Tokenizer::open(a.model);
    if (!tokenizer) return tokenizer.error();
    const auto ids = a.special_in_text ? tokenizer->encode(prompt.text)
                                       : carat::encode_prompt(*tokenizer, prompt);
    if (!ids) return ids.error();
    auto types = token_types(*tokenizer, *ids, media.text);
    if (!types) return types.error();
    const std::vector<std::size_t> shape = {1, ids->size()};
    carat::SafetensorsWriter file;
    using I64 = std::vector<std::int64_t>;
    for (auto [name, values] : {std::pair("input_ids", I64(ids->begin(), ids->end())),
                                std::pair("attention_mask", I64(ids->size(), 1)),
                                std::pair("mm_token_type_ids", std::move(*types))}) {
        if (auto added = file.add(name, shape, std::move(values)); !added) return added.error();
    }
    if (auto added = media.add_to(file); !added) return added.error();
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
    auto media = Media::read(a, carat::media_parts(talk->messages()));
    if (!media) return media.error();
    const auto expanded = carat::expand_media(*prompt, media->text);
    if (!expanded)
        return carat::Error{expanded.error().code, a.messages + ": " + expanded.error().text};
    return write_inputs(a, *expanded, *media);
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Messages into model inputs, and model output into its meaning.");
    app.add_option("--model", a.model, "folder or GGUF file of the checkpoint")->type_name("PATH");
    app.add_option("--messages", a.messages, "{\"messages\": [...], \"tools\": [...]}")
        ->type_name("FILE");
    app.add_option("--out", a.out, "the inputs, a safetensors file")->type_name("FILE");
    add_budget_option(app, a.max_soft_tokens);
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
