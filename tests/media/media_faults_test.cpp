// The system refuses while pictures, sounds and videos are read: an error value each time.
#include "carat/media/audio/audio_file.hpp"
#include "carat/media/audio/mel.hpp"
#include "carat/media/audio/mel_config.hpp"
#include "carat/media/audio/resampler.hpp"
#include "carat/media/audio/sound_file.hpp"
#include "carat/media/audio/waveform.hpp"
#include "carat/media/image/decode_image.hpp"
#include "carat/media/image/gif.hpp"
#include "carat/media/image/patches.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/media/image/resize.hpp"
#include "carat/media/media_file.hpp"
#include "carat/media/video/video.hpp"
#include "encoders.hpp"
#include "pictures.hpp"
#include "support/faults.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <new>
#include <sndfile.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

#if defined(__unix__) && !defined(__EMSCRIPTEN__)
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace carat::test {
namespace {

const std::string samples = pocket + "samples/";

/// A picture of 40 by 30 in every format, in a folder, by the name of its format.
struct Pictures {
    Folder folder{"media"};
    std::vector<std::string> paths;
    Pictures() {
        const Image image = [] {
            Image made(40, 30);
            for (std::size_t i = 0; i < made.rgb.size(); ++i)
                made.rgb[i] = static_cast<std::uint8_t>(i * 7 % 251);
            return made;
        }();
        const std::vector<std::uint8_t> indices(40 * 30, 1);
        add("png", encode_png(40, 30, PNG_FORMAT_RGB, image.rgb.data()));
        add("jpeg", encode_jpeg(image));
        add("webp", encode_webp(image));
        add("gif", encode_gif(40, 30, {indices, indices, indices}, 4, 10));
        add("bmp", encode_bmp(image));
    }
    void add(const std::string& name, const Buffer& bytes) {
        paths.push_back(folder / name);
        write_text(paths.back(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
};
/// Sound files of every reader: WAV and FLAC through libsndfile, MP3 through libmpg123.
struct Sounds {
    Folder folder{"media"};
    std::vector<std::string> paths{samples + "digits.wav"};
    Sounds() {
        for (const auto& [name, format] :
             {std::pair{"x.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
              std::pair{"x.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}}) {
            SF_INFO info{};
            info.samplerate = 16000;
            info.channels = 1;
            info.format = format;
            const std::string path = folder / name;
            SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
            if (file == nullptr) continue;  // a library without MP3
            std::vector<float> x(40000);
            for (std::size_t i = 0; i < x.size(); ++i)
                x[i] = 0.4f * static_cast<float>(i * 37 % 101) / 101.0f;
            sf_writef_float(file, x.data(), static_cast<sf_count_t>(x.size()));
            sf_close(file);
            paths.push_back(path);
        }
    }
};
const VideoConfig how{};

template <class Read>
void check_io(Read&& read, const std::string& path) {
    CAPTURE(path);
    const auto result = read(path);
    REQUIRE_FALSE(result);
    CAPTURE(result.error().text);
    CHECK(result.error().code == Errc::io);
    CHECK(result.error().text.starts_with(path + ": "));
    CHECK(result.error().text.find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("a medium that cannot be opened or read is an error of the system") {
    const auto picture = [](const std::string& path) { return read_image(path); };
    const auto sound = [](const std::string& path) { return read_audio_file(path); };
    const auto video = [](const std::string& path) { return read_video(path, 0, how); };
    const Folder folder("media");
    write_text(folder / "file", "file");
    for (const std::string name : {"none", "none/x", "file/x"}) {
        check_io(picture, folder / name);
        check_io(sound, folder / name);
        check_io(video, folder / name);
    }
    check_io(picture, folder.path());  // opens, but does not read
    check_io(sound, folder.path());
#if defined(__linux__)
    check_io(picture, "/proc/self/mem");  // reading its first byte is an error
    check_io(sound, "/proc/self/mem");
    check_io(video, "/proc/self/mem");
#endif
}

TEST_CASE("a medium that ends too early is an error, wherever it ends") {
    const Pictures pictures;
    for (const std::string& path : pictures.paths) {
        CAPTURE(path);
        const std::string whole = read_text(path);
        for (std::size_t eighth = 1; eighth < 7; ++eighth) {
            write_text(path, whole.substr(0, whole.size() * eighth / 8));
            const auto image = read_image(path);
            // The first frame of an animation may be whole.
            CHECK((!image || path.ends_with("gif")));
            if (path.ends_with("gif")) CHECK_FALSE(read_video(path, 0, how));
            if (!image) CHECK(image.error().text.starts_with(path + ": "));
        }
        write_text(path, whole);
        CHECK(read_image(path));
    }
    const Folder folder("media");
    const Sounds sounds;
    for (const std::string& from : sounds.paths) {
        if (from.ends_with("wav")) continue;  // is as long as its file is, as streams are
        CAPTURE(from);
        const std::string whole = read_text(from), path = folder / "cut";
        for (std::size_t eighth = 1; eighth < 8; ++eighth) {
            write_text(path, whole.substr(0, whole.size() * eighth / 8));
            const auto sound = read_audio_file(path);
            if (from.ends_with("mp3")) {  // frames are whole by themselves
                if (!sound) CHECK(sound.error().text.starts_with(path + ": "));
                continue;
            }
            REQUIRE_FALSE(sound);
            CHECK(sound.error().text.starts_with(path + ": "));
        }
        write_text(path, whole);
        CHECK(read_audio_file(path));
    }
}

TEST_CASE("a sound file that is shortened while it is read is an error") {
    const Folder folder("media");
    const std::string path = folder / "x.wav";
    std::filesystem::copy(samples + "digits.wav", path);
    SF_INFO info{};
    detail::SoundFile file(sf_open(path.c_str(), SFM_READ, &info));
    REQUIRE(file);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    const auto sound = detail::decode(std::move(file), info, path, {});
    REQUIRE_FALSE(sound);
    CHECK(sound.error().code == Errc::bad_format);
    CHECK(contains(sound.error().text, " samples, expected " + std::to_string(info.frames)));
}

#if defined(__cpp_exceptions)
/// A folder of frames, an animation, and a video file where there are any.
std::vector<std::string> videos(const Pictures& pictures) {
    std::vector<std::string> all{samples + "circle", pictures.folder / "gif"};
    if (reads_video_files) all.push_back(CARAT_SOURCE_DIR "/tests/media/clips/circle.mp4");
    return all;
}

TEST_CASE("whichever allocation fails, reading a medium is an error and no exception") {
    const Pictures pictures;
    for (const std::string& path : pictures.paths) {
        CAPTURE(path);
        CHECK(fail_until_good([&] { return read_image(path); }) > 0);
        const auto bytes = read_media_file(path);
        REQUIRE(bytes);
        CHECK(fail_until_good([&] { return decode_image(*bytes, path); }) > 0);
        // A file that is cut off: the words of the C libraries become an Error then.
        const auto half = std::span(*bytes).first(bytes->size() / 2);
        for (std::size_t n = 0; n < 50; ++n) {
            allocations_left = n;
            const auto image = decode_image(half, path);
            allocations_left = never;
            CHECK((!image || path.ends_with("gif")));
        }
    }
    const Sounds sounds;
    for (const std::string& path : sounds.paths) {
        CAPTURE(path);
        CHECK(fail_until_good([&] { return read_audio_file(path); }) > 0);
        const auto bytes = read_media_file(path);
        REQUIRE(bytes);
        CHECK(fail_until_good(
                  [&] { return decode_audio(std::as_bytes(std::span(*bytes)), path); }) > 0);
    }
    for (const std::string& path : videos(pictures)) {
        CAPTURE(path);
        REQUIRE(read_video(path, 0,
                           how));  // FFmpeg is there now: its libraries allocate when they come
        CHECK(fail_until_good([&] { return read_video(path, 0, how); }) > 0);
    }
    const auto gif = read_media_file(pictures.folder / "gif");
    REQUIRE(gif);
    CHECK(fail_until_good([&] { return decode_animated_gif(*gif, "x"); }) > 0);
    if (!reads_video_files) return;
    CHECK(fail_until_good([&] { return read_sound_track(sounds.paths[0]); }) > 0);
    const std::string clip = CARAT_SOURCE_DIR "/tests/media/clips/circle.mp4";
    const auto see = [](const Image&) { return Result<void>(); };
    CHECK(fail_until_good([&] { return see_video_file(clip, 0, how, {}, {}, see); }) > 0);
}

TEST_CASE("whichever allocation fails, what is made of a medium is an error and no exception") {
    const auto given = [](auto made) {  // is there before memory is refused
        const std::size_t left = std::exchange(allocations_left, never);
        auto value = made();
        allocations_left = left;
        return value;
    };
    CHECK(fail_until_good([&] { return make_patches(given([] { return Image(100, 70); }), {}); }) >
          0);
    const std::vector<float> sound(20'000, 0.1f);
    const std::span<const float> x(sound);
    CHECK(fail_until_good([&] { return mel_features(x); }) > 0);
    CHECK(fail_until_good([&] {
              MelExtractor stream = given([] { return MelExtractor(); });
              return stream.push(x, [](std::span<const float>) {});
          }) > 0);
    CHECK(fail_until_good([&] { return make_waveform(x, 8000); }) > 0);
    CHECK(fail_until_good([&] {
              return resampled(given([&] { return Waveform{sound, 8000}; }), 16000);
          }) > 0);
    const Pictures pictures;
    CHECK(fail_until_good([&] { return read_media_file(pictures.paths[0]); }) > 0);
    CHECK(fail_until_good([&] { return read_media_start(pictures.paths[0]); }) > 0);
    const std::string text =
        R"({"feature_extractor": {"feature_size": 3, "per_bin_mean": [1, 2, 3]}})";
    CHECK(fail_until_good([&] { return read_mel_config(text, "x"); }) > 0);
    const std::string wrong = R"({"image_processor": {"patch_size": 1000}})";
    for (std::size_t n = 0; n < 10; ++n) {
        allocations_left = n;
        const auto config = read_vision_processor_config(wrong, "a file of settings");
        allocations_left = never;
        CHECK_FALSE(config);
    }
}
#endif

#if defined(__unix__) && !defined(__EMSCRIPTEN__)
TEST_CASE("what nobody asked for is not unpacked: a PNG's texts") {
    const Buffer png = encode_png_with_texts(12, 7'900'000);
    CHECK(png.size() < 200'000);
    CHECK(in_child([&] {
              const auto most = [] {
                  rusage used{};
                  ::getrusage(RUSAGE_SELF, &used);
                  return used.ru_maxrss / 1024;  // MB
              };
              const long before = most();
              if (!decode_image(png, "x")) return 99;
              return static_cast<int>(std::min(most() - before, 98l));
          }) < 40);
}

#if defined(__cpp_exceptions) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) && !defined(CARAT_EMULATED)
/// f's answer with so much more memory and no more; 2 where the limit cannot be set, 1 where memory
/// ran out.
template <class F>
int with_spare(std::size_t bytes, F&& f) {
    return in_child([&] {
        if (!spare_address_space(bytes)) return 2;
        try {
            return f() ? 0 : 3;
        } catch (const std::bad_alloc&) {
            return 1;
        }
    });
}

TEST_CASE("a picture that is one long line is resized in little more memory than it has") {
    for (const bool high : {false, true}) {
        constexpr std::size_t length = 1 << 24;
        Image line(high ? 1 : length, high ? length : 1);
        CHECK(with_spare(100 << 20, [&] {
                  const Image small = resize(std::move(line), high ? 1 : 1024, high ? 1024 : 1);
                  return small == Image(high ? 1 : 1024, high ? 1024 : 1);
              }) == 0);
    }
}

TEST_CASE("a picture a pixel wide is resized in little more memory than it has") {
    Image line(1, 1 << 23);
    std::fill(line.rgb.begin(), line.rgb.end(), std::uint8_t{200});
    CHECK(with_spare(100 << 20, [&] {
              const Image high = resize(std::move(line), 48, 1 << 13);  // its rows alone: 1.2 GB
              return high.height == 1 << 13 && high.rgb[99] == 200;
          }) == 0);
}

TEST_CASE("a PNG of many rows takes its pixels' memory, not that of a pointer to each") {
    const std::vector<std::uint8_t> grey(1'000'000, 100);
    const Buffer png = encode_png(1, grey.size(), PNG_FORMAT_GRAY, grey.data());
    REQUIRE(!png.empty());
    CHECK(with_spare(10 << 20, [&] {
              const auto image = decode_image(png, "x");
              return image && std::ranges::all_of(image->rgb, [](auto v) { return v == 100; });
          }) == 0);
}

TEST_CASE("a PNG is held to the limit before libpng takes memory for its rows") {
    const std::vector<std::uint16_t> pixel(4);
    Buffer png = encode_png(1, 1, PNG_FORMAT_LINEAR_RGB_ALPHA, pixel.data());
    const auto put = [&](std::size_t at, std::uint32_t v) {
        for (std::size_t i = 0; i < 4; ++i)
            png[at + i] = static_cast<std::uint8_t>(v >> (24 - 8 * i));
    };
    put(16, 0x7fffffff);  // the width: rows of 16 GB
    put(29, crc32(std::span(png).subspan(12, 17)));
    CHECK(with_spare(100 << 20, [&] {
              const auto image = decode_image(png, "x");
              return !image && image.error().text ==
                                   "x: 2147483647 by 1 pixels, expected at most 134217728 in all";
          }) == 0);
}
#endif

TEST_CASE("a pipe in the place of a medium is an error, not a wait") {
    const Folder folder("media");
    const std::string pipe = folder / "p.png";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    ::alarm(60);  // ends the program where somebody waits
    CHECK(read_image(pipe).error().text == pipe + ": cannot read: it is not a regular file");
    CHECK_FALSE(read_audio_file(pipe));
    CHECK_FALSE(read_video(pipe, 0, how));
    CHECK_FALSE(read_video(folder.path(), 0, how));
    ::alarm(0);
}
#endif

}  // namespace carat::test
