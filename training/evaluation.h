// How well a network classifies.

#ifndef CSC_TRAINING_EVALUATION_H_
#define CSC_TRAINING_EVALUATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/network/network.h"
#include "training/data/dataset.h"
#include "training/parallel/communicator.h"

namespace csc {

struct Evaluation {
  double loss = 0;  // mean cross-entropy
  double accuracy = 0;
  bool complete = true;  // false when it was stopped
  // [K, K], rows the true class: how many of its images were taken for each.
  // One whose logits are not finite was taken for none.
  std::vector<int64_t> confusion;
};

// Adds up a batch: logits [N, K] against labels [N].
struct Score {
  double loss = 0;
  int64_t correct = 0;
  std::vector<int64_t> confusion;  // as in Evaluation; empty before the first

  void Add(const float* logits, const int32_t* labels, int64_t batch, int64_t classes);
};

// Runs networks of one structure on one engine. Keeps references to the engine
// and the executor.
class Evaluator {
 public:
  Evaluator(const Engine& engine, Executor* executor, const Network& network, const Shape& input,
            int64_t batch_size);

  // `network` has the structure given at construction, with any constants. The
  // engine prepares anew when a step has become 0 or ceased to be.
  // Gives up between two batches once `stop` returns true. Processes with a
  // communicator share the images and all get the sums; they cannot be stopped.
  Evaluation Evaluate(const Network& network, const DataSet& data, const Images& images,
                      const std::function<bool()>& stop = nullptr,
                      Communicator* communicator = nullptr);

 private:
  void Prepare(const Network& network);

  const Engine& engine_;
  Executor* executor_;
  Shape input_;
  int64_t batch_size_;
  int64_t classes_ = 0;
  std::vector<bool> zero_steps_;  // of the program prepared
  std::unique_ptr<Executable> executable_;
};

}  // namespace csc

#endif  // CSC_TRAINING_EVALUATION_H_
