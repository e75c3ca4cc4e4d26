/// \file
/// What chat_variant.hpp declares.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/gguf.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_options.hpp"
#include "carat/prompt/chat_variant.hpp"
#include "carat/text/gguf_head.hpp"
#include "carat/text/read_file.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

CARAT_ONCE ChatVariant chat_variant_of_template(std::string_view text) noexcept {
    constexpr std::string_view opens = "<|channel>thought";
    constexpr std::string_view between = " \t\r\n\\n'\"~+-{}";
    for (std::size_t at = text.find(opens); at != std::string_view::npos;
         at = text.find(opens, at + 1)) {
        const std::size_t next = text.find_first_not_of(between, at + opens.size());
        if (next != std::string_view::npos && text.substr(next).starts_with("<channel|>"))
            return ChatVariant::large;
    }
    return ChatVariant::small;
}

CARAT_ONCE Result<ChatVariant> chat_variant(const std::string& folder) {
    return memory_errors(folder, [&]() -> Result<ChatVariant> {
        const std::string jinja = path_in(folder, "chat_template.jinja");
        if (file_exists(jinja)) {
            const auto text = read_file(jinja);
            if (!text) return text.error();
            return chat_variant_of_template(*text);
        }
        const std::string config = path_in(folder, "tokenizer_config.json");
        if (!file_exists(config)) {
            const Result<std::string> gguf = gguf_of_tokenizer(folder);
            if (!gguf) return gguf.error();
            if (gguf->empty() && !file_exists(folder))
                return Error{Errc::io, folder + ": no such folder"};
            ChatVariant found = ChatVariant::small;
            if (gguf->empty()) return found;
            const auto read = with_gguf_head(*gguf, [&](const Gguf& head) -> Result<void> {
                if (const auto text = Gguf::string(head.find("tokenizer.chat_template")))
                    found = chat_variant_of_template(*text);
                return {};
            });
            if (!read) return read.error();
            return found;
        }
        const auto text = read_file(config);
        if (!text) return text.error();
        const auto tree = parse_json(*text, config);
        if (!tree) return tree.error();
        const JsonValue* field = json::find(*tree, "chat_template");
        if (const auto one = json::string(field)) return chat_variant_of_template(*one);
        for (const JsonValue& entry : json::elements(field)) {
            const auto one = json::string(json::find(entry, "template"));
            if (one && chat_variant_of_template(*one) == ChatVariant::large)
                return ChatVariant::large;
        }
        return ChatVariant::small;
    });
}

}  // namespace carat::inline CARAT_ABI
