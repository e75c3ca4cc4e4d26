#include "carat/media/image/patches.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/format/json.hpp"
#include "carat/media/image/rescale.hpp"
#include "media/pictures.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

using namespace carat;

namespace {

MappedFile open(const std::string& name) {
    auto map = MappedFile::open(CARAT_SOURCE_DIR "/tests/fixtures/hf/processor/" + name);
    REQUIRE(map);
    return std::move(*map);
}

/// The bytes that values were made of, in patch order.
std::vector<std::uint8_t> bytes_of(const Patches& p) {
    std::vector<std::uint8_t> out;
    for (const float v : p.values) out.push_back(static_cast<std::uint8_t>(v * 255.0f + 0.5f));
    return out;
}

}  // namespace

TEST_CASE("every picture of the fixtures, both resamplings, three budgets") {
    const MappedFile text = open("images.json"), file = open("images.safetensors");
    const auto json = parse_json(text.text(), "images.json");
    const auto tensors = Safetensors::read(file.bytes(), "images.safetensors");
    REQUIRE(json);
    REQUIRE(tensors);
    std::size_t runs = 0, exact = 0;
    for (const auto& entry : json::members(&*json)) {
        const std::string name(json::key(entry));
        const JsonValue* budgets = json::find(entry.value, "budgets");
        if (budgets == nullptr) continue;
        const auto number = [](const JsonValue& v, const char* key) {
            return static_cast<std::size_t>(json::unsigned_integer(json::find(v, key)).value());
        };
        Image source(number(entry.value, "width"), number(entry.value, "height"));
        if (const StoredTensor* t = tensors->find(name + ".source")) {
            REQUIRE(t->bytes == source.rgb.size());
            std::memcpy(source.rgb.data(), t->data, t->bytes);
        } else {
            source = test::synth(source.height, source.width, number(entry.value, "seed"));
        }
        REQUIRE(test::crc32(source.rgb) == number(entry.value, "crc32"));
        for (const auto& budget : json::members(budgets))
            for (const char* processor : {"torchvision", "pil"}) {
                const JsonValue& expected = *json::find(budget.value, processor);
                const bool pil = processor[0] == 'p';
                const std::string tokens(json::key(budget));
                INFO(name << " " << tokens << " " << processor);
                const PictureConfig config{
                    .max_soft_tokens = std::stoul(tokens),
                    .resampling = pil ? Resampling::pil : Resampling::torchvision,
                    .rescale = pil ? Rescale::times_in_double : Rescale::times};
                const auto patches = make_patches(source, config);
                REQUIRE(patches);
                CHECK(patches->count == number(expected, "patches"));
                CHECK(patches->soft_tokens == number(expected, "soft_tokens"));
                const auto bytes = bytes_of(*patches);
                ++runs;
                exact += test::crc32(bytes) == number(expected, "crc32_u8") ? 1u : 0u;

                // What is stored of the pixels, to the distance of the reference's own variants.
                const std::string key = name + "." + tokens + "." + processor;
                const StoredTensor* all = tensors->find(key + ".patches");
                const StoredTensor* some = all != nullptr ? all : tensors->find(key + ".sample");
                REQUIRE(some != nullptr);
                const StoredTensor* rows = tensors->find(key + ".rows");
                std::size_t different = 0;
                for (std::size_t i = 0; i < some->bytes; ++i) {
                    std::size_t row = i / 768;
                    if (all == nullptr) {
                        std::int32_t r = 0;
                        std::memcpy(&r, rows->data + 4 * row, 4);
                        row = static_cast<std::size_t>(r);
                    }
                    const int d = bytes[row * 768 + i % 768] -
                                  static_cast<int>(static_cast<std::uint8_t>(some->data[i]));
                    REQUIRE(d * d <= 4);
                    different += d != 0 ? 1u : 0u;
                }
                const double most = name == "mult48" ? 0.07 : 0.005;
                CHECK(static_cast<double>(different) <= most * static_cast<double>(some->bytes));
            }
    }
    CHECK(runs == 48);
    CHECK(exact == runs);  // every byte of every picture is the reference's
}

TEST_CASE("bytes become values as the reference's") {
    const MappedFile file = open("images.safetensors");
    const auto tensors = Safetensors::read(file.bytes(), "images.safetensors");
    REQUIRE(tensors);
    for (const auto& [name, how] :
         {std::pair("torchvision", Rescale::times), {"pil", Rescale::times_in_double}}) {
        const auto table = detail::rescale_table(how);
        const StoredTensor* t = tensors->find(std::string("rescale_table.") + name);
        REQUIRE(t != nullptr);
        CHECK(std::memcmp(table.data(), t->data, sizeof table) == 0);
    }
    CHECK(detail::rescale_table(Rescale::divide)[77] == 77.0f / 255.0f);
}

TEST_CASE("a patch is rows of columns of channels, positions are x and y") {
    Image image(96, 48);
    for (std::size_t y = 0; y < 48; ++y)
        for (std::size_t x = 0; x < 96; ++x) {
            image.at(x, y)[0] = static_cast<std::uint8_t>(x);
            image.at(x, y)[1] = static_cast<std::uint8_t>(y);
            image.at(x, y)[2] = 200;
        }
    const auto p = make_patches(image, {.do_resize = false});
    REQUIRE(p);
    CHECK(p->count == 18);
    CHECK(p->soft_tokens == 2);
    const auto bytes = bytes_of(*p);
    for (std::size_t i = 0; i < p->count; ++i) {
        const auto gx = static_cast<std::size_t>(p->positions[2 * i]);
        const auto gy = static_cast<std::size_t>(p->positions[2 * i + 1]);
        CHECK(i == gy * 6 + gx);
        for (std::size_t py = 0; py < 16; ++py)
            for (std::size_t px = 0; px < 16; ++px) {
                const std::uint8_t* v = &bytes[i * 768 + (py * 16 + px) * 3];
                REQUIRE(v[0] == gx * 16 + px);
                REQUIRE(v[1] == gy * 16 + py);
                REQUIRE(v[2] == 200);
            }
    }
}

TEST_CASE("patches are rows for a model that has their size, and for no other") {
    const auto patches = make_patches(test::synth(48, 96, 1), {});
    REQUIRE(patches);
    const auto rows = patches->rows<3 * 16 * 16>();
    REQUIRE(rows);
    CHECK(rows->rows() == patches->count);
    CHECK(patches->places().rows() == patches->count);
    CHECK(rows->data() == patches->values.data());
    const auto other = patches->rows<3 * 14 * 14>();
    REQUIRE_FALSE(other);
    CHECK(other.error().code == Errc::mismatch);
    CHECK(other.error().text ==
          "patches of 768 values, expected 588: patch_size is not the model's");
}
