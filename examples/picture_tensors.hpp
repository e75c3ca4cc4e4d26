// The pictures of a safetensors file, as the reference's processor pads and stacks them, and what
// the model makes of them.
#pragma once

#include "carat/base/result.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/parallel/executor.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

/// Images, or the frames of all videos one after the other, without padding.
template <class Model>
struct PictureList {
    static constexpr std::size_t patch = Model::Vision::patch;
    std::vector<std::vector<float>> values;
    std::vector<std::vector<std::int32_t>> positions;

    /// `pixels` [pictures, patches, 3 · patch_size²] or [videos, frames, patches, …], `places` the
    /// same with 2 in the last axis and -1 for padding. Nothing, if the file has neither.
    static carat::Result<PictureList> read(const carat::Safetensors& file, const std::string& path,
                                           const std::string& pixels, const std::string& places) {
        PictureList list;
        const carat::StoredTensor *p = file.find(pixels), *at = file.find(places);
        if (p == nullptr && at == nullptr) return list;
        const auto wrong = [&](const std::string& what) {
            return carat::Error{carat::Errc::mismatch, path + ": " + what};
        };
        if (p == nullptr || at == nullptr)
            return wrong(p == nullptr ? places + " without " + pixels
                                      : pixels + " without " + places);
        std::vector<std::size_t> shape(p->shape.begin(), p->shape.end());
        if (shape.size() < 3 || shape.back() != patch || p->dtype != carat::DType::f32)
            return wrong(pixels + " is " + p->dtype_name + " " + carat::shape_text(shape) +
                         ", expected F32 [pictures, patches, " + std::to_string(patch) + "]");
        shape.back() = 2;
        if (std::vector<std::size_t>(at->shape.begin(), at->shape.end()) != shape ||
            (at->dtype != carat::DType::i64 && at->dtype != carat::DType::i32))
            return wrong(places + " is " + at->dtype_name + " " + carat::shape_text(at->shape) +
                         ", expected I64 or I32 " + carat::shape_text(shape));
        const std::size_t most = shape[shape.size() - 2];
        const auto coordinate = [&](std::size_t i) -> std::int64_t {
            if (at->dtype == carat::DType::i32) {
                std::int32_t v = 0;
                std::memcpy(&v, at->data + 4 * i, sizeof v);
                return v;
            }
            std::int64_t v = 0;
            std::memcpy(&v, at->data + 8 * i, sizeof v);
            return v;
        };
        for (std::size_t row = 0; row < at->count() / 2; ++row) {
            if (row % most == 0) {
                list.values.emplace_back();
                list.positions.emplace_back();
            }
            const std::int64_t x = coordinate(2 * row), y = coordinate(2 * row + 1);
            if (x == -1 && y == -1) continue;
            for (const std::int64_t v : {x, y}) {
                if (v < 0 || v > 0x7fffffff)
                    return wrong(places + " has " + std::to_string(v) +
                                 ", expected places in a grid or -1, -1");
                list.positions.back().push_back(static_cast<std::int32_t>(v));
            }
            auto& to = list.values.back();
            to.resize(to.size() + patch);
            std::memcpy(to.data() + to.size() - patch, p->data + row * patch * sizeof(float),
                        patch * sizeof(float));
        }
        // A video with fewer frames than another has frames of padding only.
        for (std::size_t i = list.values.size(); i-- > 0;)
            if (list.values[i].empty() && shape.size() > 3) {
                list.values.erase(list.values.begin() + static_cast<std::ptrdiff_t>(i));
                list.positions.erase(list.positions.begin() + static_cast<std::ptrdiff_t>(i));
            }
        return list;
    }

    carat::Result<typename Model::SoftTokens> see(const Model& model, carat::ExecutorRef executor,
                                                  carat::Progress progress = {}) const {
        if (values.empty()) return typename Model::SoftTokens();
        std::vector<typename Model::Picture> pictures;
        for (std::size_t i = 0; i < values.size(); ++i)
            pictures.push_back(
                {carat::Rows<const float, patch>(values[i].data(), values[i].size() / patch),
                 carat::Rows<const std::int32_t, 2>(positions[i].data(), positions[i].size() / 2)});
        return model.see(pictures, executor, progress);
    }
};
