#include "carat/text/bpe.hpp"

#include "carat/text/tokenizer.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "fixture.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace carat;

TEST_CASE("sentencepiece merges as the plain algorithm does") {
    for (const std::string name :
         {"examples/pocket/tokenizer.json", "tests/fixtures/hf/tokenizer/tokenizer.json"}) {
        const auto v = read_tokenizer_json(file_text(name), name);
        REQUIRE_MESSAGE(v, v.error().text);
        const auto t = Tokenizer::from_vocabulary(*v, name);
        REQUIRE_MESSAGE(t, t.error().text);
        const Bpe plain(*v);
        std::mt19937 random(3);
        for (int i = 0; i < 5000; ++i) {
            std::string text = random_text(random) + random_text(random);
            if (i % 5 == 0) {  // pieces glued at random, which meet every merge sooner or later
                text.clear();
                for (int k = 0; k < 20; ++k) text += v->pieces[random() % v->pieces.size()];
            }
            CAPTURE(text);
            const auto ids = t->encode(text, {.added_tokens = AddedTokens::none});
            REQUIRE(ids);
            CHECK(*ids == plain.encode(text));
        }
    }
}
