// Packs a checkpoint for this program's model and weights: quantised, in the order that kernels
// want, mapped or read as it is when it is opened.
//
//   quantize --model gemma-4-E2B-it --out e2b-packed
#include "carat/pack.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "program.hpp"

#include <unistd.h>

int main(int argc, char** argv) {
    std::string from, to;
    std::size_t threads = all_threads();
    CLI::App app("Packs a checkpoint for the model and the weights of this program.");
    app.add_option("--model", from, "checkpoint: a folder or a GGUF file")
        ->type_name("PATH")
        ->required();
    app.add_option("--out", to, "folder of the packed checkpoint, which is made")
        ->type_name("DIR")
        ->required();
    app.add_option("--threads", threads)->check(CLI::Range(1, 1024));
    return run_program(app, argc, argv, "quantize", [&]() -> carat::Result<void> {
        const bool show = isatty(STDERR_FILENO) != 0;
        const auto progress = [show](std::size_t done, std::size_t total) {
            if (show) std::fprintf(stderr, "\r%zu of %zu MB ", done >> 20, total >> 20);
            if (show && done == total) std::fprintf(stderr, "\n");
            return true;
        };
        carat::ThreadPool pool(threads);
        return carat::pack_checkpoint<Model>(from, to, progress, {.executor = pool});
    });
}
