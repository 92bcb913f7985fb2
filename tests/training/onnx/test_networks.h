// Small networks that reach every corner of the ONNX writers and readers.

#ifndef CSC_TESTS_TRAINING_ONNX_TEST_NETWORKS_H_
#define CSC_TESTS_TRAINING_ONNX_TEST_NETWORKS_H_

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "solvers/network/network.h"
#include "solvers/tensor.h"

namespace csc {

struct TestNetwork {
  std::string name;
  Network network;
  Shape input;
};

// What GoogleTest shows of one.
inline void PrintTo(const TestNetwork& test, std::ostream* out) { *out << test.name; }

// Repeatable values in [low, high).
class TestRandom {
 public:
  explicit TestRandom(uint32_t seed) : state_(seed * 2654435761u + 12345u) {}
  float Next(float low, float high) {
    state_ = state_ * 1664525u + 1013904223u;
    return low + (high - low) * static_cast<float>(state_ >> 8) / 16777216.0f;
  }
  Tensor Tensor4(const Dims& dims, float low, float high) {
    Tensor tensor{dims, std::vector<float>(NumElements(dims))};
    for (float& value : tensor.data) value = Next(low, high);
    return tensor;
  }

 private:
  uint32_t state_;
};

// Single layers of every operator in several geometries, and three classifiers.
std::vector<TestNetwork> TestNetworks();

// MsdCsc, MaxPool, ResCsc, GlobalAveragePool, Gemm.
TestNetwork SmallClassifier();

// A network of one layer with random constants of these sizes.
TestNetwork OneLayer(const std::string& name, const std::string& op,
                     const std::map<std::string, AttributeValue>& attributes,
                     const std::vector<Dims>& constants, const Shape& input);

// The input of `batch` images and what the reference interpreter makes of it.
Tensor TestImages(const Shape& input, int64_t batch, uint32_t seed);
Tensor ReferenceOutput(const Network& network, const Shape& input, const Tensor& images);

}  // namespace csc

#endif  // CSC_TESTS_TRAINING_ONNX_TEST_NETWORKS_H_
