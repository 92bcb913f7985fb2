// The one way out of a layer for errors: cv::Exception, naming the layer.

#ifndef CSC_LAYERS_GUARD_H_
#define CSC_LAYERS_GUARD_H_

#include <new>
#include <opencv2/core.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "solvers/error.h"

namespace csc {

// `code` is one of cv::Error::Code.
[[noreturn]] void ThrowCv(int code, const std::string& where, const std::string& what);

// Returns body(); whatever it throws leaves as cv::Exception whose message
// begins with `where`. OpenCV's own exceptions pass as they are.
template <typename Body>
auto Guard(const std::string& where, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const cv::Exception&) {
    throw;
  } catch (const Error& error) {
    ThrowCv(cv::Error::StsBadArg, where, error.what());
  } catch (const std::bad_alloc&) {
    ThrowCv(cv::Error::StsNoMem, where, "there is not enough memory");
  } catch (const std::length_error&) {
    ThrowCv(cv::Error::StsNoMem, where, "there is not enough memory");
  } catch (const std::exception& error) {
    ThrowCv(cv::Error::StsError, where, error.what());
  } catch (...) {
    ThrowCv(cv::Error::StsError, where, "an exception of unknown type");
  }
}

}  // namespace csc

#endif  // CSC_LAYERS_GUARD_H_
