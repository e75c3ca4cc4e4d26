/// \file
/// The reference implementation's numbers, and the distance that its noise floor allows.
#pragma once

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/format/json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace carat::test {

inline std::string fixture_path(const std::string& name) {
    return CARAT_SOURCE_DIR "/tests/fixtures/hf/" + name;
}

/// One safetensors file of a model folder of the fixtures, with the folder's tolerances.json.
class Fixture {
  public:
    Fixture(const std::string& model, const std::string& file) : file_(file + ".safetensors") {
        const std::string folder = fixture_path(model) + "/";
        map_ = open(folder + file_);
        auto tensors = Safetensors::read(map_.bytes(), file_);
        REQUIRE(tensors);
        tensors_ = std::move(*tensors);
        const MappedFile text = open(folder + "tolerances.json");
        auto json = parse_json(text.text(), "tolerances.json");
        REQUIRE(json);
        tolerances_ = std::move(*json);
    }

    [[nodiscard]] bool has(const std::string& name) const { return tensors_.find(name) != nullptr; }
    [[nodiscard]] std::vector<float> floats(const std::string& name) const {
        return values<float>(name, DType::f32);
    }
    [[nodiscard]] std::vector<std::int32_t> ints(const std::string& name) const {
        return values<std::int32_t>(name, DType::i32);
    }
    [[nodiscard]] std::vector<std::uint8_t> bytes(const std::string& name) const {
        return values<std::uint8_t>(name, DType::u8);
    }
    [[nodiscard]] std::vector<std::size_t> shape(const std::string& name) const {
        const StoredTensor* t = tensors_.find(name);
        REQUIRE(t != nullptr);
        return {t->shape.begin(), t->shape.end()};
    }

    /// Checks the largest and the root mean square difference against the recommended tolerances of
    /// `name`.
    void check(const std::string& name, std::span<const float> actual) const {
        check(name, actual, json::find(json::find(tolerances_, file_), name));
    }
    /// The same for the first rows of `name`, as many as there are.
    void check_first(const std::string& name, std::span<const float> actual) const {
        check(name, actual, json::find(json::find(tolerances_, file_), name), true);
    }
    /// The same for a tensor without tolerances of its own: those of another file's tensor of the
    /// same kind.
    void check_like(const std::string& name, std::span<const float> actual, const std::string& file,
                    const std::string& other) const {
        check(name, actual, json::find(json::find(tolerances_, file + ".safetensors"), other));
    }

  private:
    void check(const std::string& name, std::span<const float> actual, const JsonValue* tolerance,
               bool first_rows = false) const {
        std::vector<float> expected = floats(name);
        INFO(file_ << ": " << name);
        if (first_rows && !actual.empty() && actual.size() < expected.size())
            expected.resize(actual.size());
        REQUIRE(actual.size() == expected.size());
        REQUIRE(tolerance != nullptr);
        double largest = 0.0, squares = 0.0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const double d =
                std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
            largest = d > largest || std::isnan(d) ? d : largest;
            squares += d * d;
        }
        CHECK(largest <= json::number(json::find(tolerance, "max_abs")).value());
        CHECK(std::sqrt(squares / static_cast<double>(expected.size())) <=
              json::number(json::find(tolerance, "rms")).value());
    }

    static MappedFile open(const std::string& path) {
        auto map = MappedFile::open(path);
        INFO(path);
        REQUIRE(map);
        return std::move(*map);
    }
    template <class T>
    [[nodiscard]] std::vector<T> values(const std::string& name, DType type) const {
        const StoredTensor* t = tensors_.find(name);
        INFO(file_ << ": " << name);
        REQUIRE(t != nullptr);
        REQUIRE(t->dtype == type);
        std::vector<T> out(t->count());
        std::memcpy(out.data(), t->data, t->bytes);
        return out;
    }

    std::string file_;
    MappedFile map_;
    Safetensors tensors_;
    Json tolerances_;
};

}  // namespace carat::test
