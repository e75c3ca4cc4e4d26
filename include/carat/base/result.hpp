/// \file
/// Result<T>: a value, or an Error that says what went wrong, where, and what was expected.
///
/// The names are those of std::expected, which g++ 12 has in C++23 only. `value()` throws and
/// exists only where exceptions do; everything else works without them.
#pragma once

#include "carat/base/abi.hpp"

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace carat::inline CARAT_ABI {

/// What kind of thing went wrong, for programs; the text of an Error is for people.
enum class Errc {
    io,                ///< the operating system refused: no such file, no permission, short read
    bad_format,        ///< bytes that are not what they claim to be
    mismatch,          ///< well formed, but for another configuration: a shape, a name, a type
    unsupported,       ///< well formed and understood, but carat does not do it
    invalid_argument,  ///< the caller asked for something that makes no sense
    out_of_range,      ///< an id, an index or a length beyond its limit
    out_of_memory,     ///< an allocation was refused
    cancelled,         ///< the caller's callback said stop
};

struct Error {
    Errc code = Errc::invalid_argument;
    std::string text;  ///< one or more lines: what, where, what was expected
};

#if defined(__cpp_exceptions)
/// Thrown by Result::value() and by nothing else.
class BadResult : public std::exception {
  public:
    explicit BadResult(Error error) : error_(std::move(error)) {}
    [[nodiscard]] const Error& error() const noexcept { return error_; }
    /// The error's text.
    [[nodiscard]] const char* what() const noexcept override { return error_.text.c_str(); }

  private:
    Error error_;
};
#endif

/// A T or an Error. Like std::expected, it must be looked at: `if (!r) return r.error();` The move
/// of a T must not throw. By hand: of all functions that a program makes the compiler read to open
/// a model, a std::variant for each T would be a sixth.
template <class T>
class [[nodiscard]] Result {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "carat: a Result's value must not throw when it moves");

  public:
    using value_type = T;

    Result(T value) : value_(std::move(value)), has_value_(true) {}
    Result(Error error) : error_(std::move(error)), has_value_(false) {}
    Result(const Result& other) requires std::is_copy_constructible_v<T>
        : has_value_(other.has_value_) {
        if (has_value_) {
            new (&value_) T(other.value_);
        } else {
            new (&error_) Error(other.error_);
        }
    }
    Result(Result&& other) noexcept : has_value_(other.has_value_) {
        if (has_value_) {
            new (&value_) T(std::move(other.value_));
        } else {
            new (&error_) Error(std::move(other.error_));
        }
    }
    Result& operator=(Result other) noexcept {
        this->~Result();
        return *new (this) Result(std::move(other));
    }
    ~Result() {
        if (has_value_) {
            value_.~T();
        } else {
            error_.~Error();
        }
    }

    [[nodiscard]] bool has_value() const noexcept { return has_value_; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value. Only after has_value() said so.
    T& operator*() & noexcept { return value_; }
    const T& operator*() const& noexcept { return value_; }
    T&& operator*() && noexcept { return std::move(value_); }
    T* operator->() noexcept { return &value_; }
    const T* operator->() const noexcept { return &value_; }

    /// The error. Only after has_value() said no.
    Error& error() & noexcept { return error_; }
    const Error& error() const& noexcept { return error_; }
    Error&& error() && noexcept { return std::move(error_); }

#if defined(__cpp_exceptions)
    T& value() & {
        if (!has_value()) throw BadResult(error());
        return **this;
    }
    const T& value() const& {
        if (!has_value()) throw BadResult(error());
        return **this;
    }
    T&& value() && {
        if (!has_value()) throw BadResult(error());
        return *std::move(*this);
    }
#endif

  private:
    union {
        T value_;
        Error error_;
    };
    bool has_value_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
  public:
    using value_type = void;

    Result() = default;
    Result(Error error) : error_(std::move(error)), failed_(true) {}

    [[nodiscard]] bool has_value() const noexcept { return !failed_; }
    explicit operator bool() const noexcept { return !failed_; }

    Error& error() & noexcept { return error_; }
    const Error& error() const& noexcept { return error_; }
    Error&& error() && noexcept { return std::move(error_); }

#if defined(__cpp_exceptions)
    void value() const {
        if (failed_) throw BadResult(error_);
    }
#endif

  private:
    Error error_;
    bool failed_ = false;
};

#if defined(__cpp_exceptions)
namespace detail {

/// The error, and of what it is where there is memory for that.
[[nodiscard]] [[gnu::noinline, gnu::cold]] inline Error memory_error(const char* why,
                                                                     std::string_view what) {
    Error error{Errc::out_of_memory, why};  // short enough not to need any
    try {
        if (!what.empty()) error.text = std::string(what) + ": " + why;
    } catch (const std::bad_alloc&) {
    } catch (const std::length_error&) {
    }
    return error;
}

}  // namespace detail
#endif

/// f() with the standard library's complaints about memory as errors, for the doors that strangers'
/// files come through. `what` says in them what there was no memory for. Without exceptions an
/// allocation that fails ends the program, as everywhere in the standard library.
template <class F>
auto memory_errors([[maybe_unused]] std::string_view what, F&& f) -> decltype(f()) {
#if defined(__cpp_exceptions)
    try {
        return f();
    } catch (const std::bad_alloc&) {
        return detail::memory_error("out of memory", what);
    } catch (const std::length_error&) {
        return detail::memory_error("too long", what);
    }
#else
    return f();
#endif
}
template <class F>
auto memory_errors(F&& f) -> decltype(f()) {
    return memory_errors({}, std::forward<F>(f));
}

}  // namespace carat::inline CARAT_ABI
