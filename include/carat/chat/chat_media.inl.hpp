/// \file
/// What chat_media.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_media.hpp"
#include "carat/checkpoint/fnv1a.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/prompt/media_parts.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

CARAT_ONCE std::string ChatMedia::key(const MediaPart& part) {
    JsonWriter w;
    return std::string(w.value(*part.part).text());
}

CARAT_ONCE const ChatMedia::Held& ChatMedia::add(std::string key, Medium medium) {
    Fnv1a content;
    content.add(std::as_bytes(std::span(medium.rows)));
    return held_.insert_or_assign(std::move(key), Held{std::move(medium), content.value() | 1})
        .first->second;
}

CARAT_ONCE const ChatMedia::Held* ChatMedia::find(const MediaPart& part) const {
    const auto known = held_.find(key(part));
    return known == held_.end() ? nullptr : &known->second;
}

CARAT_ONCE Result<const ChatMedia::Held*> ChatMedia::read(const MediaPart& part, std::size_t hidden,
                                                          Progress progress) {
    if (const Held* known = find(part)) return known;
    if (!reader_)
        return Error{
            Errc::unsupported,
            part.where + ": " + part.source +
                ": this chat has no reader for pictures, sounds and videos (set_media_reader)"};
    auto medium = reader_(part, progress);
    if (!medium) return std::move(medium).error();
    if (medium->rows.size() % hidden != 0)
        return Error{Errc::mismatch, joined({part.where, ": ", medium->rows.size(),
                                             " values, expected rows of ", hidden})};
    const std::string_view name = placeholder_of(medium->text.kind);
    std::size_t places = 0;
    for (std::size_t at = 0; (at = medium->text.text.find(name, at)) != std::string::npos;
         at += name.size())
        ++places;
    // Else those of the next medium would stand in its places.
    if (medium->rows.size() / hidden != places)
        return Error{Errc::mismatch, joined({part.where, ": ", medium->rows.size() / hidden,
                                             " soft tokens for ", places, " placeholders"})};
    return &add(key(part), *std::move(medium));
}

}  // namespace carat::inline CARAT_ABI
