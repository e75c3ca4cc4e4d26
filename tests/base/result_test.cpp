#include "carat/base/result.hpp"

#include <doctest/doctest.h>

#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

using namespace carat;

namespace {

static_assert(std::is_copy_constructible_v<Result<std::string>>);
static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<Result<std::unique_ptr<int>>>);

const std::string long_text(100, 'x');  // longer than what a string keeps in itself

Error error() { return {Errc::io, long_text}; }

}  // namespace

TEST_CASE("a result is what it was copied or moved from") {
    const Result<std::string> good = long_text, bad = error();
    Result<std::string> a = good, b = bad;
    CHECK(*a == long_text);
    CHECK(b.error().text == long_text);
    const Result<std::string> c = std::move(a), d = std::move(b);
    CHECK(*c == long_text);
    CHECK_FALSE(d);
    CHECK(d.error().code == Errc::io);
}

TEST_CASE("a result becomes a value or an error, whatever it was") {
    const Result<std::string> good = long_text, bad = error();
    Result<std::string> r = good;
    r = bad;
    CHECK(r.error().text == long_text);
    r = bad;
    CHECK(r.error().text == long_text);
    r = good;
    CHECK(*r == long_text);
    r = std::string("y");
    CHECK(*r == "y");
    const Result<std::string>& same = r;
    r = same;
    CHECK(*r == "y");
}

TEST_CASE("a result ends the life of its value once") {
    const auto alive = std::make_shared<int>(1);
    {
        Result<std::shared_ptr<int>> r = alive;
        Result<std::shared_ptr<int>> other = std::move(r);
        CHECK(alive.use_count() == 2);
        other = error();
        CHECK(alive.use_count() == 1);
        other = alive;
        const std::shared_ptr<int> taken = *std::move(other);
        CHECK(alive.use_count() == 2);
    }
    CHECK(alive.use_count() == 1);
}

#if defined(__cpp_exceptions)
TEST_CASE("a value that is not there is thrown as an exception that says why") {
    const auto thrown = [](auto&& take) -> std::string {
        try {
            take();
        } catch (const std::exception& e) {
            return e.what();
        }
        return {};
    };
    CHECK(thrown([] { (void)Result<std::string>(error()).value(); }) == long_text);
    CHECK(thrown([] { Result<void>(error()).value(); }) == long_text);
    CHECK(thrown([] { Result<void>().value(); }).empty());
    const Result<std::unique_ptr<int>> good = std::make_unique<int>(3), bad = error();
    CHECK(*good.value() == 3);
    CHECK(thrown([&] { (void)bad.value(); }) == long_text);
}
#endif
