#include "carat/text/read_file.hpp"

#include "carat/text/chat_variant.hpp"
#include "carat/text/gguf_head.hpp"
#include "carat/text/tokenizer.hpp"
#include "fixture.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#if defined(__unix__) && !defined(__EMSCRIPTEN__)
#include <sys/stat.h>
#include <unistd.h>
#endif

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

#if defined(__unix__) && !defined(__EMSCRIPTEN__)
TEST_CASE("a pipe that nobody writes into is an error of every reader, not a wait") {
    const std::string folder =
        (std::filesystem::temp_directory_path() / ("carat_pipes_" + std::to_string(::getpid())))
            .string();
    ::alarm(60);  // ends the program where one waits
    for (const char* name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json",
                             "tokenizer.gguf", "chat_template.jinja"}) {
        CAPTURE(name);
        std::filesystem::create_directory(folder);
        if (std::string(name) == "tokenizer_config.json")
            std::filesystem::copy(source_path("examples/pocket/tokenizer.json"), folder);
        const std::string pipe = path_in(folder, name);
        REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
        CHECK(file_exists(pipe));
        const auto read = read_file(pipe);
        REQUIRE_FALSE(read);
        CHECK(read.error().code == Errc::io);
        CHECK(read.error().text == pipe + ": cannot read: it is not a regular file");
        CHECK_FALSE(with_gguf_head(pipe, [](const Gguf&) -> Result<void> { return {}; }));
        CHECK_FALSE(Tokenizer::open(folder));
        const bool holds_no_template = pipe.ends_with("tokenizer.json") || pipe.ends_with(".model");
        CHECK(chat_variant(folder).has_value() == holds_no_template);
        std::filesystem::remove_all(folder);
    }
    ::alarm(0);
}

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
