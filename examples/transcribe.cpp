// A recording of any length into text, cut where it is quiet.
//
//   transcribe --model examples/pocket examples/pocket/samples/sentence.wav
#include "carat/attachments/perceive.hpp"
#include "carat/attachments/processor_config.hpp"
#include "carat/chat.hpp"
#include "carat/media/audio/audio_file.hpp"
#include "carat/media/audio/quiet_cuts.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "program.hpp"
#include "reply.hpp"

namespace {

struct Arguments {
    std::string model, file, question = "Transcribe this audio.";
    double seconds = 30.0;
    std::size_t threads = all_threads(), max_tokens = 512;
};

carat::Result<void> transcribe(const Arguments& a) {
    if (auto able = Model::can_hear(); !able) return able;
    const auto config = carat::mel_config(a.model);
    if (!config) return config.error();
    const auto sound = carat::read_audio_file(a.file, {.sample_rate_hz = config->sampling_rate});
    if (!sound) return sound.error();
    const auto model = Model::open(a.model);
    if (!model) return model.error();
    carat::ThreadPool pool(a.threads);
    auto sampling = model->sampler_options();
    sampling.greedy = true;
    auto chat = carat::Chat<Model>::open(*model, a.model, pool,
                                         {.max_tokens = a.max_tokens,
                                          .session = {.context_tokens = 1024 + a.max_tokens},
                                          .sampling = std::move(sampling)});
    if (!chat) return chat.error();

    const auto most =
        static_cast<std::size_t>(a.seconds * static_cast<double>(config->sampling_rate));
    const auto pieces =
        carat::cut_at_quiet(sound->samples, {.max_samples = std::min(most, config->max_samples)});
    std::size_t i = 0;
    ProgressLine line("hearing");
    const auto progress = [&](std::size_t done, std::size_t total) {
        return line(i * total + done, pieces.size() * total);
    };
    chat->set_media_reader([&](const carat::MediaPart&, carat::Progress) {
        const auto piece = std::span(sound->samples).subspan(pieces[i].begin, pieces[i].size);
        auto heard = carat::hear(*model, piece, *config, pool, progress);
        line.clear();
        return heard;
    });
    for (; i < pieces.size(); ++i) {
        if (config->valid_frames(pieces[i].size) == 0) continue;  // under 10 ms
        chat->reset();
        chat->user({carat::audio_part(a.file + ", piece " + std::to_string(i)),
                    carat::text_part(a.question)});
        for (const std::string_view text : chat->reply()) {
            std::fwrite(text.data(), 1, text.size(), stdout);
            std::fflush(stdout);
        }
        if (!chat->last()) return chat->last().error();
        std::printf("\n");
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Sound into text.");
    app.add_option("--model", a.model, "folder of the checkpoint")->type_name("DIR")->required();
    app.add_option("FILE", a.file, "WAV, FLAC, OGG, MP3, or a video")->required();
    app.add_option("--question", a.question, "what to ask of each piece")->type_name("TEXT");
    app.add_option("--seconds", a.seconds, "longest piece")->check(CLI::Range(1.0, 30.0));
    app.add_option("--max-tokens", a.max_tokens, "of a piece's text")
        ->check(CLI::Range(1, 1 << 20));
    app.add_option("--threads", a.threads, "threads to compute with")->check(CLI::Range(1, 1024));
    return run_program(app, argc, argv, "transcribe", [&] { return transcribe(a); });
}
