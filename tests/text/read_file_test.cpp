#include "carat/text/read_file.hpp"

#include "carat/prompt/chat_variant.hpp"
#include "carat/text/gguf_head.hpp"
#include "carat/text/tokenizer.hpp"
#include "fixture.hpp"
#include "support/files.hpp"
#include "support/pipe.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace carat;

TEST_CASE("a file is read whole or not at all, and the error names it") {
    const std::string path = source_path("examples/pocket/generation_config.json");
    const auto text = read_file(path);
    REQUIRE(text);
    CHECK(text->size() > 10);
    CHECK(read_file(path, text->size()));
    const auto large = read_file(path, text->size() - 1);
    REQUIRE_FALSE(large);
    CHECK(large.error().code == Errc::out_of_range);
    for (const std::string& bad :
         {source_path("no such file"), source_path("examples"), std::string()}) {
        const auto none = read_file(bad);
        REQUIRE_FALSE(none);
        CHECK(none.error().code == Errc::io);
        CHECK(none.error().text.find(bad + ": ") == 0);
    }
    CHECK(path_in("a", "b") == "a/b");
    CHECK(path_in("a/", "b") == "a/b");
    CHECK(path_in("", "b") == "b");
}

#if defined(CARAT_TEST_PIPES)
TEST_CASE("a pipe that nobody writes into is an error of every reader, not a wait") {
    for (const std::string name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json",
                                   "tokenizer.gguf", "chat_template.jinja", "model.gguf"}) {
        CAPTURE(name);
        const test::Folder folder("pipes");
        if (name == "tokenizer_config.json")
            std::filesystem::copy(source_path("examples/pocket/tokenizer.json"), folder.path());
        const test::Pipe pipe(folder / name);
        CHECK(file_exists(pipe.path()));
        const auto read = read_file(pipe.path());
        REQUIRE_FALSE(read);
        CHECK(read.error().code == Errc::io);
        CHECK(read.error().text == pipe.refusal());
        CHECK_FALSE(with_gguf_head(pipe.path(), [](const Gguf&) -> Result<void> { return {}; }));
        CHECK_FALSE(Tokenizer::open(folder.path()));
        const bool holds_no_template = name == "tokenizer.json" || name == "tokenizer.model";
        CHECK(chat_variant(folder.path()).has_value() == holds_no_template);
    }
}

#if defined(__linux__)
TEST_CASE("a pipe among the system's devices is a pipe like any other") {
    if (::access("/dev/shm", W_OK) == 0) {
        const test::Pipe pipe("/dev/shm/carat_pipe_" + std::to_string(::getpid()));
        const auto read = read_file(pipe.path());
        REQUIRE_FALSE(read);
        CHECK(read.error().text == pipe.refusal());
    }
    CHECK(detail::is_open_already("/dev/stdin"));
    CHECK(detail::is_open_already("/dev/fd/63"));
    for (const char* other : {"/dev/stdin/", "/dev/fd", "/dev/fd/", "/dev/fd/3/../x", "/dev/shm/1",
                              "/dev/null", "dev/fd/3"})
        CHECK_FALSE(detail::is_open_already(other));
}
#endif

TEST_CASE("a pipe that is open already is read to its end") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], "abc", 3) == 3);
    ::close(ends[1]);
    const auto text = read_file("/dev/fd/" + std::to_string(ends[0]));
    REQUIRE_MESSAGE(text, text.error().text);
    CHECK(*text == "abc");
    ::close(ends[0]);
}
#endif

#if defined(__linux__)
TEST_CASE("a read that fails is an error that names the file") {
    const std::string path = "/proc/self/mem";  // opens, and has nothing at its beginning
    for (const auto& error :
         {read_file(path).error(),
          with_gguf_head(path, [](const Gguf&) -> Result<void> { return {}; }).error()}) {
        CHECK(error.code == Errc::io);
        CHECK(error.text.starts_with(path + ": cannot read: "));
    }
}
#endif
