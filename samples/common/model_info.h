// What a model file says of itself but OpenCV's Net does not pass on: the size
// of its input and the names of its classes.

#ifndef CSC_SAMPLES_COMMON_MODEL_INFO_H_
#define CSC_SAMPLES_COMMON_MODEL_INFO_H_

#include <string>
#include <vector>

#include "solvers/tensor.h"

namespace csc {

struct ModelInfo {
  Shape input;                      // zeros where the model leaves a size open
  std::vector<std::string> labels;  // may be empty
};

// Reads any ONNX file, whatever its operators. The labels are the lines of
// labels.txt beside it, else the model's metadata entry "labels" (a JSON list),
// else none. Throws Error naming the file and what is wrong.
ModelInfo ReadModelInfo(const std::string& path);

}  // namespace csc

#endif  // CSC_SAMPLES_COMMON_MODEL_INFO_H_
