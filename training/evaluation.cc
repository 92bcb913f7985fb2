#include "training/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "solvers/error.h"

namespace csc {

void Score::Add(const float* logits, const int32_t* labels, int64_t batch, int64_t classes) {
  confusion.resize(classes * classes);
  for (int64_t n = 0; n < batch; ++n, logits += classes) {
    const float* largest = std::max_element(logits, logits + classes);
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) {
      sum += std::exp(double{logits[k]} - *largest);
    }
    loss += std::log(sum) + *largest - logits[labels[n]];
    // A NaN is no answer, whatever position max_element picks.
    if (!std::isfinite(sum)) continue;
    correct += largest - logits == labels[n];
    ++confusion[labels[n] * classes + (largest - logits)];
  }
}

Evaluator::Evaluator(const Engine& engine, Executor* executor, const Network& network,
                     const Shape& input, int64_t batch_size)
    : engine_(engine), executor_(executor), input_(input), batch_size_(batch_size) {
  Prepare(network);
}

void Evaluator::Prepare(const Network& network) {
  executable_.reset();  // its memory may be needed
  const Program program = BuildProgram(network, input_);
  const Shape& out = program.shape(program.outputs().at(0));
  Require(out.height == 1 && out.width == 1, "the network's output is {}: [classes, 1, 1] expected",
          ToString(out));
  classes_ = out.channels;
  executable_ = engine_.Prepare(program);
  executable_->Reserve(batch_size_, executor_ == nullptr ? 1 : executor_->num_workers());
  zero_steps_ = ZeroSteps(network);
}

Evaluation Evaluator::Evaluate(const Network& network, const DataSet& data, const Images& images,
                               const std::function<bool()>& stop, Communicator* communicator) {
  Require(images.shape == input_, "images of {}: {} expected", ToString(images.shape),
          ToString(input_));
  Require(images.size() > 0, "no images to evaluate");
  if (ZeroSteps(network) != zero_steps_) Prepare(network);
  executable_->SetParameters(FlattenParameters(network).data());
  std::vector<uint32_t> indices(images.size());
  std::iota(indices.begin(), indices.end(), 0u);
  std::vector<float> batch(batch_size_ * input_.size());
  std::vector<float> logits(batch_size_ * classes_);
  Score score;
  score.confusion.resize(classes_ * classes_);
  const Share share = ShareOf(images.size(), RankOf(communicator), SizeOf(communicator));
  for (int64_t begin = share.begin; begin < share.end; begin += batch_size_) {
    if (communicator == nullptr && stop && stop()) return {0, 0, false};
    const int64_t count = std::min(batch_size_, share.end - begin);
    ToFloat(data, images, indices.data() + begin, count, executor_, batch.data());
    RunArguments arguments;
    arguments.batch = count;
    arguments.inputs = {batch.data()};
    arguments.outputs = {logits.data()};
    arguments.executor = executor_;
    executable_->Run(arguments);
    score.Add(logits.data(), images.labels.data() + begin, count, classes_);
  }
  const double total = static_cast<double>(images.size());
  std::vector<double> sums = {score.loss, static_cast<double>(score.correct)};
  sums.insert(sums.end(), score.confusion.begin(), score.confusion.end());
  SumOver(communicator, &sums);
  return {sums[0] / total, sums[1] / total, true, {sums.begin() + 2, sums.end()}};
}

}  // namespace csc
