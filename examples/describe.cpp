// What is in a picture?
//
//   describe examples/pocket examples/pocket/samples/shapes.png
//   describe examples/pocket examples/pocket/samples/stars.png "How many stars are there?"
#include "carat/chat.hpp"
#include "carat/media_files.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "program.hpp"

#include <cstdio>
#include <string>

namespace {

carat::Result<void> describe(const std::string& folder, const std::string& picture,
                             const std::string& question) {
    if (auto able = Model::can_see(); !able) return able;
    const auto model = Model::open(folder);
    if (!model) return model.error();
    carat::ThreadPool pool(all_threads());
    const carat::MediaFiles<Model> files(*model, folder, pool);
    auto chat =
        carat::Chat<Model>::open(*model, folder, pool, {.session = files.session_options()});
    if (!chat) return chat.error();
    chat->set_media_reader(files);

    chat->user({carat::image_part(picture), carat::text_part(question)});
    for (const std::string_view piece : chat->reply()) {
        std::fwrite(piece.data(), 1, piece.size(), stdout);
        std::fflush(stdout);
    }
    if (!chat->last()) return chat->last().error();
    std::printf("\n");
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    std::string folder, picture, question = "Describe the image.";
    CLI::App app("What is in a picture.");
    app.add_option("MODEL", folder, "folder of the checkpoint")->required();
    app.add_option("PICTURE", picture, "PNG, JPEG, GIF, WebP or BMP")->required();
    app.add_option("QUESTION", question, "what to ask about it");
    return run_program(app, argc, argv, "describe",
                       [&] { return describe(folder, picture, question); });
}
