// says: carat: a Tap derives from NoTap and has a member of its own for each flag it sets
#include "carat/config/presets.hpp"
#include "carat/generate/session.hpp"
#include "carat/model/text_model.hpp"

#include <cstddef>
#include <span>

struct Look : carat::NoTap {
    static constexpr bool hidden_states = true;
#if defined(FAIL)
    void hidden_states_of(std::size_t, std::size_t, std::span<const float>) {}
#else
    void hidden_state(std::size_t, std::size_t, std::span<const float>) {}
#endif
};
using Model = carat::TextModel<carat::presets::e2b.text, carat::weights::bf16>;

bool look(carat::Session<Model>& session, Look& tap);
bool look(carat::Session<Model>& session, Look& tap) {
    const auto no_logits = [](std::size_t, std::span<const float>) {};
    return static_cast<bool>(session.append({}, no_logits, {}, tap));
}
