// What the example programs share: the model they are compiled for, and how they speak of errors.
#pragma once

#include "carat/gemma4.hpp"

#if CARAT_DRAFT
#include "carat/gemma4_drafter.hpp"
#endif

#include <CLI/CLI.hpp>

#include <carat/models/model.hpp>  // written by carat_add_model from CARAT_MODEL's config.json
#include <cstdio>
#include <string>
#include <thread>

// CARAT_POLICY: the build's CARAT_WEIGHTS, CARAT_ARITHMETIC and CARAT_CACHE; unless they say
// otherwise, the checkpoint's own type, exact, and keys and values in the arithmetic's own type.
using Model = carat::Gemma4<carat::models::model, CARAT_POLICY>;

// CARAT_DRAFT, a setting of the build, names the folder of an assistant.
#if CARAT_DRAFT
using Assistant = carat::Gemma4Drafter<carat::models::drafter, Model>;
constexpr bool can_draft = true;
#else
struct Assistant {  // has no weights, and drafts nothing
    static carat::Result<Assistant> open(const std::string&, carat::Progress = {},
                                         carat::BindOptions = {}) {
        return carat::Error{carat::Errc::unsupported,
                            "--draft: this program is compiled without an assistant; configure "
                            "with -DCARAT_DRAFT=<folder of the assistant>"};
    }
    [[nodiscard]] std::size_t memory_bytes() const { return 0; }
};
constexpr bool can_draft = false;
#endif

inline std::size_t all_threads() {
    const unsigned n = std::thread::hardware_concurrency();
    return n > 0 ? n : 1;
}

/// Reads the command line and runs the program. Whatever goes wrong is one line on standard error
/// and status 1.
template <class Run>
int run_program(CLI::App& app, int argc, char** argv, const char* name, Run&& run) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::Error& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 1;
    }
    const carat::Result<void> done = run();
    if (!done) std::fprintf(stderr, "%s: %s\n", name, done.error().text.c_str());
    return done ? 0 : 1;
}
