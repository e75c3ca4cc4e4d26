// A recording of any length into text, cut where it is quiet.
//
//   transcribe --model examples/pocket examples/pocket/samples/sentence.wav
#include "audio_inputs.hpp"
#include "carat/generate/generate.hpp"
#include "carat/media/quiet_cuts.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "carat/text/conversation.hpp"
#include "carat/text/stream.hpp"
#include "carat/text/chat_encode.hpp"
#include "carat/text/chat_variant.hpp"
#include "carat/text/media_expansion.hpp"
#include "program.hpp"
#include "reply.hpp"

namespace {

struct Arguments {
    std::string model, file, question = "Transcribe this audio.";
    double seconds = 30.0;
    std::size_t threads = all_threads(), max_tokens = 512;
};

carat::Result<void> transcribe(const Arguments& a) {
    const auto config = mel_config(a.model);
    if (!config) return config.error();
    const auto sound = carat::read_audio_file(a.file, {.sample_rate_hz = config->sampling_rate});
    if (!sound) return sound.error();
    const auto tokenizer = carat::Tokenizer::open(a.model);
    if (!tokenizer) return tokenizer.error();
    const auto model = Model::open(a.model);
    if (!model) return model.error();
    carat::ThreadPool pool(a.threads);
    auto session = model->session(pool, {.context_tokens = 1024 + a.max_tokens});
    if (!session) return session.error();
    auto sampler = carat::Sampler::create(Model::Text::vocab, {.greedy = true});
    if (!sampler) return sampler.error();

    carat::Conversation talk;
    talk.user({carat::audio_part(a.file), carat::text_part(a.question)});
    const auto variant = carat::chat_variant(a.model);
    if (!variant) return variant.error();
    const auto prompt = carat::render_chat(talk.messages(), talk.tools(), {*variant});
    if (!prompt) return prompt.error();
    const auto at_once =
        static_cast<std::size_t>(a.seconds * static_cast<double>(config->sampling_rate));
    const auto pieces = carat::cut_at_quiet(
        sound->samples, {.max_samples = std::min(at_once, config->max_samples)});
    ProgressLine line("hearing");
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto clip = std::span(sound->samples).subspan(pieces[i].begin, pieces[i].size);
        const auto mel = carat::mel_features(clip, *config);
        if (!mel) return mel.error();
        const auto soft = model->hear(
            carat::Rows<const float, carat::nn::audio::mel_bins>(mel->features.data(), mel->frames),
            mel->mask, pool, [&](std::size_t done, std::size_t total) {
                return line(i * total + done, pieces.size() * total);
            });
        if (!soft) return soft.error();
        if (soft->rows() == 0) continue;  // under 10 ms
        const auto expanded =
            carat::expand_media(*prompt, std::vector{carat::audio_text(soft->rows())});
        if (!expanded) return expanded.error();
        const auto ids = carat::encode_prompt(*tokenizer, *expanded);
        if (!ids) return ids.error();
        line.clear();
        session->clear();
        carat::TextStream text(*tokenizer, {.skip_special = true});
        const auto stop = carat::generate(
            *session, Model::Session::Input{.ids = *ids, .soft_tokens = soft->view()}, *sampler,
            {a.max_tokens, model->generation().eos_token_ids}, [&](std::int32_t id) {
                if (const auto part = text.push(id)) std::fputs(part->c_str(), stdout);
                std::fflush(stdout);
            });
        if (!stop) return stop.error();
        std::printf("%s\n", text.finish().c_str());
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Sound into text.");
    app.add_option("--model", a.model, "folder of the checkpoint")->type_name("DIR")->required();
    app.add_option("FILE", a.file, "WAV, FLAC, OGG or MP3")->required();
    app.add_option("--question", a.question, "what to ask of each piece")->type_name("TEXT");
    app.add_option("--seconds", a.seconds, "longest piece")->check(CLI::Range(1.0, 30.0));
    app.add_option("--max-tokens", a.max_tokens, "of a piece's text")
        ->check(CLI::Range(1, 1 << 20));
    app.add_option("--threads", a.threads, "threads to compute with")->check(CLI::Range(1, 1024));
    return run_program(app, argc, argv, "transcribe", [&] { return transcribe(a); });
}
