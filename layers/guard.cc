#include "layers/guard.h"

namespace csc {

void ThrowCv(int code, const std::string& where, const std::string& what) {
  // By way of cv::error, so that handlers set by cv::redirectError see it.
  cv::error(cv::Exception(code, where + ": " + what, "csc", __FILE__, __LINE__));
}

}  // namespace csc
