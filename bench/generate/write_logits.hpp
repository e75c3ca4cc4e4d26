// What a model says after each token of some sequences.
#pragma once

#include "../../examples/program.hpp"
#include "carat/checkpoint/safetensors_writer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

/// Token ids, one sequence a line.
inline carat::Result<std::vector<std::vector<std::int32_t>>> read_sequences(
    const std::string& path) {
    std::ifstream file(path);
    if (!file) return carat::Error{carat::Errc::io, path + ": cannot be opened"};
    std::vector<std::vector<std::int32_t>> all;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::vector<std::int32_t> ids;
        for (std::int32_t id; words >> id;) ids.push_back(id);
        if (ids.empty() || !words.eof())
            return carat::Error{carat::Errc::bad_format,
                                path + ": expected token ids, not \"" + line + '"'};
        all.push_back(std::move(ids));
    }
    return all;
}

/// Into a safetensors file, each `[tokens, vocab]`: `prompt` where a sequence is read at once,
/// `steps` where it is read token by token.
inline carat::Result<void> write_logits(const Model& model, const std::string& tokens,
                                        const std::string& path, carat::ExecutorRef executor) {
    const auto sequences = read_sequences(tokens);
    if (!sequences) return sequences.error();
    std::size_t longest = 1;
    for (const auto& ids : *sequences) longest = std::max(longest, ids.size());
    auto session = model.session(executor, {.context_tokens = longest});
    if (!session) return session.error();
    std::vector<float> prompt, steps;
    for (const auto& ids : *sequences) {
        const auto keep = [](std::vector<float>& all) {
            return [&](std::size_t, std::span<const float> z) {
                all.insert(all.end(), z.begin(), z.end());
            };
        };
        session->clear();
        auto done = session->append({.ids = ids, .logits_to_keep = 0}, keep(prompt));
        if (!done) return done;
        session->clear();
        for (const std::int32_t& id : ids) {
            done = session->append({.ids = std::span(&id, 1)}, keep(steps));
            if (!done) return done;
        }
    }
    carat::SafetensorsWriter file;
    const std::size_t rows = prompt.size() / Model::Text::vocab;
    if (auto added = file.add("prompt", {rows, Model::Text::vocab}, std::move(prompt)); !added)
        return added;
    if (auto added = file.add("steps", {rows, Model::Text::vocab}, std::move(steps)); !added)
        return added;
    return file.write(path);
}
