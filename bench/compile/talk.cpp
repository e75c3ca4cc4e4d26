// A conversation with E2B: model, tokenizer, chat format, functions and the forms of answers.
#include <carat/chat.hpp>
#include <carat/config/presets.hpp>
#include <carat/gemma4.hpp>
#include <cstdio>

using Model = carat::Gemma4<carat::presets::e2b>;

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto model = Model::open(argv[1]);
    if (!model) return 1;
    carat::Serial serial;
    auto chat = carat::Chat<Model>::open(*model, argv[1], serial);
    if (!chat || !chat->answer_as(carat::AnswerShape::choices({"yes", "no"}))) return 1;
    carat::Tools tools;
    tools.add("get_time", "The time of day.", [] { return "noon"; });
    if (!chat->set_tools(tools)) return 1;
    const auto turn = chat->user("Is it noon?").answer(tools);
    return turn ? std::puts(turn->reply.content.c_str()) < 0 : 1;
}
