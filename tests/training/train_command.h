// The training driver run on few digits, as a user would.

#ifndef CSC_TESTS_TRAINING_TRAIN_COMMAND_H_
#define CSC_TESTS_TRAINING_TRAIN_COMMAND_H_

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/training/program.h"

namespace csc::test {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

inline Ended Train(const Words& options, int signal = 0, const std::string& marker = "") {
  Words command = {"training/train"};
  command.insert(command.end(), options.begin(), options.end());
  return RunCommand(command, signal, marker);
}

inline Words Tiny(const std::string& out, const Words& more = {}) {
  Words options = {"--depth",      "1",  "--width",      "2", "--limit-train", "24",
                   "--limit-test", "12", "--batch-size", "8", "--out",         out};
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

inline int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// What result.json says of how a training was computed.
inline std::string HowComputed(const std::string& json) {
  const Json result = Json::parse(json);
  return result["arithmetic"].get<std::string>() + " " + result["memory"].get<std::string>();
}

}  // namespace csc::test

#endif  // CSC_TESTS_TRAINING_TRAIN_COMMAND_H_
