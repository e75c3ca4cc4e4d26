/// \file
/// A named pipe, which readers of files must refuse and not wait for.
#pragma once

#if defined(__unix__) && !defined(__EMSCRIPTEN__)
#define CARAT_TEST_PIPES 1

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace carat::test {

/// Nobody writes into it. It is there while the object is, and whoever waits that long ends the
/// program.
class Pipe {
  public:
    explicit Pipe(std::string path) : path_(std::move(path)) {
        REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
        ::alarm(60);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        ::alarm(0);
        std::remove(path_.c_str());
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    /// What a reader says of it.
    [[nodiscard]] std::string refusal() const {
        return path_ + ": cannot read: it is not a regular file";
    }

  private:
    std::string path_;
};

}  // namespace carat::test

#endif
