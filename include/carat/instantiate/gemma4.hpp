/// \file
/// CARAT_INSTANTIATE: compiles a model into this unit, for units that include only
/// carat/instantiate/handle.hpp. Opt-in, like the macro, which is all that this header defines.
#pragma once

#include "carat/gemma4.hpp"
#include "carat/instantiate/handle.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace carat::inline CARAT_ABI::detail {

template <class Session>
class HeldSession final : public SessionHandle {
  public:
    explicit HeldSession(Session&& session) : session_(std::move(session)) {}
    Result<Logits> append(std::span<const std::int32_t> ids) override {
        return session_.append(ids);
    }
    [[nodiscard]] std::size_t size() const noexcept override { return session_.size(); }
    [[nodiscard]] std::size_t memory_bytes() const noexcept override {
        return session_.memory_bytes();
    }
    void clear() noexcept override { session_.clear(); }
    bool rewind(std::size_t tokens) noexcept override { return session_.rewind(tokens); }

  private:
    Session session_;
};

template <class Model>
class HeldModel final : public ModelHandle {
  public:
    explicit HeldModel(Model&& model) : model_(std::move(model)) {}
    [[nodiscard]] Result<std::unique_ptr<SessionHandle>> session(
        ExecutorRef executor, std::size_t context_tokens, std::size_t chunk_tokens) const override {
        auto opened = model_.session(
            executor, {.context_tokens = context_tokens, .chunk_tokens = chunk_tokens});
        if (!opened) return std::move(opened).error();
        return std::unique_ptr<SessionHandle>(
            std::make_unique<HeldSession<typename Model::Session>>(std::move(*opened)));
    }
    [[nodiscard]] std::size_t vocab_size() const noexcept override {
        return Model::config.text.vocab_size;
    }
    [[nodiscard]] std::size_t memory_bytes() const noexcept override {
        return model_.memory_bytes();
    }
    [[nodiscard]] std::span<const std::int32_t> stop_ids() const noexcept override {
        return model_.generation().eos_token_ids;
    }

  private:
    Model model_;
};

template <class Model>
Result<std::unique_ptr<ModelHandle>> open_held(const std::string& folder) {
    auto model = Model::open(folder);
    if (!model) return std::move(model).error();
    return std::unique_ptr<ModelHandle>(std::make_unique<HeldModel<Model>>(std::move(*model)));
}

}  // namespace carat::inline CARAT_ABI::detail

/// In one unit of a program, outside of any namespace: what follows Name is a type, `Gemma4<…>`.
#define CARAT_INSTANTIATE(Name, ...)                                      \
    template <>                                                           \
    carat::Result<std::unique_ptr<carat::ModelHandle>> carat::open<Name>( \
        const std::string& folder) {                                      \
        return carat::detail::open_held<__VA_ARGS__>(folder);             \
    }
