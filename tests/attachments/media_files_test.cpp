#include "carat/media_files.hpp"

#include "carat/chat.hpp"
#include "carat/gemma4.hpp"
#include "carat/models/pocket.hpp"
#include "carat/parallel/executor.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace carat;

namespace {

using Pocket = Gemma4<models::pocket, weights::bf16>;
using Files = MediaFiles<Pocket>;

const std::string folder = CARAT_SOURCE_DIR "/examples/pocket";
Serial serial;

const Pocket& pocket() {
    static const auto model = [] {
        auto m = Pocket::open(folder);
        REQUIRE_MESSAGE(m, m.error().text);
        return *std::move(m);
    }();
    return model;
}
/// One part, as a message has it.
struct Message {
    explicit Message(const std::string& part) {
        auto read = parse_json(R"([{"role": "user", "content": [)" + part + "]}]", "messages");
        REQUIRE_MESSAGE(read, read.error().text);
        messages = *std::move(read);
        parts = media_parts(messages);
        REQUIRE(parts.size() == 1);
    }
    Json messages;
    std::vector<MediaPart> parts;
};
Result<Medium> read(const Files& files, const std::string& part) {
    const Message message(part);
    return files(message.parts[0], {});
}
std::string fault(const Files& files, const std::string& part) {
    const auto medium = read(files, part);
    REQUIRE(!medium);
    return medium.error().text;
}

}  // namespace

TEST_CASE("a picture, a video and a sound are their model's soft tokens") {
    const Files files(pocket(), folder, serial, {.folder = folder + "/samples"});
    const auto whole = picture_config(folder);
    REQUIRE(whole);

    const auto shapes = read(files, R"({"type": "image", "path": "shapes.png"})");
    REQUIRE_MESSAGE(shapes, shapes.error().text);
    auto image = read_image(folder + "/samples/shapes.png");
    REQUIRE(image);
    const auto patches = make_patches(*std::move(image), whole->image);
    REQUIRE(patches);
    CHECK(shapes->text.kind == MediaKind::image);
    CHECK(shapes->text.text == image_text(patches->soft_tokens).text);
    const Pocket::Picture picture{*patches->rows<Pocket::Vision::patch>(), patches->places()};
    const auto soft = pocket().see(std::span(&picture, 1), serial);
    REQUIRE(soft);
    CHECK(std::ranges::equal(shapes->rows, std::span(soft->view().data(), soft->view().size())));

    // The same bytes as a picture in memory.
    auto again = read_image(folder + "/samples/shapes.png");
    REQUIRE(again);
    const auto seen = see(pocket(), *std::move(again), whole->image, serial);
    REQUIRE(seen);
    CHECK(seen->rows == shapes->rows);
    CHECK(seen->text.text == shapes->text.text);

    const auto ring = read(files, R"({"type": "video", "path": "ring", "num_frames": 3})");
    REQUIRE_MESSAGE(ring, ring.error().text);
    CHECK(ring->text.kind == MediaKind::video);
    const auto frames = static_cast<std::size_t>(std::ranges::count(ring->text.text, ':'));
    CHECK(frames == 3);  // each has a time, 00:00
    CHECK(ring->rows.size() % (frames * Pocket::Text::hidden) == 0);

    // At 24 frames a second one of every second alone is the first.
    const auto slow = read(files, R"({"type": "video", "path": "ring", "sample_fps": 1})");
    REQUIRE_MESSAGE(slow, slow.error().text);
    CHECK(std::ranges::count(slow->text.text, ':') == 1);

    const auto digits = read(files, R"({"type": "audio", "path": "digits.wav"})");
    REQUIRE_MESSAGE(digits, digits.error().text);
    const auto config = mel_config(folder);
    REQUIRE(config);
    const auto clip =
        read_audio_file(folder + "/samples/digits.wav", {.sample_rate_hz = config->sampling_rate});
    REQUIRE(clip);
    const std::size_t tokens = audio_soft_tokens(config->valid_frames(clip->samples.size()));
    CHECK(digits->text.text == audio_text(tokens).text);
    CHECK(digits->rows.size() == tokens * Pocket::Text::hidden);
}

TEST_CASE("what messages bring along is what a file would be") {
    const Files files(pocket(), folder, serial, {.folder = folder + "/samples"});
    const auto base64 = [](const std::string& name) {
        const std::string bytes = test::read_text(folder + "/samples/" + name);
        constexpr std::string_view letters =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        std::string text;
        std::uint32_t bits = 0, have = 0;
        for (const char c : bytes) {
            bits = bits << 8 | static_cast<unsigned char>(c);
            for (have += 8; have >= 6; have -= 6) text += letters[bits >> (have - 6) & 63];
        }
        if (have > 0) text += letters[bits << (6 - have) & 63];
        while (text.size() % 4 != 0) text += '=';
        return text;
    };
    const Files strangers(pocket(), folder, serial,
                          {.folder = folder + "/samples", .files = false});
    CHECK(fault(strangers, R"({"type": "image", "path": "shapes.png"})") ==
          "messages[0].content[0]: shapes.png: no files are read here, only data in base64");
    for (const auto& [type, name] :
         {std::pair("image", "shapes.png"), std::pair("audio", "digits.wav")}) {
        const std::string head = R"({"type": ")" + std::string(type) + R"(", )", tail = R"("})";
        const auto file = read(files, head + R"("path": ")" + name + tail);
        const auto data = read(files, head + R"("url": "data:x/y;base64,)" + base64(name) + tail);
        const auto alone = read(strangers, head + R"("base64": ")" + base64(name) + tail);
        REQUIRE(file);
        REQUIRE_MESSAGE(data, data.error().text);
        REQUIRE_MESSAGE(alone, alone.error().text);
        CHECK(data->rows == file->rows);
        CHECK(alone->rows == file->rows);
        CHECK(data->text.text == file->text.text);
    }
}

TEST_CASE("a chat sees what its messages name") {
    const Files files(pocket(), folder, serial);
    auto chat = Chat<Pocket>::open(pocket(), folder, serial,
                                   {.session = files.session_options({.context_tokens = 512})});
    REQUIRE_MESSAGE(chat, chat.error().text);
    chat->set_media_reader(files);
    chat->user({image_part(folder + "/samples/shapes.png"), text_part("Describe the image.")});
    const auto turn = chat->answer();
    REQUIRE_MESSAGE(turn, turn.error().text);
    CHECK(turn->reply.content == "A red circle to the left of a blue square.");
}

TEST_CASE("a part's own settings come before the host's, and these before the model's") {
    const auto soft_tokens = [](const Files& files, const std::string& own) {
        const auto medium = read(
            files, R"({"type": "image", "path": "examples/pocket/samples/cat.png")" + own + "}");
        REQUIRE_MESSAGE(medium, medium.error().text);
        return medium->rows.size() / Pocket::Text::hidden;
    };
    const std::string root = CARAT_SOURCE_DIR;
    const Files models(pocket(), folder, serial, {.folder = root});
    const Files hosts(pocket(), folder, serial, {.folder = root, .max_soft_tokens = 140});
    const std::size_t own = soft_tokens(hosts, R"(, "max_soft_tokens": 280)");
    const std::size_t host = soft_tokens(hosts, "");
    CHECK(soft_tokens(models, "") <= 70);
    CHECK(host > 70);
    CHECK(host <= 140);
    CHECK(own > 140);
    CHECK(own <= 280);

    // A part that says how many frames are taken of it is sampled, also where the model's are not.
    const test::Folder settings("all_frames");
    test::write_text(settings / "processor_config.json",
                     R"({"video_processor": {"do_sample_frames": false}})");
    const Files whole(pocket(), settings.path(), serial,
                      {.folder = root + "/examples/pocket/samples"});
    for (const auto& [part, frames] :
         {std::pair(R"({"type": "video", "path": "ring"})", 4),
          std::pair(R"({"type": "video", "path": "ring", "num_frames": 2})", 2),
          std::pair(R"({"type": "video", "path": "ring", "sample_fps": 12})", 2)}) {
        const auto medium = read(whole, part);
        REQUIRE_MESSAGE(medium, medium.error().text);
        CHECK(std::ranges::count(medium->text.text, ':') == frames);
    }
}

/// A model in which the soft tokens of a picture see each other.
struct SeesWhole {
    struct Session {
        static constexpr std::size_t least_chunk(std::size_t soft_tokens) { return soft_tokens; }
    };
};

TEST_CASE("a session has room for the pictures that it reads whole") {
    const SeesWhole model;
    const MediaFiles<SeesWhole> models(model, folder, serial);
    const MediaFiles<SeesWhole> hosts(model, folder, serial, {.max_soft_tokens = 140});
    const SessionOptions few{.chunk_tokens = 1};
    CHECK(models.session_options(few).chunk_tokens == 70);
    CHECK(hosts.session_options(few).chunk_tokens == 140);
    const Message message(R"({"type": "image", "path": "x.png", "max_soft_tokens": 1120})");
    CHECK(hosts.session_options(few, message.parts).chunk_tokens == 1120);
    const Message odd(R"({"type": "image", "path": "x.png", "max_soft_tokens": 4294967366})");
    CHECK(hosts.session_options(few, odd.parts).chunk_tokens == 140);
    CHECK(hosts.session_options({.context_tokens = 77, .chunk_tokens = 9999}).chunk_tokens == 9999);
    CHECK(hosts.session_options({.context_tokens = 77}).context_tokens == 77);
}

TEST_CASE("what cannot be read is an error that says which part it was") {
    const Files files(pocket(), folder, serial, {.folder = folder});
    const std::string where = "messages[0].content[0]: ";
    CHECK(fault(files, R"({"type": "image"})") == where + "an image part without a path");
    CHECK(fault(files, R"({"type": "audio"})") == where + "an audio part without a path");
    CHECK(fault(files, R"({"type": "video"})") == where + "a video part without a path");
    for (const char* kind : {"image", "audio", "video"}) {
        const std::string type = R"({"type": ")" + std::string(kind) + R"(", "url": ")";
        CHECK(fault(files, type + R"(https://example.com/x"})") ==
              where + "https://example.com/x: only files and data can be read, no other address");
        CHECK(fault(files, type + R"(data:text/plain,hello"})") ==
              where + "data:text/plain,hello: only data in base64 can be read");
        CHECK(fault(files, type + R"(data:;base64,AA*A"})") ==
              where + "data:;base64,AA*A: no base64 at character 2 of 4");
        CHECK(fault(files, type + R"(data:;base64,AAAA"})")
                  .starts_with(where + "data:;base64,AAAA: "));
        CHECK(fault(files, type + R"(nowhere"})").starts_with(where + folder + "/nowhere: "));
        CHECK(fault(files, type + R"(config.json"})").starts_with(where + folder + "/config.json"));
    }
    // A JPEG begins like a path.
    const std::string jpeg = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcG";
    CHECK(fault(files, R"({"type": "image", "base64": ")" + jpeg + R"(BQgHBwcJ"})")
              .starts_with(where + jpeg + ": "));
    CHECK(fault(files, R"({"type": "video", "base64": "AAAA"})") ==
          where + "AAAA: a video must be a file");
    CHECK(fault(files, R"({"type": "image", "path": "x", "max_soft_tokens": 4294967366})") ==
          where + "max_soft_tokens must be 70, 140, 280, 560 or 1120");
    CHECK(fault(files, R"({"type": "image", "path": "x", "max_soft_tokens": 100})") ==
          where + "max_soft_tokens must be 70, 140, 280, 560 or 1120");
    CHECK(fault(files, R"({"type": "video", "path": "x", "fps": 0})") ==
          where + "fps must be a number above 0");
    CHECK(fault(files, R"({"type": "video", "path": "x", "num_frames": 0})") ==
          where + "num_frames must be a whole number above 0");
    CHECK(fault(files, R"({"type": "video", "path": "x", "sample_fps": -2})") ==
          where + "sample_fps must be a number above 0");
    CHECK(fault(files, R"({"type": "video", "path": "x", "num_frames": 2, "sample_fps": 2})") ==
          where + "num_frames and sample_fps exclude each other");

    const Files odd(pocket(), folder, serial, {.folder = folder, .max_soft_tokens = 71});
    CHECK(fault(odd, R"({"type": "image", "path": "samples/cat.png"})") ==
          "max_soft_tokens of an image is 71, expected 70, 140, 280, 560 or 1120");
    CHECK(read(odd, R"({"type": "audio", "path": "samples/digits.wav"})"));

    const Message message(R"({"type": "image", "path": "samples/cat.png"})");
    const auto stop = [](std::size_t, std::size_t) { return false; };
    const auto cancelled = files(message.parts[0], stop);
    REQUIRE(!cancelled);
    CHECK(cancelled.error().code == Errc::cancelled);
}

TEST_CASE("a processor_config.json that is none is said when a picture or a sound is read") {
    const test::Folder scratch("media_files");
    const std::string broken = scratch.path();
    test::write_text(scratch / "processor_config.json", "{");
    const Files files(pocket(), broken, serial, {.folder = folder});
    CHECK(fault(files, R"({"type": "image", "path": "samples/cat.png"})")
              .starts_with(broken + "/processor_config.json"));
    CHECK(fault(files, R"({"type": "audio", "path": "samples/digits.wav"})")
              .starts_with(broken + "/processor_config.json"));

    // Each is as the other is not: of a file whose feature_extractor alone is wrong, pictures are
    // read.
    test::write_text(scratch / "processor_config.json",
                     R"({"feature_extractor": {"hop_length": 0}})");
    const Files half(pocket(), broken, serial, {.folder = folder});
    CHECK(read(half, R"({"type": "image", "path": "samples/cat.png"})"));
    CHECK(!read(half, R"({"type": "audio", "path": "samples/digits.wav"})"));

    // None at all: what all published ones say.
    CHECK(*picture_config(broken + "/none") == VisionProcessorConfig{});
    CHECK(*mel_config(broken + "/none") == MelConfig{});
}

TEST_CASE("older folders have the settings of pictures and of videos in files of their own") {
    const test::Folder older("older");
    test::write_text(older / "preprocessor_config.json", R"({"max_soft_tokens": 560})");
    CHECK(*picture_config(older.path()) ==
          VisionProcessorConfig{.image = {.max_soft_tokens = 560}, .video = {}});
    test::write_text(older / "video_preprocessor_config.json", R"({"num_frames": 16})");
    const auto both = picture_config(older.path());
    REQUIRE(both);
    CHECK(both->image.max_soft_tokens == 560);
    CHECK(both->video.num_frames == 16);
    // The newer file comes first, where it says something of them.
    test::write_text(older / "processor_config.json",
                     R"({"image_processor": {"max_soft_tokens": 140}})");
    const auto all = picture_config(older.path());
    REQUIRE(all);
    CHECK(all->image.max_soft_tokens == 140);
    CHECK(all->video.num_frames == 16);

    test::write_text(older / "video_preprocessor_config.json", R"({"num_frames": 0})");
    CHECK(picture_config(older.path()).error().text ==
          (older / "video_preprocessor_config.json") +
              ": num_frames must be a whole number from 1 to 100000");
    test::write_text(older / "video_preprocessor_config.json", "[");
    CHECK(picture_config(older.path())
              .error()
              .text.starts_with(older / "video_preprocessor_config.json"));
    // What does not count is not looked at.
    test::write_text(older / "processor_config.json",
                     R"({"image_processor": {}, "video_processor": {"num_frames": 4}})");
    CHECK(picture_config(older.path())->video.num_frames == 4);
}

TEST_CASE("of a video some frames are taken, and no more than memory is given for") {
    const Message message(R"({"type": "video", "path": "frames"})");
    const test::Folder many("many_frames");
    std::filesystem::create_directory(many / "frames");
    for (int i = 0; i < 9; ++i)
        std::filesystem::copy_file(folder + "/samples/globe.png",
                                   many / ("frames/" + std::to_string(i) + ".png"));
    const auto sight = [&](const VideoConfig& video) {
        const auto read = read_sight(message.parts[0], many.path(), {.image = {}, .video = video});
        return read ? std::to_string(read->frames.size()) : read.error().text;
    };
    const std::string frames = "messages[0].content[0]: " + (many / "frames: ");
    CHECK(sight({}) == "9");
    CHECK(sight({.num_frames = 0}) == frames + "no frame of it is taken");
    // Each of up to 2^24 pixels, an eighth of what is allowed.
    VideoConfig large{.frame = {.pooling_kernel_size = 4, .max_soft_tokens = 4096}};
    large.frame.do_resize = false;
    CHECK(sight(large) == frames +
                              "more than 8 frames of up to 4096 soft tokens: take fewer, with "
                              "num_frames or sample_fps");
    large.num_frames = 8;
    CHECK(sight(large) == "8");
}

static_assert(!std::is_constructible_v<Files, Pocket, std::string, Serial&>,
              "the model must outlive what reads for it");
