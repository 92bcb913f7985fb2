// Bad input must be refused with a message that says what was wrong.

#ifndef CSC_TESTS_SOLVERS_REFUSAL_H_
#define CSC_TESTS_SOLVERS_REFUSAL_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "solvers/error.h"

namespace csc::test {

// Calls `body`, which must throw Error with all of `parts` in its message: the
// name of what is wrong, the value found and the value expected.
template <typename Body>
void ExpectRefusal(const Body& body, const std::vector<std::string>& parts) {
  try {
    body();
    ADD_FAILURE() << "accepted; expected a message with " << ::testing::PrintToString(parts);
  } catch (const Error& error) {
    for (const std::string& part : parts) EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_REFUSAL_H_
