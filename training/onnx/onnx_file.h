// Trained networks as ONNX files.
//
// One network can be written in three forms, for three kinds of reader:
//
//   fused     one csc.Network node that holds the whole network. What the
//             OpenCV plugin runs fastest.
//   layered   one node for each layer, csc operators with every attribute
//             written out; for those who want to see or edit the graph.
//   portable  standard operators only, for any ONNX runtime and for OpenCV
//             without the plugin. It cannot be read back.

#ifndef CSC_TRAINING_ONNX_ONNX_FILE_H_
#define CSC_TRAINING_ONNX_ONNX_FILE_H_

#include <string>
#include <vector>

#include "solvers/network/network.h"
#include "solvers/tensor.h"

namespace csc {

enum class OnnxForm { kFused, kLayered, kPortable };

// "fused", "layered" or "portable"; throws Error for anything else.
OnnxForm ParseOnnxForm(const std::string& name);
std::string ToString(OnnxForm form);

// Writes `network` for inputs of shape `input` [C, H, W]; the batch is left
// symbolic. The file is written beside `path` and renamed, so that a reader
// never meets half of it. `labels` are the names of the classes, or none.
// Throws Error for a network that does not pass CheckNetwork, for one that the
// form cannot express (the message says why), and when writing fails.
void WriteOnnx(const Network& network, const Shape& input, OnnxForm form, const std::string& path,
               const std::vector<std::string>& labels = {});

struct OnnxModel {
  Network network;  // has passed CheckNetwork
  Shape input;      // zeros where the file leaves a size open
  std::vector<std::string> labels;
};

// Reads the fused and the layered form, also of files made by other programs
// after the layer contract. Throws Error, naming the node and what is wrong.
OnnxModel ReadOnnx(const std::string& path);

}  // namespace csc

#endif  // CSC_TRAINING_ONNX_ONNX_FILE_H_
