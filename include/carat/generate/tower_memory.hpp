/// \file
/// Memory for one call of a tower, below the ceiling that its model was opened with.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/generate/memory_ceiling.hpp"
#include "carat/tensor/arena.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// What a tower is to look at, or to listen to.
struct TowerCall {
    std::string_view what;    ///< "a picture"
    std::string_view things;  ///< that it consists of: "patches"
    std::size_t n, step;      ///< how many of them, and what that is a multiple of
    std::size_t threads;
    std::size_t (*bytes)(std::size_t n, std::size_t threads);  ///< what the call takes
};

/// Takes the memory for a call at once. Errc::out_of_memory where `ceiling` leaves too little
/// beside the `taken` bytes of the model and its session, with what would fit, or where the system
/// refuses. `model` names the model.
[[gnu::cold]] inline Result<Arena> tower_memory(const TowerCall& call, std::size_t ceiling,
                                                std::size_t taken, const std::string& model) {
    const std::size_t bytes = call.bytes(call.n, call.threads);
    const std::size_t room = ceiling - std::min(ceiling, taken);
    if (bytes > room) {
        const std::size_t fit =
            call.step * detail::largest_that_fits(call.n / call.step, [&](std::size_t steps) {
                return call.bytes(steps * call.step, call.threads) <= room;
            });
        return Error{
            Errc::out_of_memory,
            joined({model, ": ", call.what, " of ", call.n, " ", call.things, " takes ", bytes,
                    " bytes, but the ceiling of ", ceiling, " leaves ", room,
                    " beside the model and its session: ",
                    fit > 0 ? joined({"one of ", fit, " ", call.things, " would fit"})
                            : std::string("only fewer threads or a smaller session would help")})};
    }
    Arena arena(bytes);
    if (!arena && bytes > 0)
        return Error{Errc::out_of_memory,
                     joined({call.what, " of ", call.n, " ", call.things, " takes ", bytes,
                             " bytes, which the system refused"})};
    return arena;
}

}  // namespace carat::inline CARAT_ABI
