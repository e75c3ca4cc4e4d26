/// \file
/// What answer_shape.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/answer_shape.hpp"
#include "carat/constrain/char_automaton.hpp"
#include "carat/constrain/char_writer.hpp"
#include "carat/constrain/constraint.hpp"
#include "carat/constrain/grammar.hpp"
#include "carat/constrain/json_schema.hpp"
#include "carat/constrain/regex.hpp"
#include "carat/constrain/token_trie.hpp"
#include "carat/format/json.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

namespace constrain {

/// The parts that all forms share: thoughts before an answer, and its end.
class ShapeBuilder {
  public:
    explicit ShapeBuilder(std::shared_ptr<const TokenTrie> trie) : trie_(std::move(trie)) {
        g_.add_rule();
        end_ = g_.add_state(true);
        thoughts_ = g_.add_state();
    }

    Result<void> json(const std::string& text) {
        g_.rules[0].where = "schema";
        tree_.emplace(parse_json(text, "schema"));  // which the grammar's rules are known by
        if (!tree_->has_value()) return tree_->error();
        const auto rule = add_json_schema(g_, **tree_.operator->());
        if (!rule) return rule.error();
        g_.call(start(), *rule, complete());
        return {};
    }
    Result<void> regex(const std::string& text) {
        g_.rules[0].where = "regular expression " + printable(text, 60);
        const auto chars = constrain::regex(text, RegexMatch::whole, g_.work);
        if (!chars) return chars.error();
        CharWriter(g_, Spelling::plain).write(*chars, start(), [&](std::uint32_t at) {
            finish(at, {"<turn|>", "<eos>"});
        });
        return {};
    }
    Result<void> choices(const std::vector<std::string>& texts) {
        g_.rules[0].where = "choices";
        for (std::size_t i = 0; i < texts.size(); ++i)
            if (texts[i].empty() || !unicode::is_valid(texts[i]))
                return Error{
                    Errc::invalid_argument,
                    joined({"choices[", i, "] is ", texts[i].empty() ? "empty" : "not UTF-8",
                            ", expected a text"})};
        if (texts.empty())
            return Error{Errc::invalid_argument, "choices: there are none, expected texts"};
        const std::uint32_t rule = g_.add_rule();
        g_.one_of(g_.rules[rule].start, texts);
        g_.call(start(), rule, complete());
        return {};
    }
    Result<void> calls(const JsonValue* tools) {
        g_.rules[0].where = "tools";
        const std::uint32_t text = start(), call = g_.add_state(), names = g_.add_state(),
                            closing = g_.add_state(), called = g_.add_state();
        CharAutomaton any = *any_of_length(0, std::numeric_limits<std::size_t>::max());
        CharWriter(g_, Spelling::plain).write(any, text, [](std::uint32_t) {});
        finish(text, {"<turn|>", "<eos>"});
        if (json::elements(tools).empty()) return {};
        for (const std::uint32_t from : {text, called}) g_.control(from, "<|tool_call>", call);
        g_.literal(call, "call:", names);
        for (std::size_t i = 0; i < json::elements(tools).size(); ++i) {
            const std::string where = joined({"tools[", i, "]"});
            const JsonValue* function = json::find(json::elements(tools)[i], "function");
            const auto name = json::string(json::find(function, "name"));
            if (!name || name->empty() || unicode::trim(*name) != *name ||
                name->find_first_of("{<") != std::string_view::npos)
                return Error{
                    Errc::bad_format,
                    joined({where, ".function.name is ",
                            name ? printable(*name) : json::type_name(json::find(function, "name")),
                            ", expected a name without { or < and white space around it"})};
            const std::uint32_t arguments = g_.add_state();
            g_.literal(names, *name, arguments);
            if (auto done = add_arguments(g_, json::find(function, "parameters"), arguments,
                                          closing, joined({where, " (", printable(*name), ")"}));
                !done)
                return done;
        }
        g_.control(closing, "<tool_call|>", called);
        finish(called, {"<|tool_response>", "<turn|>", "<eos>"});
        return {};
    }

    Result<Constraint> build() && {
        auto out = std::make_shared<Compiled>();
        // A thought: <|channel>thought\n … <channel|>, and then the answer as if without.
        out->starts = {start(), start(), start()};
        if (trie_->special("<|channel>") && trie_->special("<channel|>")) {
            const std::uint32_t thinks = g_.add_state(), named = g_.add_state();
            const CharAutomaton any = *any_of_length(0, std::numeric_limits<std::size_t>::max());
            g_.states[thinks].calls = g_.states[start()].calls;
            g_.states[thinks].edges = g_.states[start()].edges;
            g_.states[thinks].final = g_.states[start()].final;
            g_.control(thinks, "<|channel>", named);
            g_.literal(named, "thought\n", thoughts_);
            CharWriter(g_, Spelling::plain).write(any, thoughts_, [](std::uint32_t) {});
            g_.control(thoughts_, "<channel|>", start());
            out->starts = {start(), thinks, thoughts_};
        }
        if (auto done = g_.finish(); !done) return done.error();
        if (!trie_->has_all_bytes())
            return Error{Errc::unsupported,
                         "the vocabulary has no token for some bytes: it cannot write every text"};
        for (const std::string& token : g_.controls) {
            const auto id = trie_->special(token);
            if (!id)
                return Error{Errc::unsupported, "the vocabulary has no token " + token +
                                                    ", which answers of this form need"};
            out->controls.push_back(*id);
            if (token == "<turn|>" || token == "<eos>" || token == "<|tool_response>")
                out->stops.push_back(*id);
        }
        if (out->stops.empty())
            return Error{Errc::unsupported, "the vocabulary has neither <turn|> nor <eos>"};
        out->kinds = kinds_of(g_, trie_->longest());
        out->grammar = std::move(g_);
        out->trie = std::move(trie_);
        return Constraint(std::move(out));
    }

  private:
    [[nodiscard]] std::uint32_t start() const { return g_.rules[0].start; }
    /// A state where the answer is complete.
    std::uint32_t complete() {
        const std::uint32_t state = g_.add_state();
        finish(state, {"<turn|>", "<eos>"});
        return state;
    }
    /// The answer may end here, by any of these tokens that the vocabulary has.
    void finish(std::uint32_t state, std::initializer_list<std::string_view> tokens) {
        g_.states[state].final = true;
        for (const std::string_view token : tokens)
            if (trie_->special(token)) g_.control(state, token, end_);
    }

    std::shared_ptr<const TokenTrie> trie_;
    Grammar g_;
    std::uint32_t end_ = 0, thoughts_ = 0;
    std::optional<Result<Json>> tree_;
};

}  // namespace constrain

CARAT_ONCE Result<Constraint> make_constraint(const AnswerShape& shape,
                                              std::shared_ptr<const constrain::TokenTrie> trie,
                                              const JsonValue* tools) {
    auto made = memory_errors([&]() -> Result<Constraint> {
        constrain::ShapeBuilder builder(std::move(trie));
        using Kind = AnswerShape::Kind;
        const std::string first = shape.texts.empty() ? std::string() : shape.texts[0];
        const Result<void> done = shape.kind == Kind::json      ? builder.json(first)
                                  : shape.kind == Kind::regex   ? builder.regex(first)
                                  : shape.kind == Kind::choices ? builder.choices(shape.texts)
                                  : shape.kind == Kind::calls   ? builder.calls(tools)
                                                                : builder.calls(nullptr);
        if (!done) return done.error();
        return std::move(builder).build();
    });
    if (made || made.error().code != Errc::out_of_memory) return made;
    return memory_errors([&]() -> Result<Constraint> {
        return Error{Errc::out_of_memory, "the form of an answer: " + made.error().text};
    });
}

}  // namespace carat::inline CARAT_ABI
