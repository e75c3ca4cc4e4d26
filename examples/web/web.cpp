// A model in a web page: what the page's worker calls. One conversation on one thread; see web.js.
//
//   cmake --build --preset wasm --target web
#include "carat/chat.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/gemma4.hpp"
#include "carat/media/audio/mel.hpp"
#include "carat/media/image/patches.hpp"
#include "carat/parallel/executor.hpp"

#include <carat/models/model.hpp>  // written by carat_add_model from examples/pocket/config.json
#include <emscripten.h>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using Model = carat::Gemma4<carat::models::model>;
using Answer = carat::AnswerStream<carat::Chat<Model>>;

struct Page {
    Page(Model m, carat::PictureConfig s, carat::MelConfig h)
        : model(std::move(m)), sight(s), hearing(std::move(h)) {}

    Model model;
    carat::PictureConfig sight;
    carat::MelConfig hearing;
    carat::Serial one_thread{};
    std::optional<carat::Chat<Model>> chat{};
    std::map<std::string, carat::Medium> media{};  // that the chat has not read yet, by name
    std::size_t shown = 0;
    std::vector<carat::ContentPart> parts{};  // of the next question
    std::optional<Answer> answer{};
    std::optional<Answer::Iterator> piece{};
};
std::unique_ptr<Page> page;

/// What a function of the page returns: a text that is good until the next call.
const char* returned(std::string text) {
    static std::string last;
    last = std::move(text);
    return last.c_str();
}
/// Nothing, or what went wrong.
const char* returned(const carat::Result<void>& done) {
    return returned(done ? std::string() : done.error().text);
}

carat::Result<void> open(std::span<const std::byte> weights, std::string_view tokenizer_json,
                         std::string_view processor_json, std::string_view generation_json,
                         std::string_view chat_template) {
    auto model = Model::view(weights, "model.safetensors", generation_json);
    if (!model) return model.error();
    auto tokenizer = carat::Tokenizer::from_json(tokenizer_json);
    if (!tokenizer) return tokenizer.error();
    const auto sight = carat::read_vision_processor_config(processor_json, "processor_config.json");
    if (!sight) return sight.error();
    auto hearing = carat::read_mel_config(processor_json, "processor_config.json");
    if (!hearing) return hearing.error();

    auto opened = std::make_unique<Page>(*std::move(model), sight->image, *std::move(hearing));
    auto chat = carat::Chat<Model>::create(
        opened->model, std::make_shared<const carat::Tokenizer>(*std::move(tokenizer)),
        opened->one_thread,
        {.format = {.variant = carat::chat_variant_of_template(chat_template)},
         .full = carat::FullContext::slide});
    if (!chat) return chat.error();
    chat->set_media_reader(
        [](const carat::MediaPart& part, carat::Progress) -> carat::Result<carat::Medium> {
            return std::move(page->media.extract(part.source).mapped());
        });
    opened->chat = *std::move(chat);
    page = std::move(opened);
    return {};
}

/// A medium that the next question is about.
void show(carat::ContentPart (*part)(std::string), carat::MediaText text,
          const Model::SoftTokens& soft) {
    const std::string name =
        std::to_string(++page->shown);  // never again: a chat knows media by it
    const auto rows = soft.view();
    page->media[name] = {std::move(text), {rows.data(), rows.data() + rows.size()}};
    page->parts.push_back(part(name));
}

carat::Result<void> see(carat::Image image) {
    const auto patches = carat::make_patches(std::move(image), page->sight);
    if (!patches) return patches.error();
    const auto rows = patches->rows<Model::Vision::patch>();
    if (!rows) return rows.error();
    const Model::Picture picture{*rows, patches->places()};
    const auto soft = page->model.see({&picture, 1}, page->one_thread);
    if (!soft) return soft.error();
    show(carat::image_part, carat::image_text(soft->rows()), *soft);
    return {};
}

carat::Result<void> hear(std::span<const float> samples) {
    const auto mel = carat::mel_features(samples, page->hearing);
    if (!mel) return mel.error();
    const auto rows = mel->rows<carat::nn::audio::mel_bins>(0);
    if (!rows) return rows.error();
    const auto soft = page->model.hear(*rows, mel->mask, page->one_thread);
    if (!soft) return soft.error();
    show(carat::audio_part, carat::audio_text(soft->rows()), *soft);
    return {};
}

}  // namespace

extern "C" {

/// Opens the model from what its files hold. The weights must stay. An error's text, or nothing.
EMSCRIPTEN_KEEPALIVE const char* web_open(const std::byte* weights, std::size_t size,
                                          const char* tokenizer_json, const char* processor_json,
                                          const char* generation_json, const char* chat_template) {
    return returned(
        open({weights, size}, tokenizer_json, processor_json, generation_json, chat_template));
}

/// A picture for the next question, [height, width, 4] as a canvas has it. An error, or nothing.
EMSCRIPTEN_KEEPALIVE const char* web_see(const std::uint8_t* rgba, std::size_t width,
                                         std::size_t height) {
    carat::Image image(width, height);
    for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = rgba[i / 3 * 4 + i % 3];
    return returned(see(std::move(image)));
}

/// A sound for the next question, mono at 16 kHz. An error, or nothing.
EMSCRIPTEN_KEEPALIVE const char* web_hear(const float* samples, std::size_t size) {
    return returned(hear({samples, size}));
}

/// The question. Its answer comes by web_next.
EMSCRIPTEN_KEEPALIVE void web_ask(const char* text) {
    if (*text != '\0') page->parts.push_back(carat::text_part(text));
    page->answer.emplace(page->chat->user(std::exchange(page->parts, {})));
}

/// The next piece of the answer; nothing when it is over.
EMSCRIPTEN_KEEPALIVE const char* web_next() {
    if (page->piece) {
        ++*page->piece;
    } else {
        page->piece = page->answer->begin();
    }
    return returned(*page->piece == std::default_sentinel ? std::string()
                                                          : std::string(**page->piece));
}

/// Ends the answer, also before it is over: {"token_ids": […], "read_ms": …, "write_ms": …}, or
/// {"error": …}, and then the question was not asked.
EMSCRIPTEN_KEEPALIVE const char* web_end() {
    page->piece.reset();
    page->answer.reset();
    const auto& turn = page->chat->last();
    carat::JsonWriter out;
    out.begin_object();
    if (!turn) {
        page->chat->undo();
        return returned(std::string(out.key("error").value(turn.error().text).end_object().text()));
    }
    out.key("token_ids").begin_array();
    for (const std::int32_t id : turn->token_ids) out.value(id);
    out.end_array().key("read_ms").value(turn->read_ms).key("write_ms").value(turn->write_ms);
    return returned(std::string(out.end_object().text()));
}

/// Takes back what was shown for the next question.
EMSCRIPTEN_KEEPALIVE void web_drop() { page->parts.clear(); }

/// Forgets the conversation.
EMSCRIPTEN_KEEPALIVE void web_reset() { page->chat->reset(); }

}  // extern "C"
