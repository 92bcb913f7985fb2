// What a refusal says.

#ifndef CSC_TESTS_LAYERS_MESSAGE_OF_H_
#define CSC_TESTS_LAYERS_MESSAGE_OF_H_

#include <opencv2/core.hpp>
#include <string>

namespace csc::test {

// The message of the cv::Exception that body() throws, else "no exception".
template <typename Body>
std::string MessageOf(const Body& body) {
  try {
    body();
  } catch (const cv::Exception& error) {
    return error.what();
  }
  return "no exception";
}

}  // namespace csc::test

#endif  // CSC_TESTS_LAYERS_MESSAGE_OF_H_
