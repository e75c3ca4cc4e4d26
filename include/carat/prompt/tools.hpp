/// \file
/// Functions that a model may call: declared as JSON, or made of C++ functions with typed
/// arguments.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/prompt/call_syntax.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// How a C++ type stands in JSON: its schema, and both ways. Specialise it for types of your own.
template <class T>
struct ToolValue;

template <>
struct ToolValue<bool> {
    static constexpr std::string_view schema = R"("type":"boolean")";
    static constexpr bool required = true;
    static std::optional<bool> read(const JsonValue* v) { return json::boolean(v); }
    static Json write(bool v) {
        Json out;
        out.SetBool(v);
        return out;
    }
};
template <std::integral T>
requires(!std::same_as<T, bool>) struct ToolValue<T> {
    static constexpr std::string_view schema = R"("type":"integer")";
    static constexpr bool required = true;
    static std::optional<T> read(const JsonValue* v) {
        if (const auto large = json::unsigned_integer(v); large && std::in_range<T>(*large))
            return static_cast<T>(*large);
        std::optional<std::int64_t> n = json::integer(v);
        if (!n && v != nullptr && v->IsDouble()) {  // 3.0 is an integer to whoever writes it
            const double d = v->GetDouble();
            if (d >= -9e15 && d <= 9e15 && d == static_cast<double>(static_cast<std::int64_t>(d)))
                n = static_cast<std::int64_t>(d);
        }
        if (!n || !std::in_range<T>(*n)) return std::nullopt;
        return static_cast<T>(*n);
    }
    static Json write(T v) {
        Json out;
        if constexpr (std::is_signed_v<T>) {
            out.SetInt64(v);
        } else {
            out.SetUint64(v);
        }
        return out;
    }
};
template <std::floating_point T>
struct ToolValue<T> {
    static constexpr std::string_view schema = R"("type":"number")";
    static constexpr bool required = true;
    static std::optional<T> read(const JsonValue* v) {
        const auto n = json::number(v);
        return n ? std::optional(static_cast<T>(*n)) : std::nullopt;
    }
    static Json write(T v) {
        Json out;
        out.SetDouble(static_cast<double>(v));
        return out;
    }
};
template <>
struct ToolValue<std::string> {
    static constexpr std::string_view schema = R"("type":"string")";
    static constexpr bool required = true;
    static std::optional<std::string> read(const JsonValue* v) {
        const auto text = json::string(v);
        return text ? std::optional(std::string(*text)) : std::nullopt;
    }
    static Json write(std::string_view v) {
        Json out;
        out.SetString(v.data() == nullptr ? "" : v.data(),
                      static_cast<rapidjson::SizeType>(v.size()), out.GetAllocator());
        return out;
    }
};
template <>
struct ToolValue<const char*> {
    static Json write(const char* v) { return ToolValue<std::string>::write(v); }
};
template <>
struct ToolValue<Json> {
    static Json write(Json v) { return v; }
};
/// An argument that may be missing.
template <class T>
struct ToolValue<std::optional<T>> {
    static constexpr std::string_view schema = ToolValue<T>::schema;
    static constexpr bool required = false;
    static std::optional<std::optional<T>> read(const JsonValue* v) {
        if (v == nullptr || v->IsNull()) return std::optional<T>();
        auto value = ToolValue<T>::read(v);
        if (!value) return std::nullopt;
        return std::optional<T>(*std::move(value));
    }
};
template <class T>
struct ToolValue<std::vector<T>> {
    static inline const std::string schema =
        R"("type":"array","items":{)" + std::string(ToolValue<T>::schema) + "}";
    static constexpr bool required = true;
    static std::optional<std::vector<T>> read(const JsonValue* v) {
        if (v == nullptr || !v->IsArray()) return std::nullopt;
        std::vector<T> out;
        for (const JsonValue& element : json::elements(v)) {
            auto value = ToolValue<T>::read(&element);
            if (!value) return std::nullopt;
            out.push_back(*std::move(value));
        }
        return out;
    }
    static Json write(const std::vector<T>& v) {
        Json out(rapidjson::kArrayType);
        for (const T& element : v)
            out.PushBack(JsonValue(ToolValue<T>::write(element), out.GetAllocator()),
                         out.GetAllocator());
        return out;
    }
};

/// An argument's name, and what it means.
struct ToolArgument {
    std::string name;
    std::string description;
};

/// Functions by name. A function never fails towards the model: what goes wrong becomes an answer,
/// `{"error": …}`, from which the model can go on.
///
///     carat::Tools tools;
///     tools.add("get_weather", "Get the weather in a city.", {{"city", "The city name."}},
///               [](const std::string& city) { return look_up(city); });
class Tools {
  public:
    /// What is called: the arguments, an object, into any value.
    using Function = std::function<Result<Json>(const JsonValue& arguments)>;

    /// A function whose arguments are of types that have a ToolValue, in the order of `arguments`.
    /// It returns one of these too, Json, or a Result of one.
    template <std::size_t N, class F>
    Tools& add(std::string_view name, std::string_view description,
               const ToolArgument (&arguments)[N], F function) {
        return add_typed(name, description, {arguments, arguments + N},
                         std::function(std::move(function)));
    }
    template <std::invocable F>
    Tools& add(std::string_view name, std::string_view description, F function) {
        return add_typed(name, description, {}, std::function(std::move(function)));
    }
    /// A function declared as JSON: `{"type": "function", "function": {"name", …}}`. Bad input:
    /// what is no JSON, or has no name.
    [[nodiscard]] Result<void> add_json(std::string_view declaration, Function function);

    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    /// A JSON array, for Conversation::set_tools.
    [[nodiscard]] std::string declarations() const;
    /// The answer to a call.
    [[nodiscard]] Json call(const ToolCall& call) const;

  private:
    struct Entry {
        std::string name, declaration;
        Function function;
    };

    static Json failure(std::string_view why);

    template <class R, class... A>
    Tools& add_typed(std::string_view name, std::string_view description,
                     std::vector<ToolArgument> arguments, std::function<R(A...)> function) {
        arguments.resize(sizeof...(A));
        entries_.push_back(
            {std::string(name), declare<std::remove_cvref_t<A>...>(name, description, arguments),
             [arguments, function = std::move(function)](const JsonValue& values) -> Result<Json> {
                 return invoke(function, arguments, values, std::index_sequence_for<A...>());
             }});
        return *this;
    }

    template <class... T>
    static std::string declare(std::string_view name, std::string_view description,
                               const std::vector<ToolArgument>& arguments) {
        const auto quoted = [](std::string_view text) {
            JsonWriter w;
            return std::string(w.value(text).text());
        };
        std::string properties, required;
        std::size_t i = 0;
        [[maybe_unused]] const auto add = [&](std::string_view schema, bool needed) {
            const ToolArgument& a = arguments[i++];
            properties += (properties.empty() ? "" : ",") + quoted(a.name) + ":{" +
                          std::string(schema) + ",\"description\":" + quoted(a.description) + "}";
            if (needed) required += (required.empty() ? "" : ",") + quoted(a.name);
        };
        (add(ToolValue<T>::schema, ToolValue<T>::required), ...);
        return R"({"type":"function","function":{"name":)" + quoted(name) +
               ",\"description\":" + quoted(description) +
               R"(,"parameters":{"type":"object","properties":{)" + properties +
               "},\"required\":[" + required + "]}}}";
    }

    template <class R, class... A, std::size_t... I>
    static Result<Json> invoke(const std::function<R(A...)>& function,
                               const std::vector<ToolArgument>& arguments, const JsonValue& values,
                               std::index_sequence<I...>) {
        std::tuple<std::optional<std::remove_cvref_t<A>>...> read{
            ToolValue<std::remove_cvref_t<A>>::read(json::find(values, arguments[I].name))...};
        std::string why;
        [[maybe_unused]] const auto check = [&](bool there, std::size_t i,
                                                std::string_view schema) {
            if (there || !why.empty()) return;
            why = "argument " + arguments[i].name + " is " +
                  json::type_name(json::find(values, arguments[i].name)) + ", expected " +
                  std::string(schema);
        };
        (check(std::get<I>(read).has_value(), I, ToolValue<std::remove_cvref_t<A>>::schema), ...);
        if (!why.empty()) return Error{Errc::invalid_argument, why};
        return written(function(*std::move(std::get<I>(read))...));
    }
    template <class T>
    static Result<Json> written(T value) {
        return ToolValue<T>::write(std::move(value));
    }
    template <class T>
    static Result<Json> written(Result<T> value) {
        if (!value) return std::move(value).error();
        return written(*std::move(value));
    }

    std::vector<Entry> entries_;
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/tools.inl.hpp"
#endif
