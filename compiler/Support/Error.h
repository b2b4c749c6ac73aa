// SPDX-License-Identifier: Apache-2.0
//
// Errors of the compiler side: a value, never an exception. An error is one sentence for the user and the exit code
// that a program ending because of it returns.
#ifndef YUPANA_COMPILER_SUPPORT_ERROR_H
#define YUPANA_COMPILER_SUPPORT_ERROR_H

#include <fmt/format.h>

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace yupana {

/// Exit codes, the same in every program of the project.
enum class ExitCode : int {
  Done = 0,
  Internal = 1,
  Usage = 2,
  MissingFile = 3,  ///< A file does not exist or cannot be read.
  InvalidInput = 4, ///< A file is corrupt or contradicts itself.
  Unsupported = 5,  ///< The input may be right, but this model or feature is not supported.
  DoesNotFit = 6,   ///< Plan and device do not fit.
  OutOfSpace = 7,   ///< Not enough memory or disk.
  BadDigest = 8,    ///< A digest or signature is wrong.
  Interrupted = 130,
};

/// What went wrong. `message` is one sentence without a final newline that names the file, the tensor or field, what
/// was found and what was expected.
struct Error {
  ExitCode code = ExitCode::Internal;
  std::string message;
};

/// Builds an error from a format string of fmt.
template <typename... Args>
[[nodiscard]] Error makeError(ExitCode code, fmt::format_string<Args...> format, Args &&...args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...)};
}

/// The same error with "`context`: " before its message.
[[nodiscard]] Error withContext(Error error, std::string_view context);

/// `text`, which comes from a file, as it may stand in a message: in single quotes, control characters and bytes
/// outside ASCII as \xNN, shortened after 120 characters.
[[nodiscard]] std::string inQuotes(std::string_view text);

/// A value of type T or the error that prevented it. Converts to true when it holds the value; reading the value of an
/// error, or the error of a value, is a fault of the program.
template <typename T> class [[nodiscard]] Result {
public:
  Result(Error error) : state(std::in_place_index<1>, std::move(error)) {}
  Result(const T &value) : state(std::in_place_index<0>, value) {}
  Result(T &&value) : state(std::in_place_index<0>, std::move(value)) {}
  /// Also accepts what converts to T, such as unique_ptr<Derived> for unique_ptr<Base>.
  template <typename U,
            typename = std::enable_if_t<std::is_convertible_v<U &&, T> && !std::is_same_v<std::decay_t<U>, Result> &&
                                        !std::is_same_v<std::decay_t<U>, Error> && !std::is_same_v<std::decay_t<U>, T>>>
  Result(U &&value) : state(std::in_place_index<0>, std::forward<U>(value)) {}

  [[nodiscard]] bool ok() const { return state.index() == 0; }
  explicit operator bool() const { return ok(); }

  T &value() & { return assertValue(), *std::get_if<0>(&state); }
  const T &value() const & { return assertValue(), *std::get_if<0>(&state); }
  T &&value() && { return assertValue(), std::move(*std::get_if<0>(&state)); }
  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(*this).value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }

  const Error &error() const { return assert(!ok() && "no error"), *std::get_if<1>(&state); }
  /// Moves the error out, to be returned by the caller.
  Error takeError() { return assert(!ok() && "no error"), std::move(*std::get_if<1>(&state)); }

private:
  void assertValue() const { assert(ok() && "no value"); }

  std::variant<T, Error> state;
};

/// Success or an error. Default construction is success: `return {};`.
template <> class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : state(std::move(error)) {}

  [[nodiscard]] bool ok() const { return !state; }
  explicit operator bool() const { return ok(); }

  const Error &error() const { return assert(!ok() && "no error"), *state; }
  Error takeError() { return assert(!ok() && "no error"), std::move(*state); }

private:
  std::optional<Error> state;
};

} // namespace yupana

#define YUPANA_CONCAT_IMPL(a, b) a##b
#define YUPANA_CONCAT(a, b) YUPANA_CONCAT_IMPL(a, b)

/// Evaluates `expr`, a Result; returns its error from the enclosing function if it has one.
#define YUPANA_RETURN_IF_ERROR(expr)                                                                                   \
  do {                                                                                                                 \
    if (auto yupanaResult = (expr); !yupanaResult.ok())                                                                \
      return yupanaResult.takeError();                                                                                 \
  } while (false)

/// `YUPANA_ASSIGN_OR_RETURN(auto x, f());` declares or assigns x from the value of f(), or returns f()'s error.
#define YUPANA_ASSIGN_OR_RETURN(lhs, expr)                                                                             \
  YUPANA_ASSIGN_OR_RETURN_IMPL(YUPANA_CONCAT(yupanaResult, __LINE__), lhs, expr)
#define YUPANA_ASSIGN_OR_RETURN_IMPL(result, lhs, expr)                                                                \
  auto result = (expr);                                                                                                \
  if (!result.ok())                                                                                                    \
    return result.takeError();                                                                                         \
  lhs = std::move(result).value()

#endif // YUPANA_COMPILER_SUPPORT_ERROR_H
