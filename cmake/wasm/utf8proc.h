// What carat uses of utf8proc, for a build that has no utf8proc to link: musl's own tables of
// Unicode. They say what is part of a word, not which kind of letter it is.
#pragma once

#include <cstdint>
#include <cwctype>

using utf8proc_int32_t = std::int32_t;

enum utf8proc_category_t {
    UTF8PROC_CATEGORY_CN,
    UTF8PROC_CATEGORY_LU,
    UTF8PROC_CATEGORY_LL,
    UTF8PROC_CATEGORY_LT,
    UTF8PROC_CATEGORY_LM,
    UTF8PROC_CATEGORY_LO,
    UTF8PROC_CATEGORY_MN,
    UTF8PROC_CATEGORY_MC,
    UTF8PROC_CATEGORY_ME,
    UTF8PROC_CATEGORY_ND,
    UTF8PROC_CATEGORY_PC,
};

inline utf8proc_category_t utf8proc_category(utf8proc_int32_t c) {
    if (c == '_') return UTF8PROC_CATEGORY_PC;
    return std::iswalnum(static_cast<std::wint_t>(c)) ? UTF8PROC_CATEGORY_LO : UTF8PROC_CATEGORY_CN;
}
inline utf8proc_int32_t utf8proc_toupper(utf8proc_int32_t c) {
    return static_cast<utf8proc_int32_t>(std::towupper(static_cast<std::wint_t>(c)));
}
inline utf8proc_int32_t utf8proc_tolower(utf8proc_int32_t c) {
    return static_cast<utf8proc_int32_t>(std::towlower(static_cast<std::wint_t>(c)));
}
