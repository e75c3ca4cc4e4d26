// Saved states: of a session, and of a chat, whose checksum is made to fit, since no fuzzer guesses
// it.
#include "carat/chat.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/generate/session.hpp"
#include "check.hpp"
#include "support/files.hpp"
#include "support/generated_weights.hpp"
#include "support/tiny_models.hpp"

#include <algorithm>

using namespace carat;

namespace {

/// As much of a Gemma4 as a chat needs, tiny.
struct TinyModel {
    using Text = TextModel<test::tiny::a, weights::f32>;
    using Session = carat::Session<Text>;

    test::MadeUp<Text> made;
    GenerationConfig generation_config;

    Result<Session> session(ExecutorRef executor, SessionOptions options = {}) const {
        return Session::create(made.weights, executor, options);
    }
    [[nodiscard]] const GenerationConfig& generation() const { return generation_config; }
    [[nodiscard]] SamplerOptions sampler_options() const { return {.greedy = true}; }
    [[nodiscard]] std::uint64_t fingerprint() const { return 7; }
};

struct Host {
    TinyModel model;
    Serial executor;
    test::Folder folder{"fuzz_state"};
    std::shared_ptr<const Tokenizer> tokenizer;
    Host() {
        auto opened = Tokenizer::open(test::fixtures + "tokenizer");
        test::hold(opened.has_value(), "the fixtures' tokenizer opens");
        tokenizer = std::make_shared<const Tokenizer>(*std::move(opened));
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Host host;
    const SessionOptions options{.context_tokens = 16, .chunk_tokens = 3};
    auto session = host.model.session(host.executor, options);
    test::hold(session.has_value(), "a session");
    std::span<const std::byte> rest = test::bytes_of(data, size);
    const auto read = [&](std::span<std::byte> to) {
        if (to.size() > rest.size()) return false;
        std::copy_n(rest.begin(), to.size(), to.begin());
        rest = rest.subspan(to.size());
        return true;
    };
    const bool loaded = test::good(session->load(read));
    test::hold(loaded || session->size() == 0, "a session that could not load is empty");
    const std::int32_t id = 3;
    if (session->size() < 16)
        test::hold(test::good(session->append(std::span(&id, 1))), "a session goes on");

    std::string file(test::text_of(data, size));
    Fnv1a sum;
    sum.add(std::as_bytes(std::span(file)));
    const std::uint64_t value = sum.value();
    file.append(reinterpret_cast<const char*>(&value), sizeof value);
    const std::string path = host.folder / "chat";
    test::write_text(path, file);
    auto chat =
        Chat<TinyModel>::create(host.model, host.tokenizer, host.executor, {.session = options});
    test::hold(chat.has_value(), "a chat");
    if (test::good(chat->load(path))) {
        test::hold(test::good(chat->save(path)), "what was loaded can be saved");
        test::hold(test::good(chat->load(path)), "and loaded again");
    }
    chat->undo();
    return 0;
}
