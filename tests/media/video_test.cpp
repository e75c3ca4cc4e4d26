#include "carat/media/video.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/json.hpp"
#include "carat/media/patches.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace carat;

TEST_CASE("frames and times of the fixtures' clips") {
    const auto map = MappedFile::open(CARAT_SOURCE_DIR "/tests/fixtures/hf/processor/video.json");
    REQUIRE(map);
    const auto json = parse_json(map->text(), "video.json");
    REQUIRE(json);
    std::size_t checked = 0;
    for (const auto& entry : json::members(&*json)) {
        const std::string name(json::key(entry));
        const JsonValue* indices = json::find(entry.value, "indices");
        if (indices == nullptr || indices->IsNull()) continue;
        CAPTURE(name);
        VideoConfig config;
        if (name.find("num_frames_8") != std::string::npos) config.num_frames = 8;
        Video video;
        video.fps = json::number(json::find(entry.value, "fps")).value();
        video.indices = sampled_frames(json::find(entry.value, "frames")->GetUint(), config);
        REQUIRE(video.indices.size() == json::elements(indices).size());
        for (std::size_t i = 0; i < video.indices.size(); ++i) {
            CHECK(video.indices[i] == json::elements(indices)[i].GetUint());
            CHECK(video.timestamp(i) ==
                  json::string(json::elements(json::find(entry.value, "timestamps"))[i]));
        }
        ++checked;
    }
    CHECK(checked >= 15);
}

TEST_CASE("a clip that is shorter than the budget is used whole") {
    CHECK(sampled_frames(3, {}) == std::vector<std::size_t>{0, 1, 2});
    CHECK(sampled_frames(40, {.do_sample_frames = false}).size() == 40);
    Video late{{}, {3725}, 1};
    CHECK(late.timestamp(0) == "62:05");
    Video tenth{{}, {619}, 10};
    CHECK(tenth.timestamp(0) == "01:01");
}

TEST_CASE("a folder's frames come in the order of their numbers") {
    const auto before = detail::in_natural_order;
    CHECK(before("frame9.png", "frame10.png"));
    CHECK_FALSE(before("frame10.png", "frame9.png"));
    CHECK(before("a.png", "b.png"));
    CHECK(before("00.png", "01.png"));
    CHECK_FALSE(before("01.png", "01.png"));
    const auto clip = read_video(CARAT_SOURCE_DIR "/examples/pocket/samples/circle", 2, {});
    REQUIRE(clip);
    CHECK(clip->frames.size() == 6);
    CHECK(clip->timestamp(5) == "00:02");
    std::size_t calls = 0;
    const auto stopped = read_video(CARAT_SOURCE_DIR "/examples/pocket/samples/circle", 2, {}, {},
                                    [&](std::size_t, std::size_t) { return ++calls < 3; });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == Errc::cancelled);
}

TEST_CASE("what is no video is one clear line") {
    const auto text = [](const std::string& path) {
        const auto r = read_video(std::string(CARAT_SOURCE_DIR) + path, 0, {});
        return r ? std::string() : r.error().text.substr(std::string(CARAT_SOURCE_DIR).size());
    };
    CHECK(text("/README.md") ==
          "/README.md: no video, expected a folder of frames or an animated GIF");
    CHECK(text("/cmake") == "/cmake: no frames, expected pictures in a folder");
    CHECK(text("/nothing") == "/nothing: No such file or directory");
}

TEST_CASE("settings come from processor_config.json") {
    const auto read = [](const std::string& text) {
        return read_vision_processor_config(text, "p.json");
    };
    const auto plain = read("{}");
    REQUIRE(plain);
    CHECK(*plain == VisionProcessorConfig{});
    const auto some = read(R"({"image_processor": {"max_soft_tokens": 560, "image_mean": [0, 0, 0]},
                               "video_processor": {"num_frames": 8, "max_soft_tokens": 140}})");
    REQUIRE(some);
    CHECK(some->image.max_soft_tokens == 560);
    CHECK(some->video.num_frames == 8);
    CHECK(some->video.frame.max_patches() == 1260);
    const auto wrong = [&](const std::string& text) { return read(text).error().text; };
    CHECK(wrong(R"({"image_processor": {"max_soft_tokens": 100}})") ==
          "p.json: image_processor.max_soft_tokens is 100, expected 70, 140, 280, 560 or 1120");
    CHECK(wrong(R"({"image_processor": {"image_std": [0.5]}})") ==
          "p.json: image_processor.image_std must change nothing");
    CHECK(wrong(R"({"video_processor": {"resample": 2}})") ==
          "p.json: video_processor.resample must be 3, bicubic");
}
