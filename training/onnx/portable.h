// A program as standard ONNX nodes: each instruction becomes a node or a few.

#ifndef CSC_TRAINING_ONNX_PORTABLE_H_
#define CSC_TRAINING_ONNX_PORTABLE_H_

#include <string>
#include <vector>

#include "solvers/program/program.h"
#include "training/onnx/graph_builder.h"

namespace csc {

// Appends nodes that compute the only output of `program` from its only input.
// The graph's tensors are named `input` and `output` there; both are 4-D.
// `parameters` is the program's flat array. Throws Error for programs with
// batch statistics, a loss or gradients, which are no inference.
//
// Written for what OpenCV 4.6's importer gets right: convolutions are padded
// alike on opposite sides, transposed ones have no dilation, channel constants
// are [C, 1, 1], no node reads one tensor twice.
void AppendPortable(const Program& program, const std::vector<float>& parameters,
                    const std::string& input, const std::string& output, GraphBuilder* graph);

}  // namespace csc

#endif  // CSC_TRAINING_ONNX_PORTABLE_H_
