#include "carat/media/video/video.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/format/json.hpp"
#include "carat/media/audio/audio_file.hpp"
#include "carat/media/image/patches.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <span>
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
        FrameTimes video;
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
    // Beyond 2^24 a float has no odd numbers; 16777219 would become 16777220, past the end.
    const std::size_t many = 16'777'220;
    const auto whole = sampled_frames(many, {.do_sample_frames = false});
    REQUIRE(whole.size() == many);
    CHECK(whole[16'777'217] == 16'777'217);
    CHECK(whole.back() == many - 1);
    for (const std::size_t total : {many, 4 * many - 1}) {
        const auto some = sampled_frames(total, {});
        CHECK(some.size() == 32);
        CHECK(some.back() < total);
    }
    const FrameTimes late{{3725}, 1};
    CHECK(late.timestamp(0) == "62:05");
    const FrameTimes tenth{{619}, 10};
    CHECK(tenth.timestamp(0) == "01:01");
    const FrameTimes slow{{0, 5}, 1e-300};
    CHECK(slow.timestamp(0) == "00:00");
    CHECK(slow.timestamp(1) == "16666666:40");
}

TEST_CASE("so many frames of a second are taken where fps says so") {
    using Frames = std::vector<std::size_t>;
    // trunc(100 / 30 · 2) = 6 frames, 100 / 6 apart.
    CHECK(sampled_frames(100, {.fps = 2}, 30) == Frames{0, 16, 33, 50, 66, 83});
    CHECK(sampled_frames(720, {.fps = 2}).size() == 60);
    CHECK(sampled_frames(100, {.fps = 0.001}, 30) == Frames{0});  // no clip is empty
    CHECK(sampled_frames(5, {.fps = 31}, 30) == Frames{0, 1, 2, 3, 4});
    CHECK(sampled_frames(5, {.fps = 2, .do_sample_frames = false}, 30).size() == 5);
    CHECK(sampled_frames(1000, {.fps = 1e300}, 1e-300).size() == 1000);

    const auto read = [](const char* text) { return read_vision_processor_config(text, "p.json"); };
    const auto null = read(R"({"video_processor": {"num_frames": null, "fps": 2.5}})");
    REQUIRE(null);
    CHECK(null->video.fps == 2.5);
    // As in the reference, whose num_frames has a default that wins.
    CHECK(read(R"({"video_processor": {"fps": 2}})")->video.fps == 0);
    CHECK(read(R"({"video_processor": {"num_frames": 8, "fps": 2}})")->video.fps == 0);
    for (const char* fps : {"0", "-1", "1e7", "\"2\""}) {
        const auto wrong =
            read((R"({"video_processor": {"num_frames": null, "fps": )" + std::string(fps) + "}}")
                     .c_str());
        REQUIRE(!wrong);
        CHECK(wrong.error().text == "p.json: video_processor.fps must be a number above 0");
    }
}

TEST_CASE("a frame of another size than the first is refused") {
    detail::FrameSize size;
    CHECK(size.check(Image(160, 90), "x"));
    CHECK(size.check(Image(160, 90), "x"));
    for (const auto& [frame, said] :
         {std::pair(Image(90, 160), "90 by 160"), std::pair(Image(160, 91), "160 by 91")}) {
        const auto refused = size.check(frame, "x");
        REQUIRE(!refused);
        CHECK(refused.error().code == Errc::mismatch);
        CHECK(refused.error().text ==
              "x: the frame is " + std::string(said) + " pixels, the first is 160 by 90");
    }
}

TEST_CASE("a folder's frames come in the order of their numbers") {
    const auto before = detail::in_natural_order;
    CHECK(before("frame9.png", "frame10.png"));
    CHECK_FALSE(before("frame10.png", "frame9.png"));
    CHECK(before("a.png", "b.png"));
    CHECK(before("00.png", "01.png"));
    CHECK_FALSE(before("01.png", "01.png"));
    for (const char* locale : {"C", "tr_TR.UTF-8", "tr_TR.ISO-8859-9"}) {
        if (std::setlocale(LC_CTYPE, locale) == nullptr) continue;  // not on this machine
        CHECK(detail::names_picture("A.GIF"));
        CHECK(detail::names_picture("a.jpeg"));
        CHECK_FALSE(detail::names_picture("a.txt"));
    }
    std::setlocale(LC_CTYPE, "C");
    const auto clip = read_video(CARAT_SOURCE_DIR "/examples/pocket/samples/circle", 2, {});
    REQUIRE(clip);
    CHECK(clip->frames.size() == 6);
    CHECK(clip->times.timestamp(5) == "00:02");
    std::size_t calls = 0;
    const auto stopped = read_video(CARAT_SOURCE_DIR "/examples/pocket/samples/circle", 2, {}, {},
                                    [&](std::size_t, std::size_t) { return ++calls < 3; });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == Errc::cancelled);
}

TEST_CASE("video files give the frames they were made of" * doctest::skip(!reads_video_files)) {
    const std::string clips = CARAT_SOURCE_DIR "/tests/media/clips/";
    const auto frames = read_video(CARAT_SOURCE_DIR "/examples/pocket/samples/circle", 2, {});
    REQUIRE(frames);
    for (const std::string name : {"circle.mp4", "circle_vp8.webm", "circle_vp9.webm"}) {
        CAPTURE(name);
        const auto clip = read_video(clips + name, 0, {});
        if (!clip) FAIL(clip.error().text);
        CHECK(clip->times.fps == 2);
        CHECK(clip->times.indices == frames->times.indices);
        REQUIRE(clip->frames.size() == frames->frames.size());
        for (std::size_t i = 0; i < clip->frames.size(); ++i) {
            const Image &a = clip->frames[i], &b = frames->frames[i];
            REQUIRE(a.rgb.size() == b.rgb.size());
            double sum = 0;
            for (std::size_t j = 0; j < a.rgb.size(); ++j) sum += std::abs(a.rgb[j] - b.rgb[j]);
            CHECK(sum / static_cast<double>(a.rgb.size()) < 3);  // half the colour, and rounding
        }
    }
    const auto some = read_video(clips + "circle.mp4", 0, {.num_frames = 3});
    REQUIRE(some);
    CHECK(some->times.indices == std::vector<std::size_t>{0, 2, 4});
    CHECK(some->frames[2] == read_video(clips + "circle.mp4", 0, {})->frames[4]);
    CHECK(some->times.timestamp(2) == "00:02");
    CHECK(read_video(clips + "circle.mp4", 4, {})->times.fps == 4);
    const auto turned = read_video(clips + "turned.mp4", 0, {});
    REQUIRE(turned);
    const Image &up = turned->frames[0], &across = frames->frames[0];
    double sum = 0;  // a quarter turn to the left
    for (std::size_t y = 0; y < 160; ++y)
        for (std::size_t x = 0; x < 160; ++x)
            for (std::size_t c = 0; c < 3; ++c)
                sum += std::abs(up.at(y, 159 - x)[c] - across.at(x, y)[c]);
    CHECK(sum / (3 * 160 * 160) < 3);
    std::size_t calls = 0;
    const auto stopped = read_video(clips + "circle.mp4", 0, {}, {},
                                    [&](std::size_t, std::size_t) { return ++calls < 3; });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == Errc::cancelled);
    for (const std::string name : {"circle.mp4", "circle_vp8.webm"}) {  // while they are counted
        calls = 0;
        const auto counting =
            read_video(clips + name, 0, {}, {}, [&](std::size_t, std::size_t all) {
                ++calls;
                return all > 1;
            });
        REQUIRE_FALSE(counting);
        CHECK(counting.error().text == clips + name + ": cancelled");
        CHECK(calls == 1);
    }
}

TEST_CASE("video files hide nothing and cost nothing that was not asked for" *
          doctest::skip(!reads_video_files)) {
    const std::string clips = CARAT_SOURCE_DIR "/tests/media/clips/";
    const auto bytes = read_media_file(clips + "circle.mp4");
    REQUIRE(bytes);
    const std::string path = "carat_cut_clip.bin";
    const auto text = [&](std::span<const std::uint8_t> some, ImageLimits limits = {}) {
        std::FILE* file = std::fopen(path.c_str(), "wb");
        REQUIRE(file != nullptr);
        REQUIRE(std::fwrite(some.data(), 1, some.size(), file) == some.size());
        std::fclose(file);
        const auto clip = read_video(path, 0, {}, limits);
        std::remove(path.c_str());
        return clip ? std::string() : clip.error().text;
    };
    const std::span<const std::uint8_t> all = *bytes;
    CHECK(text(all).empty());
    for (std::size_t n = 1; n < all.size(); n += 997) {
        CAPTURE(n);
        CHECK(text(all.first(n)).find(path + ": ") == 0);
        CHECK(text(all.first(n)).find('\n') == std::string::npos);
    }
    CHECK(text(all, {.max_pixels = 1000}) ==
          path + ": 160 by 160 pixels, expected at most 1000 in all");
    std::size_t calls = 0;  // before a frame is decoded
    const auto large = read_video(clips + "circle.mp4", 0, {}, {.max_pixels = 1000},
                                  [&](std::size_t, std::size_t) { return ++calls > 0; });
    CHECK(large.error().code == Errc::out_of_range);
    CHECK(calls == 0);
    // Of VP9 FFmpeg decodes a frame to know what it is; this one says that it is 8000 by 8000.
    auto vp9 = read_media_file(clips + "circle_vp9.webm");
    REQUIRE(vp9);
    const std::uint8_t sync[] = {0x49, 0x83, 0x42};
    const auto at = std::search(vp9->begin(), vp9->end(), std::begin(sync), std::end(sync));
    REQUIRE(vp9->end() - at > 8);
    for (std::size_t bit = 0; bit < 32; ++bit) {  // width - 1 and height - 1, from bit 28 on
        std::uint8_t& byte = at[static_cast<std::ptrdiff_t>((28 + bit) / 8)];
        const unsigned mask = 0x80u >> (28 + bit) % 8, one = 7999u >> (15 - bit % 16) & 1u;
        byte = static_cast<std::uint8_t>(one != 0 ? byte | mask : byte & ~mask);
    }
    const std::string small = text(*vp9, {.max_pixels = 30'000});
    CHECK(small.starts_with(path + ": is broken"));  // not found to be 8000 by 8000 by decoding it
    // A list of other files is no video, whatever they are.
    const std::string list = "ffconcat version 1.0\nfile '" + clips + "circle.mp4'\n";
    CHECK(text({reinterpret_cast<const std::uint8_t*>(list.data()), list.size()}).find(path) == 0);
    const std::string playlist = "#EXTM3U\n#EXTINF:3,\n" + clips + "circle.mp4\n#EXT-X-ENDLIST\n";
    CHECK(text({reinterpret_cast<const std::uint8_t*>(playlist.data()), playlist.size()})
              .find(path) == 0);
    CHECK(read_sound_track(clips + "turned.mp4").error().text ==
          clips + "turned.mp4: has no sound");
}

#if defined(CARAT_FFMPEG)
TEST_CASE("a host finds FFmpeg as talkative as it was, whoever of two is done first") {
    const auto av = detail::Ffmpeg::load();
    REQUIRE(av);
    const int level = (*av)->av_log_get_level();
    REQUIRE(level != AV_LOG_QUIET);
    std::optional<detail::QuietFfmpeg> one(std::in_place, **av), two(std::in_place, **av);
    one.reset();
    CHECK((*av)->av_log_get_level() == AV_LOG_QUIET);
    two.reset();
    CHECK((*av)->av_log_get_level() == level);
}
#endif

TEST_CASE("a video's sound track is sound" * doctest::skip(!reads_video_files)) {
    const auto track = read_audio_file(CARAT_SOURCE_DIR "/tests/media/clips/circle.mp4");
    const auto sound = read_audio_file(CARAT_SOURCE_DIR "/examples/pocket/samples/sentence.wav");
    REQUIRE(track);
    REQUIRE(sound);
    CHECK(track->sample_rate_hz == 16000);
    CHECK(track->seconds() == doctest::Approx(sound->seconds()).epsilon(0.2));
    const auto energy = [](const Waveform& w) {
        double sum = 0;
        for (const float x : w.samples) sum += static_cast<double>(x) * static_cast<double>(x);
        return sum;
    };
    CHECK(energy(*track) == doctest::Approx(energy(*sound)).epsilon(0.1));
}

TEST_CASE("a frame's name may be no line") {
    const test::Folder folder("media");
    const auto text = [&] { return read_video(folder.path(), 0, {}).error().text; };
    const std::string samples = CARAT_SOURCE_DIR "/examples/pocket/samples/";
    const std::string frame = folder / "a\n\x1b[2J.png", shown = folder / "a\\x0a\\x1b[2J.png";
    test::write_text(frame, "no picture");
    CHECK(text() == shown + ": no picture, expected PNG, JPEG, GIF, WebP or BMP");
    test::write_text(folder / "0.png", test::read_text(samples + "cat.png"));
    test::write_text(frame, test::read_text(samples + "circle/00.png"));
    CHECK(text() == shown + ": the frame is 160 by 160 pixels, the first is 256 by 256");
}

TEST_CASE("what is no video is one clear line") {
    const auto text = [](const std::string& path) {
        const auto r = read_video(CARAT_SOURCE_DIR + path, 0, {});
        return r ? std::string() : r.error().text.substr(sizeof(CARAT_SOURCE_DIR) - 1);
    };
    CHECK(text("/README.md")
              .find(reads_video_files ? "/README.md: no video that can be read: "
                                      : "/README.md: this build has no FFmpeg") == 0);
    CHECK(text("/examples/pocket/samples/cat.png") ==
          "/examples/pocket/samples/cat.png: a picture, expected a video: a file, a folder of "
          "frames or an animated GIF");
    CHECK(text("/cmake") == "/cmake: no frames, expected pictures in a folder");
    CHECK(text("/nothing") == "/nothing: cannot open: No such file or directory");
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
    CHECK(wrong(R"({"image_processor": {"do_normalize": true, "image_std": [0.5]}})") ==
          "p.json: image_processor.image_std must change nothing");
    CHECK(wrong(R"({"image_processor": {"do_normalize": true, "image_mean": 0.5}})") ==
          "p.json: image_processor.image_mean must change nothing");
    CHECK(wrong(R"({"video_processor": {"image_mean": [0.5, 0.5, 0.5]}})") ==
          "p.json: video_processor.image_mean must change nothing");
    CHECK(wrong(R"({"image_processor": {"do_normalize": 1}})") ==
          "p.json: image_processor.do_normalize is an integer, expected true or false");
    // Images are not normalized, and videos are, unless the file says otherwise.
    CHECK(read(R"({"image_processor": {"do_normalize": false, "image_mean": [0.5, 0.5, 0.5]}})"));
    CHECK(read(R"({"image_processor": {"image_std": [0.5, 0.5, 0.5]}})"));
    CHECK(read(R"({"video_processor": {"do_normalize": false, "image_std": 0.5}})"));
    CHECK(read(R"({"image_processor": {"image_mean": 0, "rescale_factor": 0.00392156862745098}})"));
    CHECK(wrong(R"({"video_processor": {"rescale_factor": 1}})") ==
          "p.json: video_processor.rescale_factor must be 1 / 255");
    CHECK(wrong(R"({"video_processor": {"resample": 2}})") ==
          "p.json: video_processor.resample must be 3, bicubic");
    // Each within its bounds, but not together.
    CHECK(wrong(R"({"image_processor": {"patch_size": 256, "pooling_kernel_size": 64}})") ==
          "p.json: image_processor.max_soft_tokens is 280 with patch_size 256 and "
          "pooling_kernel_size 64: pictures of max_soft_tokens · (patch_size · "
          "pooling_kernel_size)² pixels, expected 1 to 16777216");
    CHECK(wrong(R"({"video_processor": {"num_frames": 1000}})") ==
          "p.json: video_processor.num_frames is 1000, each of up to 161280 pixels, expected at "
          "most 134217728 in all");
    CHECK(read(R"({"video_processor": {"num_frames": 800}})"));
    CHECK(read(R"({"image_processor": {"patch_size": 40, "max_soft_tokens": 1120}})"));
}
