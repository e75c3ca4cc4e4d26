// What programs that take messages with media have in common.
#pragma once

#include <CLI/CLI.hpp>

#include <cstddef>
#include <string>

/// The folder that paths in a messages file are relative to.
inline std::string folder_of(const std::string& file) {
    const std::size_t slash = file.rfind('/');
    return slash == std::string::npos ? "." : file.substr(0, slash + 1);
}

/// --max-soft-tokens
inline void add_budget_option(CLI::App& app, std::size_t& max_soft_tokens) {
    app.add_option("--max-soft-tokens", max_soft_tokens, "budget of an image")
        ->check(CLI::IsMember({70, 140, 280, 560, 1120}));
}
