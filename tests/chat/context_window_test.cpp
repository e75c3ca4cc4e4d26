#include "carat/chat/context_window.hpp"

#include "carat/prompt/conversation.hpp"

#include <doctest/doctest.h>

#include <cstddef>

using namespace carat;

TEST_CASE("as few turns are hidden as it takes, and few windows are asked") {
    for (const bool system : {false, true})
        for (const std::size_t turns : {1u, 2u, 7u, 2000u}) {
            Conversation talk;
            if (system) talk.system("S");
            for (std::size_t i = 0; i < turns; ++i) talk.user("q").assistant("a");
            for (std::size_t room = 0; room <= 2 * turns; room += 1 + turns / 20) {
                CAPTURE(turns);
                CAPTURE(room);
                const auto fits = [&](const ContextWindow& w) {
                    return talk.messages().Size() - w.hidden() <= room;
                };
                ContextWindow one_by_one;
                while (one_by_one.slide(talk.messages()) && !fits(one_by_one)) {
                }
                std::size_t asked = 0;
                const auto slid = ContextWindow().slid(talk.messages(),
                                                       [&](const ContextWindow& w) -> Result<bool> {
                                                           ++asked;
                                                           return fits(w);
                                                       });
                REQUIRE(slid);
                CHECK(slid->hidden() == one_by_one.hidden());
                CHECK(asked <= 11);
                const auto further = slid->slid(
                    talk.messages(), [&](const ContextWindow&) -> Result<bool> { return false; });
                REQUIRE(further);
                CHECK(further->hidden() == 2 * turns - 2);
            }
        }
    Conversation talk;
    talk.user("q").user("r").user("s");
    const auto failed =
        ContextWindow().slid(talk.messages(), [](const ContextWindow&) -> Result<bool> {
            return Error{Errc::cancelled, "no"};
        });
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == Errc::cancelled);
}
