// The program that lays a layer's sparse coding open: what to run, and what to
// make of it.

#ifndef CSC_TRAINING_REPORT_PROBE_H_
#define CSC_TRAINING_REPORT_PROBE_H_

#include <cstdint>
#include <vector>

#include "solvers/network/layer.h"
#include "solvers/program/program.h"
#include "solvers/tensor.h"
#include "training/report/white_box.h"

namespace csc {

// sum_j weight_j |g_j| + 1/2 sum_j ridge_j g_j^2 for a code among the
// program's outputs; one entry a channel.
struct Penalty {
  int code = -1;
  std::vector<double> weight;
  std::vector<double> ridge;
};

// 1/2 ||x - gain * reconstruction||^2 + penalties of one iterate.
struct ObjectiveTerms {
  int64_t iteration = 0;
  int reconstruction = -1;
  std::vector<Penalty> penalties;
};

// One row of figures and how its open ones follow from the program's outputs.
// Outputs are given by number, -1 for none.
struct DictionaryProbe {
  DictionaryFigures figures;
  const Tensor* filters = nullptr;
  Geometry geometry;
  bool identity = false;

  int code = -1;                  // for the sparsity
  int input = -1;                 // x, where it is not the layer's input
  double gain = 1;                // of reconstructions
  int reconstruction = -1;        // of the last iterate
  std::vector<double> tolerance;  // 2 beta, one a channel of x
  std::vector<ObjectiveTerms> objective;
};

// A layer's program for inputs of one shape: output 0 is the layer's own.
struct LayerProbe {
  Program program;
  std::vector<DictionaryProbe> dictionaries;  // none of other layers
};

// `parameters` are the layer's constants, which must outlive the probe.
LayerProbe MakeProbe(const LayerSpec& layer, const std::vector<Tensor>& parameters,
                     const Shape& input);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_PROBE_H_
