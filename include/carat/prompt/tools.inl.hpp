/// \file
/// What tools.hpp declares.
#pragma once

#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/prompt/call_syntax.hpp"
#include "carat/prompt/tools.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Result<void> Tools::add_json(std::string_view declaration, Function function) {
    return memory_errors("tool", [&]() -> Result<void> {
        const auto tree = parse_json(declaration, "tool");
        if (!tree) return tree.error();
        const auto name = json::string(json::find(json::find(*tree, "function"), "name"));
        if (!name)
            return Error{Errc::bad_format, "tool: function.name is missing, expected a string"};
        entries_.push_back(
            {std::string(*name), std::string(without_mark(declaration)), std::move(function)});
        return {};
    });
}

CARAT_ONCE std::string Tools::declarations() const {
    std::string out = "[";
    for (const Entry& e : entries_) out += (out.size() > 1 ? "," : "") + e.declaration;
    return out + "]";
}

CARAT_ONCE Json Tools::call(const ToolCall& call) const {
    for (const Entry& e : entries_) {
        if (e.name != call.name) continue;
        auto answer = e.function(call.arguments);
        return answer ? *std::move(answer) : failure(answer.error().text);
    }
    return failure("there is no function " + printable(call.name));
}

CARAT_ONCE Json Tools::failure(std::string_view why) {
    Json out(rapidjson::kObjectType);
    out.AddMember("error", JsonValue(ToolValue<std::string>::write(why), out.GetAllocator()),
                  out.GetAllocator());
    return out;
}

}  // namespace carat::inline CARAT_ABI
