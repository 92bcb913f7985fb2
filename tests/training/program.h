// Runs the built programs as a user would.

#ifndef CSC_TESTS_TRAINING_PROGRAM_H_
#define CSC_TESTS_TRAINING_PROGRAM_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace csc::test {

struct Ended {
  int status = -1;  // exit status, or minus the signal that ended it
  std::string out;
  std::string err;
};

// Runs `command` (a path in the runfiles, and arguments) to its end. When
// `signal` is not 0, it is sent as soon as standard error holds `marker`.
Ended RunCommand(const std::vector<std::string>& command, int signal = 0,
                 const std::string& marker = "");

// Something that is done to the program from outside, once.
struct Disturbance {
  std::function<void(pid_t)> act;
  std::string marker;  // as soon as standard error holds this
  double seconds = 0;  // or, without a marker, so long after the start
};
Ended RunCommand(const std::vector<std::string>& command, const Disturbance& disturbance);

}  // namespace csc::test

#endif  // CSC_TESTS_TRAINING_PROGRAM_H_
