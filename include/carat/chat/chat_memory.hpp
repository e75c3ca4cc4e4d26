/// \file
/// What a chat's session holds: which tokens, and how much of a prompt they spare.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_prompt.hpp"
#include "carat/config/model_config.hpp"
#include "carat/generate/generate.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace carat::inline CARAT_ABI {

template <class M>
class ChatMemory {
  public:
    using Model = M;
    using Session = typename Model::Session;

    explicit ChatMemory(Session session, ChatTokens held = {})
        : session_(std::move(session)), held_(std::move(held)) {}

    [[nodiscard]] Session& session() noexcept { return session_; }
    [[nodiscard]] const Session& session() const noexcept { return session_; }
    [[nodiscard]] const ChatTokens& held() const noexcept { return held_; }

    void forget() {
        held_ = {};
        session_.clear();
    }
    /// Reads what the session does not hold yet of a prompt, for a generation of this session. How
    /// much it held. Bad input: what Generation::read refuses.
    Result<std::size_t> read(const ChatPrompt& p, Generation<typename Model::Text>& generation,
                             Progress progress) {
        ChatTokens all = p;  // before anything changes, for there may be no memory
        const std::size_t kept = keep_prefix(p);
        auto done = generation.read(behind(p, kept), progress);
        held_ = std::move(all);
        if (done) return kept;
        held_.resize(session_.size());
        return std::move(done).error();
    }
    /// Tokens that the model chose; the session holds all but the last.
    void add(std::span<const std::int32_t> ids) {
        held_.contents.reserve(held_.ids.size() + ids.size());  // both grow, or neither
        held_.ids.insert(held_.ids.end(), ids.begin(), ids.end());
        held_.resize(session_.size());
    }
    [[nodiscard]] Result<ChatMemory> fork() const {
        auto session = session_.fork();
        if (!session) return std::move(session).error();
        return ChatMemory(*std::move(session), held_);
    }

    /// Becomes a state that a session saved; hold() then says of which tokens. Bad input: what
    /// Session::load refuses. Nothing is held until then.
    Result<void> load(std::span<const std::byte> state) {
        forget();  // before the session changes: after a failure neither is believed
        return session_.load([&](std::span<std::byte> to) {
            if (to.size() > state.size()) return false;
            std::copy_n(state.begin(), to.size(), to.begin());
            state = state.subspan(to.size());
            return true;
        });
    }
    /// False, and nothing is held, where the session holds another number of tokens.
    bool hold(ChatTokens tokens) {
        if (tokens.ids.empty() || session_.size() != tokens.ids.size()) forget();
        if (session_.size() != tokens.ids.size()) return false;
        held_ = std::move(tokens);
        return true;
    }

  private:
    /// How many tokens of the prompt the session holds already; the others it holds are forgotten.
    std::size_t keep_prefix(const ChatTokens& p) {
        std::size_t n = shared_prefix(held_, p);
        if (!session_.rewind(n)) {
            session_.clear();
            n = 0;
        }
        held_.resize(n);
        return n;
    }
    /// A prompt behind its first `kept` tokens.
    static SessionInput<typename Model::Text> behind(const ChatPrompt& p, std::size_t kept) {
        SessionInput<typename Model::Text> in;
        in.ids = std::span(p.ids).subspan(kept);
        if (!p.types.empty()) in.token_types = std::span(p.types).subspan(kept);
        if (p.rows.empty()) return in;
        constexpr MediaTokens tokens = Model::config.tokens;
        constexpr std::size_t hidden = Model::Text::hidden;
        const auto placeholder = [&](std::int32_t id) { return tokens.is_placeholder(id); };
        const auto middle = p.ids.begin() + static_cast<std::ptrdiff_t>(kept);
        const auto before =
            static_cast<std::size_t>(std::count_if(p.ids.begin(), middle, placeholder));
        const auto rows = p.rows.size() / hidden;  // the session refuses another number
        if (rows > before)
            in.soft_tokens =
                View<const float, dynamic, hidden>(p.rows.data() + before * hidden, rows - before);
        return in;
    }

    Session session_;
    ChatTokens held_;
};

}  // namespace carat::inline CARAT_ABI
