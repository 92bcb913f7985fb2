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
  // The forward pass of it alone.
  Program forward;
  std::vector<Moments> moments;

  // Entries of RunArguments::statistics that hold moments: its first ones.
  int64_t moments_size() const;
  int64_t statistics_size() const;  // all entries
};

// Forward pass with batch statistics, softmax loss with so much label
// smoothing, and their adjoint.
TrainingProgram BuildTrainingProgram(const Model& model, double label_smoothing = 0);

// Means 0 and variances 1, laid out as the moments.
std::vector<float> InitialMoments(const TrainingProgram& training);

// The moments of many images from those of their batches.
class MomentSums {
 public:
  explicit MomentSums(const TrainingProgram& training);

  // `statistics` of a run of the forward program on so many images.
  void Add(int64_t images, const float* statistics);
  // Sums over batches, for several processes to add up.
  std::vector<double>* sums() { return &sums_; }
  // Means and biased variances over all images added, laid out as the moments.
  std::vector<float> Moments() const;

 private:
  const TrainingProgram& training_;
  // For each channel the sums of its mean and of its mean of squares, weighted
  // by the images; the number of images last.
  std::vector<double> sums_;
};

// The network with these moments in place of each batch's: scales
// and thresholds of normalised layers become a = gamma / sqrt(variance +
// epsilon) and b + a mean, one row for each iteration; LayeredThreshold, which
// has no scale, takes a into its filters.
Network Freeze(const Model& model, const TrainingProgram& training,
               const std::vector<float>& parameters, const std::vector<float>& moments);

}  // namespace csc

#endif  // CSC_TRAINING_MODELS_TRAINING_PROGRAM_H_
