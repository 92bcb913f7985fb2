#include "training/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "solvers/engines/registry.h"

namespace csc::test {
namespace {

TEST(ScoreTest, CountsAnswersByTrueClass) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits = {5,    0, 0,  //
                                     0,    0, 5,  //
                                     0,    5, 0,  //
                                     kNan, 0, 0,  // no answer
                                     0,    5, 0};
  const std::vector<int32_t> labels = {0, 0, 1, 2, 1};
  Score score;
  score.Add(logits.data(), labels.data(), 3, 3);
  score.Add(logits.data() + 9, labels.data() + 3, 2, 3);
  EXPECT_EQ(score.correct, 3);
  EXPECT_EQ(score.confusion, (std::vector<int64_t>{1, 0, 1,  //
                                                   0, 2, 0,  //
                                                   0, 0, 0}));
}

TEST(EvaluatorTest, ItsConfusionAgreesWithItsAccuracy) {
  const DataSet data = LoadDigits();
  // The average brightness against one threshold for each class.
  Network network;
  network.layers = {MakeLayerSpec("GlobalAveragePool", {}, 0), MakeLayerSpec("Gemm", {}, 2)};
  network.parameters = {{{10, 1, 1, 1}, {-4, -3, -2, -1, 0, 1, 2, 3, 4, 5}},
                        {{10}, {1.2f, 0.9f, 0.6f, 0.3f, 0, -.3f, -.6f, -.9f, -1.2f, -1.6f}}};
  Evaluator evaluator(FindEngine(), nullptr, network, data.test.shape, 50);
  const Evaluation evaluation = evaluator.Evaluate(network, data, data.test);
  ASSERT_EQ(evaluation.confusion.size(), 100u);
  int64_t right = 0;
  for (int k = 0; k < 10; ++k) {
    int64_t total = 0;
    for (int p = 0; p < 10; ++p) total += evaluation.confusion[k * 10 + p];
    EXPECT_EQ(total, std::count(data.test.labels.begin(), data.test.labels.end(), k));
    right += evaluation.confusion[k * 10 + k];
  }
  EXPECT_GT(right, 0);
  EXPECT_EQ(evaluation.accuracy, static_cast<double>(right) / data.test.size());
}

}  // namespace
}  // namespace csc::test
