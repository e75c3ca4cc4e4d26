/// \file
/// A small pool of threads that starts work within microseconds and sleeps when idle.
#pragma once

#include "carat/parallel/executor.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace carat::inline CARAT_ABI {

/// An Executor of `threads` threads, the caller's included, or of as many as the system grants:
/// concurrency() tells. One run at a time: run() may be called from any thread, but not from two at
/// once and not from inside a run. What f throws on the caller's thread goes on when all have
/// returned; on another it ends the program.
class ThreadPool {
  public:
    explicit ThreadPool(std::size_t threads) {
        const auto add = [this](std::size_t i) { workers_.emplace_back([this, i] { work(i); }); };
#if defined(__cpp_exceptions)
        try {
            for (std::size_t i = 1; i < threads; ++i) add(i);
        } catch (const std::exception&) {
            // No more threads, or no memory for them: those that are there work as well.
        }
#else
        for (std::size_t i = 1; i < threads; ++i) add(i);
#endif
    }
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    ~ThreadPool() {
        call_ = nullptr;
        begin_round();
    }  // the threads join

    [[nodiscard]] std::size_t concurrency() const noexcept { return workers_.size() + 1; }

    template <class F>
    void run(F&& f) {
        if (!workers_.empty()) {
            function_ = const_cast<void*>(static_cast<const void*>(std::addressof(f)));
            call_ = [](void* g, std::size_t i) {
                (*static_cast<std::remove_reference_t<F>*>(g))(i);
            };
            pending_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
            begin_round();
        }
        const Wait until_all_returned{*this};
        f(std::size_t{0});
    }

  private:
    using Call = void (*)(void*, std::size_t);

    /// Waits at the end of the scope, also where an exception leaves it: workers still use f.
    struct Wait {
        ThreadPool& pool;
        ~Wait() {
            for (std::uint32_t left; (left = pool.pending_.load()) != 0;)
                pool.wait_while(pool.pending_, left);
        }
    };

    /// Wakes nobody where nobody sleeps. The standard library counts who waits, but for all of the
    /// process: one idle pool would make every round of another a system call, 300 a token.
    void begin_round() {
        round_.fetch_add(1);
        if (sleepers_.load() != 0) round_.notify_all();
    }

    void work(std::size_t index) {
        std::uint32_t seen = 0;
        for (;;) {
            wait_while(round_, seen);
            seen = round_.load();
            if (call_ == nullptr) return;
            call_(function_, index);
            if (pending_.fetch_sub(1) == 1 && sleepers_.load() != 0) pending_.notify_one();
        }
    }

    /// Spins for some tens of microseconds, which is longer than the pauses between the products of
    /// a decode step; then lets others have the core, in case the one waited for needs it; then
    /// sleeps, so that an idle pool costs nothing.
    ///
    /// Here and where the value changes all is in one order (seq_cst): who goes to sleep counts
    /// itself before it looks at the value a last time, who changes the value looks at the count
    /// after.
    void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
        for (int i = 0; i < 1000; ++i) {
            if (value.load(std::memory_order_acquire) != old) return;
            pause();
        }
        for (int i = 0; i < 20; ++i) {
            std::this_thread::yield();
            if (value.load(std::memory_order_acquire) != old) return;
        }
        sleepers_.fetch_add(1);
        value.wait(old);
        sleepers_.fetch_sub(1);
    }
    /// On AArch64 `yield` does nothing in most processors and would make the spin a microsecond or
    /// two; a barrier of instructions takes about as long as x86's pause. WebAssembly has neither:
    /// it spins less long, and yields.
    static void pause() {
#if defined(__x86_64__) || defined(_M_X64)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("isb" ::: "memory");
#endif
    }

    // Each on a cache line of its own: workers poll the one while others count down the other.
    alignas(64) std::atomic<std::uint32_t> round_{0};
    alignas(64) std::atomic<std::uint32_t> pending_{0};
    alignas(64) std::atomic<std::uint32_t> sleepers_{0};
    alignas(64) Call call_ = nullptr;
    void* function_ = nullptr;
    std::vector<std::jthread> workers_;  // last, so that the threads end before what they use
};

}  // namespace carat::inline CARAT_ABI
