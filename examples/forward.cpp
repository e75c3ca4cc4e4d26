// The model: tensors in, logits out, in the names of the reference.
//
//   forward --model examples/pocket --inputs inputs.safetensors --out outputs.safetensors
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/generate/loss.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "hear_inputs.hpp"
#include "inputs.hpp"
#include "picture_tensors.hpp"
#include "program.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using Text = Model::Text;
using Input = Model::Session::Input;

struct Arguments {
    std::string model, inputs, out;
    std::size_t logits_to_keep = 0, threads = all_threads();
    bool hidden_states = false, attentions = false, router_logits = false, soft_tokens = false;
};

/// Everything that was asked for, with the batch axis first.
struct Outputs {
    std::size_t batch, tokens;
    std::vector<std::size_t> keep;                                     // tokens that get logits
    std::vector<float> logits{};                                       // [batch, keep, vocab]
    std::vector<std::vector<float>> hidden{}, attentions{}, router{};  // by entry or layer
    carat::Loss loss{};

    void write(std::vector<float>& to, std::size_t at, std::span<const float> row) {
        std::copy(row.begin(), row.end(), to.begin() + static_cast<std::ptrdiff_t>(at));
    }
};

/// Copies what a forward pass shows of one sequence of the batch. What is not asked for is not
/// kept.
struct Recorder : carat::NoTap {
    static constexpr bool hidden_states = true, attentions = true, router = true;
    Outputs& out;
    std::size_t sequence;

    Recorder(Outputs& o, std::size_t b) : out(o), sequence(b) {}
    void hidden_state(std::size_t entry, std::size_t row, std::span<const float> x) {
        if (!out.hidden.empty())
            out.write(out.hidden[entry], (sequence * out.tokens + row) * x.size(), x);
    }
    void attention(std::size_t layer, std::size_t row, std::size_t head, std::size_t first,
                   std::span<const float> p) {
        if (out.attentions.empty()) return;
        const std::size_t heads = Text::config.num_attention_heads;
        out.write(out.attentions[layer],
                  ((sequence * heads + head) * out.tokens + row) * out.tokens + first, p);
    }
    void route(std::size_t layer, std::size_t row, std::span<const float> p) {
        if (!out.router.empty())
            out.write(out.router[layer], (sequence * out.tokens + row) * p.size(), p);
    }
};

/// What the towers make of the media of the inputs.
using Media = carat::MediaSoftTokens<Text::hidden>;
carat::Result<Media> encode_media(const std::string& path, const Model& model,
                                  carat::ExecutorRef executor) {
    const auto file = carat::MappedFile::open(path);
    if (!file) return file.error();
    const auto tensors = carat::Safetensors::read(file->bytes(), path);
    if (!tensors) return tensors.error();
    Media media;
    for (const auto& [pixels, places, out] :
         {std::tuple("pixel_values", "image_position_ids", &media.image),
          std::tuple("pixel_values_videos", "video_position_ids", &media.video)}) {
        const auto pictures = PictureList<Model>::read(*tensors, path, pixels, places);
        if (!pictures) return pictures.error();
        auto soft = pictures->see(model, executor);
        if (!soft)
            return carat::Error{soft.error().code, std::string(pixels) + ": " + soft.error().text};
        *out = std::move(*soft);
    }
    auto heard = hear_inputs(model, *tensors, path, executor);
    if (!heard) return heard.error();
    media.audio = std::move(*heard);
    return media;
}

/// Which tokens of a sequence get logits: the last that the command line asks for, or those that
/// the inputs name, or all.
std::vector<std::size_t> kept_tokens(const Inputs<Text>& in, const Arguments& a) {
    if (a.logits_to_keep == 0 && !in.logits_to_keep.empty()) return in.logits_to_keep;
    std::vector<std::size_t> keep(a.logits_to_keep == 0 ? in.tokens
                                                        : std::min(a.logits_to_keep, in.tokens));
    std::iota(keep.begin(), keep.end(), in.tokens - keep.size());
    return keep;
}

carat::Result<void> forward(const Arguments& a) {
    const auto in = Inputs<Text>::read(a.inputs);
    if (!in) return in.error();
    carat::ThreadPool pool(a.threads);
    const auto model = Model::open(a.model, {}, {.executor = pool});
    if (!model) return model.error();

    Outputs out{.batch = in->batch, .tokens = in->tokens, .keep = kept_tokens(*in, a)};
    out.logits.resize(in->batch * out.keep.size() * Text::vocab);
    std::vector<std::size_t> wanted = out.keep;  // ascending, each once
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    const std::size_t rows = in->batch * in->tokens;
    if (a.hidden_states)
        out.hidden.assign(Text::layers + 1, std::vector<float>(rows * Text::hidden));
    if (a.attentions)
        out.attentions.assign(
            Text::layers, std::vector<float>(rows * in->tokens * Text::config.num_attention_heads));
    if (a.router_logits && Text::config.enable_moe_block)
        out.router.assign(Text::layers, std::vector<float>(rows * Text::config.num_experts));

    const auto media = encode_media(a.inputs, *model, pool);
    if (!media) return media.error();
    Media::Used used;
    auto session = model->session(pool, {.context_tokens = in->tokens, .chunk_tokens = in->tokens});
    if (!session) return session.error();
    for (std::size_t b = 0; b < in->batch; ++b) {
        session->clear();
        Input sequence = in->sequence(b);
        typename Model::SoftTokens soft;
        if (!media->none() && !in->ids.empty()) {
            auto rows = media->in_order(sequence.ids, Model::config.tokens, used);
            if (!rows) return rows.error();
            soft = std::move(*rows);
            if (soft.rows() > 0) sequence.soft_tokens = soft.view();
        }
        if (in->labels.empty()) {
            sequence.logits_at = wanted;
        } else {
            sequence.logits_to_keep = 0;
        }
        const auto on_logits = [&](std::size_t row, std::span<const float> z) {
            for (std::size_t i = 0; i < out.keep.size(); ++i)
                if (out.keep[i] == row)
                    out.write(out.logits, (b * out.keep.size() + i) * Text::vocab, z);
            const std::size_t at = b * in->tokens + row;
            const bool padding = !in->attention_mask.empty() && in->attention_mask[at] == 0;
            if (!in->labels.empty() && row + 1 < in->tokens && !padding)  // it predicts nothing
                out.loss.add(z, in->labels[at + 1]);
        };
        Recorder recorder(out, b);
        const bool record = a.hidden_states || a.attentions || a.router_logits;
        const auto done = record ? session->append(sequence, on_logits, {}, recorder)
                                 : session->append(sequence, on_logits);
        if (!done) return done.error();
    }

    if (auto all = media->finished(used); !all && !in->ids.empty()) return all;

    carat::SafetensorsWriter file;
    carat::Result<void> added;
    const auto add = [&](std::string name, std::vector<std::size_t> shape,
                         std::vector<float> values) {
        if (added) added = file.add(std::move(name), std::move(shape), std::move(values));
    };
    add("logits", {in->batch, out.keep.size(), Text::vocab}, std::move(out.logits));
    if (!in->labels.empty()) add("loss", {1}, {static_cast<float>(out.loss.mean())});
    for (std::size_t i = 0; i < out.hidden.size(); ++i)
        add("hidden_states." + std::to_string(i), {in->batch, in->tokens, Text::hidden},
            std::move(out.hidden[i]));
    for (std::size_t i = 0; i < out.attentions.size(); ++i)
        add("attentions." + std::to_string(i),
            {in->batch, Text::config.num_attention_heads, in->tokens, in->tokens},
            std::move(out.attentions[i]));
    for (std::size_t i = 0; i < out.router.size(); ++i)
        add("router_logits." + std::to_string(i), {in->batch, in->tokens, Text::config.num_experts},
            std::move(out.router[i]));
    for (const auto& [name, soft] : {std::pair("image_hidden_states", &media->image),
                                     std::pair("video_hidden_states", &media->video),
                                     std::pair("audio_hidden_states", &media->audio)})
        if (a.soft_tokens && soft->rows() > 0) {
            const auto values = soft->view().span();
            add(name, {soft->rows(), Text::hidden}, {values.begin(), values.end()});
        }
    if (!added) return added;
    return file.write(a.out);
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Model inputs into logits, hidden states and loss.");
    app.add_option("--model", a.model, "folder or GGUF file of the checkpoint")
        ->type_name("PATH")
        ->required();
    app.add_option("--inputs", a.inputs, "input_ids and what belongs to them, a safetensors file")
        ->type_name("FILE")
        ->required();
    app.add_option("--out", a.out, "where the results go, a safetensors file")
        ->type_name("FILE")
        ->required();
    app.add_option("--logits-to-keep", a.logits_to_keep,
                   "logits of the last N positions only; 0: of those in the inputs' "
                   "logits_to_keep, or all");
    app.add_flag("--hidden-states", a.hidden_states,
                 "the embeddings, each layer's output, the final norm");
    app.add_flag("--attentions", a.attentions, "each layer's attention probabilities");
    app.add_flag("--router-logits", a.router_logits, "each layer's probabilities of the experts");
    app.add_flag("--soft-tokens", a.soft_tokens, "what the towers make of pictures and sound");
    app.add_option("--threads", a.threads, "threads to compute with")->check(CLI::Range(1, 1024));
    return run_program(app, argc, argv, "forward", [&] { return forward(a); });
}
