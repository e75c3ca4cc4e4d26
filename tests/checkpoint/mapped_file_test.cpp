#include "carat/checkpoint/mapped_file.hpp"

#include "support/files.hpp"
#include "support/pipe.hpp"

#include <doctest/doctest.h>

#include <type_traits>
#include <utility>

using namespace carat;
using namespace carat::test;

static_assert(!std::is_copy_constructible_v<MappedFile>);
static_assert(std::is_nothrow_move_constructible_v<MappedFile>);

TEST_CASE("a mapped file shows the bytes of the file, and keeps them when it moves") {
    const Folder folder("map");
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += static_cast<char>(i * 7);
    write_text(folder / "f", text);
    auto opened = MappedFile::open(folder / "f");
    REQUIRE(opened);
    MappedFile file = std::move(*opened);
    const std::byte* data = file.bytes().data();
    CHECK(file.text() == text);
    MappedFile moved(std::move(file));
    CHECK(moved.bytes().data() == data);
    CHECK(moved.path() == folder / "f");
    MappedFile assigned;
    CHECK(assigned.bytes().empty());
    assigned = std::move(moved);
    CHECK(assigned.text() == text);
}

TEST_CASE("advice changes no byte, also for what is not part of the file") {
    const Folder folder("map");
    const std::string text(50'000, 'x');
    write_text(folder / "f", text);
    auto file = MappedFile::open(folder / "f");
    REQUIRE(file);
    file->advise_sequential();
    file->advise_random(file->bytes().subspan(5000, 20'000));
    file->dont_need(file->bytes());
    file->dont_need(file->bytes().subspan(4097, 1));
    file->dont_need(bytes(text));
    file->dont_need({});
    MappedFile().dont_need(file->bytes());
    CHECK(file->text() == text);
}

TEST_CASE("what is no readable file is an error with the system's reason") {
    const Folder folder("map");
    const auto missing = MappedFile::open(folder / "none");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Errc::io);
    CHECK(missing.error().text == (folder / "none") + ": cannot open: No such file or directory");
    const auto directory = MappedFile::open(folder.path());
    REQUIRE_FALSE(directory);
    CHECK(directory.error().code == Errc::io);
    CHECK(contains(directory.error().text, "irectory"));
    write_text(folder / "empty", "");
    const auto empty = MappedFile::open(folder / "empty");
    REQUIRE_FALSE(empty);
    CHECK(empty.error().code == Errc::bad_format);
    CHECK(empty.error().text == (folder / "empty") + ": is empty");
    CHECK_FALSE(MappedFile::open(""));
}

TEST_CASE("reading a file whole gives what mapping gives") {
    const Folder folder("map");
    for (const std::size_t size : {0u, 1u, 65'535u, 65'536u, 65'537u, 3'000'000u}) {
        CAPTURE(size);
        std::string text(size, 'a');
        for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i % 251);
        write_text(folder / "f", text);
        const auto read = detail::read_whole(folder / "f");
        REQUIRE(read);
        CHECK(std::string_view(reinterpret_cast<const char*>(read->data()), read->size()) == text);
    }
    CHECK_FALSE(detail::read_whole(folder / "none"));
    CHECK_FALSE(detail::read_whole(folder.path()));
    CHECK_FALSE(file_exists(folder / "none"));
    CHECK_FALSE(file_exists(folder / "f/none"));
    CHECK(file_exists(folder / "f"));
}

#if defined(CARAT_TEST_PIPES)
TEST_CASE("no pipe is waited for, and none is missing") {
    const Folder folder("pipe");
    const Pipe pipe(folder / "p");
    CHECK(file_exists(pipe.path()));
    CHECK(MappedFile::open(pipe.path()).error().text == pipe.refusal());
    CHECK(detail::read_whole(pipe.path()).error().text == pipe.refusal());
}
#endif

#if defined(__linux__)
TEST_CASE("a read that fails is an error, and no shorter file") {
    const auto read = detail::read_whole("/proc/self/mem");  // has nothing at its beginning
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Errc::io);
    CHECK(contains(read.error().text, "/proc/self/mem: cannot read: "));
}
#endif
