// A model as the program of a training step, and frozen as a network.

#ifndef CSC_TRAINING_MODELS_TRAINING_PROGRAM_H_
#define CSC_TRAINING_MODELS_TRAINING_PROGRAM_H_

#include <vector>

#include "solvers/program/program.h"
#include "training/models/model.h"

namespace csc {

// Batch moments of one normalisation, in the order of the program's
// statistics, of which they come first.
struct Moments {
  int layer;  // of the model
  int64_t channels;
  int64_t positions;  // height times width: values of a sample they sum over
};

struct TrainingProgram {
  // One input, images; logits as its output; the loss; all gradients.
  Program program;
  std::vector<Moments> moments;

  // Entries of RunArguments::statistics that hold moments: its first ones.
  int64_t moments_size() const;
  int64_t statistics_size() const;  // all entries
};

// Forward pass with batch statistics, softmax loss with so much label
// smoothing, and their adjoint.
TrainingProgram BuildTrainingProgram(const Model& model, double label_smoothing = 0);

// Means 0 and variances 1, laid out as the moments.
std::vector<float> InitialRunningStatistics(const TrainingProgram& training);

// running += 0.1 (batch - running), the variance unbiased, as PyTorch does.
void UpdateRunningStatistics(const TrainingProgram& training, int64_t batch,
                             const float* statistics, std::vector<float>* running);

// The network with these running statistics in place of the batch's: scales
// and thresholds of normalised layers become a = gamma / sqrt(variance +
// epsilon) and b + a mean, one row for each iteration; LayeredThreshold, which
// has no scale, takes a into its filters.
Network Freeze(const Model& model, const TrainingProgram& training,
               const std::vector<float>& parameters, const std::vector<float>& running);

}  // namespace csc

#endif  // CSC_TRAINING_MODELS_TRAINING_PROGRAM_H_
