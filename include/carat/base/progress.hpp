/// \file
/// Progress: how long work tells its caller how far it is, and is told to stop.
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <memory>
#include <type_traits>

namespace carat::inline CARAT_ABI {

/// A reference to `bool f(std::size_t done, std::size_t total)`, or to nothing. f returns false to
/// cancel. It is called on the thread that does the work, at least once a layer. The function must
/// outlive the call it is passed to.
class Progress {
  public:
    Progress() = default;
    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Progress> &&
             std::is_invocable_r_v<bool, F&, std::size_t, std::size_t>) Progress(F&& f)
    noexcept
        : function_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
          call_([](void* g, std::size_t done, std::size_t total) -> bool {
              return (*static_cast<std::remove_reference_t<F>*>(g))(done, total);
          }) {}

    /// True to go on.
    bool operator()(std::size_t done, std::size_t total) const {
        return call_ == nullptr || call_(function_, done, total);
    }

  private:
    void* function_ = nullptr;
    bool (*call_)(void*, std::size_t, std::size_t) = nullptr;
};

}  // namespace carat::inline CARAT_ABI
