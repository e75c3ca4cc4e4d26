// A model that is part of its program: one executable, no file beside it.
//
//   embedded "What is the capital of France?"
#include "carat/chat.hpp"
#include "carat/gemma4.hpp"
#include "carat/parallel/executor.hpp"

#include <carat/embedded/model.hpp>  // written by carat_embed from examples/pocket
#include <carat/models/model.hpp>    // written by carat_add_model from its config.json
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace {

using Model = carat::Gemma4<carat::models::model>;

carat::Result<void> answer(const std::string& question) {
    using namespace carat::embedded;
    const auto model =
        Model::view(model_weights(), "the embedded model", model_generation_config());
    if (!model) return model.error();
    auto tokenizer = carat::Tokenizer::from_json(model_tokenizer_json());
    if (!tokenizer) return tokenizer.error();

    carat::Serial one_thread;
    auto sampling = model->sampler_options();
    sampling.greedy = true;
    auto chat = carat::Chat<Model>::create(
        *model, std::make_shared<const carat::Tokenizer>(*std::move(tokenizer)), one_thread,
        {.format = {.variant = carat::chat_variant_of_template(model_chat_template())},
         .sampling = std::move(sampling)});
    if (!chat) return chat.error();
    for (const std::string_view piece : chat->user(question).reply())
        std::fwrite(piece.data(), 1, piece.size(), stdout);
    if (!chat->last()) return chat->last().error();
    std::printf("\n");
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "embedded: expected one question\n");
        return 1;
    }
    const auto done = answer(argv[1]);
    if (!done) std::fprintf(stderr, "embedded: %s\n", done.error().text.c_str());
    return done ? 0 : 1;
}
