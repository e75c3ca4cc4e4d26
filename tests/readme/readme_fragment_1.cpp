// README, "With an assistant answers come quicker": the chat and the loop that it belongs to.
#include <carat/carat.hpp>
#include <carat/gemma4_drafter.hpp>
#include <carat/models/model.hpp>
#include <cstdint>
#include <cstdio>
#include <vector>

using Model = carat::Gemma4<carat::models::model>;

int quicker(carat::Result<carat::Chat<Model>>& chat, carat::Result<Model::Session>& session,
            const carat::Result<std::vector<std::int32_t>>& prompt,
            carat::Result<carat::Sampler>& sampler, void (*print)(std::int32_t));

int quicker(carat::Result<carat::Chat<Model>>& chat, carat::Result<Model::Session>& session,
            const carat::Result<std::vector<std::int32_t>>& prompt,
            carat::Result<carat::Sampler>& sampler, void (*print)(std::int32_t)) {
#include "fragment.inc"
    return stop ? 0 : 1;
}
