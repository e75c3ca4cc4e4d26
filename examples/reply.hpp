// What talking programs measure and show: time, memory, and how far long work is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <sys/resource.h>
#include <unistd.h>

class Stopwatch {
  public:
    [[nodiscard]] double ms() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
            .count();
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The largest resident size so far, mapped pages of files included.
inline std::size_t peak_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

/// "reading 43 %" on a terminal's standard error if work takes long, nothing in a pipe.
class ProgressLine {
  public:
    explicit ProgressLine(const char* what) : what_(what) {}
    bool operator()(std::size_t done, std::size_t total) {
        const auto percent =
            static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
        if (isatty(STDERR_FILENO) == 0 || watch_.ms() < 300 || percent == shown_) return true;
        shown_ = percent;
        std::fprintf(stderr, "\r%s %d %%", what_, percent);
        return true;
    }
    void clear() {
        if (shown_ >= 0) std::fprintf(stderr, "\r\033[K");
        shown_ = -1;
    }

  private:
    const char* what_;
    Stopwatch watch_;
    int shown_ = -1;
};
