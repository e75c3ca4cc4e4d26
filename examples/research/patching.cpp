// Where is the fact? What goes into a layer is taken from another question: which answer comes?
//
//   patching examples/pocket "What is the capital of France?" "What is the capital of Japan?"
#include "carat/carat.hpp"

#include <algorithm>
#include <carat/models/model.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

using Model = carat::Gemma4<carat::models::model, CARAT_POLICY>;

/// Puts the states that it has in place of those it finds, and keeps what is there then.
struct Patch : carat::NoTap {
    static constexpr bool hidden_states = true;
    std::map<std::pair<std::size_t, std::size_t>, std::vector<float>> puts, found;  // {layer, row}

    void hidden_state(std::size_t layer, std::size_t row, std::span<float> x) {
        if (const auto put = puts.find({layer, row}); put != puts.end())
            std::copy(put->second.begin(), put->second.end(), x.begin());
        found[{layer, row}].assign(x.begin(), x.end());
    }
};

/// The likeliest answer to a question whose tokens but the last are read with a patch.
static carat::Result<std::string> answer(const Model& model, const carat::Tokenizer& tokenizer,
                                         carat::ChatVariant variant, const char* question,
                                         Patch& patch) {
    carat::Conversation talk;
    talk.user(question);
    const auto ids = carat::encode_chat(tokenizer, talk.messages(), nullptr, {.variant = variant});
    if (!ids) return ids.error();
    carat::Serial serial;
    auto session = model.session(serial, {.context_tokens = 512});
    auto sampler = carat::Sampler::create(Model::Text::vocab, {.greedy = true});
    if (!session || !sampler) return session ? sampler.error() : session.error();
    const auto read = session->append(
        {.ids = std::span(*ids).first(ids->size() - 1)}, [](auto...) {}, {}, patch);
    if (!read) return read.error();
    std::vector<std::int32_t> said;
    const carat::GenerateOptions options{64, model.generation().eos_token_ids};
    const auto stop = carat::generate(*session, {.ids = std::span(*ids).last(1)}, *sampler, options,
                                      [&](std::int32_t id) { said.push_back(id); });
    return stop ? tokenizer.decode(said, {.skip_special = true}) : stop.error();
}

static carat::Result<void> trace(char** argv) {
    const auto model = Model::open(argv[1]);
    const auto tokenizer = carat::Tokenizer::open(argv[1]);
    const auto variant = carat::chat_variant(argv[1]);
    if (!model || !tokenizer) return model ? tokenizer.error() : model.error();
    if (!variant) return variant.error();
    Patch one, other;
    for (auto [question, patch] : {std::pair(argv[2], &one), std::pair(argv[3], &other)})
        if (auto said = answer(*model, *tokenizer, *variant, question, *patch); !said)
            return said.error();
    for (std::size_t layer = 0; layer < Model::Text::layers; ++layer) {
        Patch patch;  // of the tokens whose embeddings, layer 0, differ
        for (const auto& [at, state] : other.found)
            if (at.first == layer && other.found[{0, at.second}] != one.found[{0, at.second}])
                patch.puts[at] = state;
        const auto said = answer(*model, *tokenizer, *variant, argv[2], patch);
        if (!said) return said.error();
        std::printf("%2zu  %s\n", layer, said->c_str());
    }
    return {};
}

int main(int argc, char** argv) {
    if (argc != 4) return std::fputs("usage: patching MODEL QUESTION QUESTION\n", stderr), 1;
    const auto done = trace(argv);
    return done ? 0 : (std::fprintf(stderr, "%s\n", done.error().text.c_str()), 1);
}
