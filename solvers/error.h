// The one family of exceptions this library throws.
//
// A message names what was wrong, the value found and the value expected, so
// that it can be shown to a user as it stands.

#ifndef CSC_SOLVERS_ERROR_H_
#define CSC_SOLVERS_ERROR_H_

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace csc {

// Base of everything thrown by this library.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An engine cannot run a program, or is absent; the message says why.
class EngineDeclined : public Error {
 public:
  using Error::Error;
};

// Throws Error with the formatted message.
template <typename... Args>
[[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

// Throws Error with the formatted message unless `condition` holds. The arguments
// are evaluated either way, so they must be valid either way.
template <typename... Args>
void Require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) Fail(format, std::forward<Args>(args)...);
}

}  // namespace csc

#endif  // CSC_SOLVERS_ERROR_H_
