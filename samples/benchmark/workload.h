// A case made ready: the network with its parameters, images and labels, and
// what its work amounts to.

#ifndef CSC_SAMPLES_BENCHMARK_WORKLOAD_H_
#define CSC_SAMPLES_BENCHMARK_WORKLOAD_H_

#include <cstdint>
#include <vector>

#include "samples/benchmark/cases.h"
#include "solvers/engines/engine.h"
#include "solvers/network/network.h"
#include "solvers/program/program.h"
#include "training/models/training_program.h"

namespace csc {

struct Workload {
  Case what;
  Model model;
  TrainingProgram training;
  std::vector<float> parameters;  // of `training`: as training starts
  // The network frozen with the moments of some images, so that values have the
  // sizes they have in use. For inference only.
  Network network;
  Program program;  // what is run: the network's, or the training step's

  // For one image. FLOPs of the direct form (solvers/program/cost.h); bytes read
  // and written if every instruction took its terms from memory and wrote
  // its result there. An engine that keeps values in caches moves less.
  double flops = 0;
  double bytes = 0;

  std::vector<uint8_t> pixels;  // of at least the largest batch and kChecked images
  std::vector<float> images;    // the same images as floats
  std::vector<int32_t> labels;  // as many

  int64_t largest_batch() const;
};

// Images on which results are compared.
inline constexpr int64_t kChecked = 4;

inline constexpr int64_t kClasses = 10;
inline constexpr uint8_t kWhite = 255;

// The same numbers every time. The moments are measured on `engine`.
Workload MakeWorkload(const Case& what, const Engine& engine, Executor* executor);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_WORKLOAD_H_
