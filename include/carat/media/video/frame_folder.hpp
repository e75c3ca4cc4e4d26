/// \file
/// The pictures in a folder as the frames of a video.
#pragma once

#include "carat/base/result.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <dirent.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

namespace detail {

/// Digits by their number, the rest by its letters: frame9 before frame10.
inline bool in_natural_order(std::string_view a, std::string_view b) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    std::size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (digit(a[i]) && digit(b[j])) {
            const auto number = [&](std::string_view s, std::size_t& at) {
                while (at + 1 < s.size() && s[at] == '0' && digit(s[at + 1])) ++at;
                const std::size_t start = at;
                while (at < s.size() && digit(s[at])) ++at;
                return s.substr(start, at - start);
            };
            const std::string_view m = number(a, i), n = number(b, j);
            if (m.size() != n.size()) return m.size() < n.size();
            if (m != n) return m < n;
        } else {
            if (a[i] != b[j]) return a[i] < b[j];
            ++i;
            ++j;
        }
    }
    return a.size() - i != b.size() - j ? a.size() - i < b.size() - j : a < b;
}

/// Whether a file is a picture by the ending of its name.
inline bool names_picture(std::string name) {
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos || dot == 0) return false;
    name.erase(0, dot);
    for (char& c : name)  // in ASCII, whatever the locale: a Turkish I has another small letter
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    for (const std::string_view known : {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"})
        if (name == known) return true;
    return false;
}

/// Their names, in order. Bad input: a folder that cannot be read, or has none.
inline Result<std::vector<std::string>> pictures_in(const std::string& folder) {
    struct Close {
        void operator()(DIR* d) const { ::closedir(d); }
    };
    const std::unique_ptr<DIR, Close> open(::opendir(folder.c_str()));
    if (!open) return Error{Errc::io, folder + ": " + std::strerror(errno)};
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(open.get()))
        if (entry->d_name[0] != '.' && names_picture(entry->d_name))
            names.emplace_back(entry->d_name);
    if (names.empty())
        return Error{Errc::bad_format, folder + ": no frames, expected pictures in a folder"};
    std::sort(names.begin(), names.end(), in_natural_order);
    return names;
}

}  // namespace detail

}  // namespace carat::inline CARAT_ABI
