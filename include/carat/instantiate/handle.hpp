/// \file
/// A model whose code is compiled in another unit: what the units that only use it include. It
/// knows nothing of configs, weights or vectors, and costs what `<string>` and `<memory>` cost.
///
///     // assistant.hpp                       // assistant.cpp, the one unit that compiles a model
///     struct Assistant;                      #include <carat/instantiate/gemma4.hpp>
///     // anywhere                            CARAT_INSTANTIATE(Assistant,
///     auto m = carat::open<Assistant>(dir);                    carat::Gemma4<carat::presets::e2b>)
#pragma once

#include "carat/base/result.hpp"
#include "carat/parallel/executor.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace carat::inline CARAT_ABI {

/// A Session behind an interface: one virtual call a token. Its members are those of Session that
/// need no template.
class SessionHandle {
  public:
    using Logits = std::span<const float>;  ///< [vocab_size]

    SessionHandle() = default;
    SessionHandle(const SessionHandle&) = delete;
    SessionHandle& operator=(const SessionHandle&) = delete;
    virtual ~SessionHandle() = default;

    /// Appends ids and returns the logits that follow the last; they stay until the next call.
    virtual Result<Logits> append(std::span<const std::int32_t> ids) = 0;
    [[nodiscard]] virtual std::size_t size() const noexcept = 0;
    [[nodiscard]] virtual std::size_t memory_bytes() const noexcept = 0;
    virtual void clear() noexcept = 0;
    virtual bool rewind(std::size_t tokens) noexcept = 0;
};

/// An opened model behind an interface. Must outlive its sessions.
class ModelHandle {
  public:
    ModelHandle() = default;
    ModelHandle(const ModelHandle&) = delete;
    ModelHandle& operator=(const ModelHandle&) = delete;
    virtual ~ModelHandle() = default;

    /// Bad input: as Session::create. The executor's object must outlive the session.
    [[nodiscard]] virtual Result<std::unique_ptr<SessionHandle>> session(
        ExecutorRef executor, std::size_t context_tokens = 4096,
        std::size_t chunk_tokens = 512) const = 0;
    [[nodiscard]] virtual std::size_t vocab_size() const noexcept = 0;
    [[nodiscard]] virtual std::size_t memory_bytes() const noexcept = 0;
    /// Ids after which a text ends, as generation_config.json has them.
    [[nodiscard]] virtual std::span<const std::int32_t> stop_ids() const noexcept = 0;
};

/// Opens the model that CARAT_INSTANTIATE(Name, …) compiles, in whichever unit that stands; without
/// one the program does not link. Bad input: as Gemma4::open.
template <class Name>
[[nodiscard]] Result<std::unique_ptr<ModelHandle>> open(const std::string& folder);

}  // namespace carat::inline CARAT_ABI
