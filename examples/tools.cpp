// A model that calls functions of this program, and answers with what they return.
//
//   tools examples/pocket
#include "carat/chat.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "program.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

double calculate(const std::string& expression) {  // "123 * 45"
    char* rest = nullptr;
    double value = std::strtod(expression.c_str(), &rest);
    while (*(rest += std::strspn(rest, " ")) != '\0') {
        const char sign = *rest;
        const double next = std::strtod(rest + 1, &rest);
        value = sign == '*'   ? value * next
                : sign == '/' ? value / next
                : sign == '-' ? value - next
                              : value + next;
    }
    return value;
}

carat::Result<void> talk(const std::string& folder) {
    const auto model = Model::open(folder);
    if (!model) return model.error();
    carat::ThreadPool threads(all_threads());
    auto chat = carat::Chat<Model>::open(*model, folder, threads);
    if (!chat) return chat.error();

    carat::Tools tools;
    tools.add("get_weather", "Get the weather in a city.", {{"city", "The city name."}},
              [](const std::string& city) {
                  return carat::parse_json(city == "London"
                                               ? R"({"condition": "rainy", "temperature": 14})"
                                               : R"({"condition": "sunny", "temperature": 21})",
                                           "weather");
              });
    tools.add("calculate", "Calculate an expression.", {{"expression", "The expression."}},
              [](const std::string& expression) {
                  return carat::parse_json(
                      "{\"result\": " + std::to_string(std::llround(calculate(expression))) + "}",
                      "calculate");
              });
    if (auto set = chat->set_tools(tools); !set) return set.error();

    for (const char* question : {"What is the weather in London?", "What is 123 * 45?"}) {
        std::printf("> %s\n", question);
        const auto turn = chat->user(question).reply(
            tools, [](const carat::ReplyEvent&) {},
            [](const carat::ToolCall& call, const carat::JsonValue& answer) {
                carat::JsonWriter a, b;
                std::printf("  %s%s -> %s\n", call.name.c_str(),
                            a.value(call.arguments).text().data(), b.value(answer).text().data());
            });
        if (!turn) return turn.error();
        std::printf("%s\n", turn->reply.content.c_str());
        chat->reset();
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    std::string folder;
    CLI::App app("Let a Gemma 4 call functions.");
    app.add_option("MODEL", folder, "folder of the checkpoint")->required();
    return run_program(app, argc, argv, "tools", [&] { return talk(folder); });
}
