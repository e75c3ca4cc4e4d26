/// \file
/// A system that refuses: memory, when told to, and space on the disk, and address space, in a
/// process of its own. This replaces the operator new of the whole test binary: one unit of it may
/// include this.
#pragma once

#include "carat/base/result.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>

#if defined(__unix__)
#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#if defined(__cpp_exceptions)
namespace {

constexpr std::size_t never = std::numeric_limits<std::size_t>::max();
thread_local std::size_t allocations_left = never;

void* allocate(std::size_t size) noexcept {
    if (allocations_left == 0) return nullptr;
    if (allocations_left != never) --allocations_left;
    return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void release(void* p) noexcept { std::free(p); }

}  // namespace

void* operator new(std::size_t size) {
    void* p = allocate(size);
    if (p == nullptr) throw std::bad_alloc();
    return p;
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
#endif

namespace carat::test {

#if defined(__cpp_exceptions)
/// Runs f with 0, 1, 2, … allocations (in growing steps from some hundred on) until it succeeds.
/// How often it failed.
template <class F>
std::size_t fail_until_good(F&& f) {
    std::size_t failures = 0;
    for (std::size_t n = 0; n < 10'000'000; n += 1 + n / 50) {
        allocations_left = n;
        auto result = f();
        allocations_left = never;
        if (result) return failures;
        if (result.error().code != Errc::out_of_memory) {
            FAIL(result.error().text);
            return 0;
        }
        ++failures;
    }
    FAIL("never succeeds");
    return failures;
}
#endif

#if defined(__unix__)
/// f in a process of its own, which may be limited; its answer.
template <class F>
int in_child(F&& f) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(f());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/// No file of this process becomes longer than that: a disk that is full.
inline bool limit_files(std::size_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit most{bytes, bytes};
    return ::setrlimit(RLIMIT_FSIZE, &most) == 0;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// Lets this process take so many more bytes of address space.
inline bool spare_address_space(std::size_t more) {
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    std::size_t pages = 0;
    if (file == nullptr || std::fscanf(file, "%zu", &pages) != 1) return false;
    std::fclose(file);
    const std::size_t now = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const rlimit limit{now + more, now + more};
    return ::setrlimit(RLIMIT_AS, &limit) == 0;
}
#endif
#endif

}  // namespace carat::test
