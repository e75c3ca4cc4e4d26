/// \file
/// What a path to a model means: a folder as Hugging Face lays it out, or a GGUF file and the file
/// of its towers beside it.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/name_order.hpp"
#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"
#include "carat/format/gguf.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <dirent.h>
#endif

namespace carat::inline CARAT_ABI {
namespace detail {

/// Names in a folder that end in ".gguf", in order; none where it cannot be read.
inline std::vector<std::string> gguf_names_in([[maybe_unused]] const std::string& folder) {
    std::vector<std::string> names;
#if defined(__unix__) || defined(__APPLE__)
    DIR* open = ::opendir(folder.empty() ? "." : folder.c_str());
    if (open == nullptr) return names;
    while (const dirent* entry = ::readdir(open)) {
        const std::string_view name = entry->d_name;
        if (is_gguf_path(name)) names.emplace_back(name);
    }
    ::closedir(open);
    sort_by_name(names, [](const std::string& name) { return std::string_view(name); });
#endif
    return names;
}
/// "mmproj-….gguf", or "….mmproj-….gguf".
inline bool is_projector(std::string_view name) {
    return name.find("mmproj") != std::string_view::npos ||
           name.find("MMPROJ") != std::string_view::npos;
}
/// Whether these are parts of one file as llama-gguf-split cuts it: "….gguf" behind
/// "-00001-of-00003", and another number of the same.
inline bool are_parts_of_one(std::string_view a, std::string_view b) {
    constexpr std::size_t tail = std::string_view("-of-00003.gguf").size(), number = 5;
    if (a.size() != b.size() || a.size() <= tail + number) return false;
    const std::size_t end = a.size() - tail;
    return a.substr(end).starts_with("-of-") && a.substr(end) == b.substr(end) &&
           a.substr(0, end - number) == b.substr(0, end - number);
}

}  // namespace detail

/// Part `number`, from 0, of a file that is split into `count`, beside its first part, which is
/// named "…-00001-of-00003.gguf"; empty where that is not its name.
[[nodiscard]] inline std::string split_part(std::string_view first, std::uint64_t number,
                                            std::uint64_t count) {
    const auto end_of = [&](std::uint64_t n) {
        const auto five = [](std::uint64_t x) {
            const std::string digits = std::to_string(x);
            return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
        };
        return joined({"-", five(n + 1), "-of-", five(count)});
    };
    if (!is_gguf_path(first)) return {};
    const std::string_view ending = first.substr(first.size() - gguf_ending.size());
    first.remove_suffix(ending.size());
    const std::string end = end_of(0);
    if (!first.ends_with(end)) return {};
    first.remove_suffix(end.size());
    return joined({first, end_of(number), ending});
}

/// The GGUF file of a text model in a folder, with the folder's path; empty where there is none.
/// Of the parts of a split file the first. Bad input: several, of which none is meant more than the
/// others.
[[nodiscard]] inline Result<std::string> gguf_in(const std::string& folder) {
    std::string found;
    for (const std::string& name : detail::gguf_names_in(folder)) {
        if (detail::is_projector(name) || detail::are_parts_of_one(found, name)) continue;
        if (!found.empty())
            return Error{Errc::invalid_argument,
                         joined({folder, ": there are several .gguf files, ", found, " and ", name,
                                 ": name one"})};
        found = name;
    }
    if (found.empty()) return found;
    return folder.empty() || folder.ends_with('/') ? folder + found : folder + '/' + found;
}

/// A packed checkpoint, the file of a small model, and the index of a large one's.
inline constexpr std::string_view packed_name = "model.carat",
                                  safetensors_name = "model.safetensors",
                                  safetensors_index_name = "model.safetensors.index.json";

/// Which of those a folder has, the first of them: it comes before a GGUF file. Empty where there
/// is none.
[[nodiscard]] inline std::string_view weights_in(const std::string& folder) {
    const std::string_view slash = folder.empty() || folder.ends_with('/') ? "" : "/";
    for (const std::string_view name : {packed_name, safetensors_name, safetensors_index_name})
        if (file_exists(joined({folder, slash, name}))) return name;
    return {};
}

/// Whether a folder is that of a GGUF file alone, without what Hugging Face's have.
[[nodiscard]] inline bool is_gguf_folder(const std::string& folder) {
    if (file_exists(folder + "/config.json") || !weights_in(folder).empty()) return false;
    const Result<std::string> file = gguf_in(folder);
    return !file || !file->empty();
}

/// The first file by name beside a GGUF file that holds towers ("mmproj-….gguf"); empty where there
/// is none, or where `path` is one itself.
[[nodiscard]] inline std::string projector_beside(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    if (detail::is_projector(std::string_view(path).substr(folder.size()))) return {};
    for (const std::string& name : detail::gguf_names_in(folder))
        if (detail::is_projector(name)) return folder + name;
    return {};
}

}  // namespace carat::inline CARAT_ABI
