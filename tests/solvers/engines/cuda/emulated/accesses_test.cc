// That lanes reach memory side by side: how many rows of shared memory and sectors of
// global memory a kernel moves, against the fewest for as many bytes.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "tests/solvers/engines/cuda/emulated/count_network.h"
#include "tests/solvers/engines/cuda/kernel_names.h"

namespace csc::test {
namespace {

// How many times the fewest there may be.
struct Limit {
  const char* kernel;  // the beginning of its name
  double rows;
  double sectors;
};
// The first that fits a kernel. Those before the last do little in all.
constexpr Limit kLimits[] = {
    {"RunFlat<AveragePoolKernel>", 1, 8.5},                   // a thread sums a whole map
    {"RunFlat<Several<PackFiltersKernel>", 1, 6},             // once for each set of parameters
    {"RunFlat<Several<PackTensorFiltersKernel", 1, 6},        // likewise
    {"RunFlat<MaxPoolKernel>", 1, 2.1},                       // every second row and column
    {"RunFlat<SoftmaxLossKernel>", 1, 8.5},                   // a thread has a sample's classes
    {"RunBlocks<FilterGradientKernel>", 1.3, 8.5},            // of the dense layer: maps of 1 x 1
    {"RunBlocks<SplitConvolutionKernel<false> >", 1.3, 8.5},  // likewise
    {"RunTiles<TensorConvolutionKernel<Tf32, 1, 2, 4> >", 1.5, 8.5},      // likewise
    {"RunTiles<TensorConvolutionKernel<Bfloat16, 1, 2, 4> >", 1.5, 8.5},  // likewise
    {"RunTiles<TensorConvolutionKernel<Tf32, 2, 2, 4> >", 1.5, 8.5},      // likewise
    {"RunTiles<TensorConvolutionKernel<Bfloat16, 2, 2, 4> >", 1.5, 8.5},  // likewise
    {"RunBlocks<GradientSumsKernel>", 8, 2.1},  // rows of a block's sum, in 16 threads
    {"RunBlocks<ChannelKernel", 3, 1.3},        // likewise, after sums of thousands
    {"", 1.2, 1.35},                            // halos begin anywhere
};

const Limit& LimitOf(const std::string& kernel) {
  const Limit* limit = kLimits;
  while (kernel.rfind(limit->kernel, 0) != 0) ++limit;
  return *limit;
}

struct Sums {
  double rows = 0, least_rows = 0, sectors = 0, least_sectors = 0;
};

class Accesses : public ::testing::TestWithParam<Arithmetic> {
 protected:
  static void ExpectSideBySide(bool trains) {
    CountedNetwork network;
    network.arithmetic = GetParam();
    network.depth = 4;
    network.batch = 128;
    network.stretch = 1;
    network.trains = trains;
    std::map<std::string, Sums> kernels;
    for (const Counted& launch : CountNetwork(network)) {
      Sums& sums = kernels[KernelName(launch.node.kernel->name)];
      for (size_t at = 0; at < launch.counts.lines.size(); ++at) {
        const ptx::Counts::Line& line = launch.counts.lines[at];
        sums.sectors += static_cast<double>(line.sectors);
        sums.least_sectors += static_cast<double>(line.least_sectors);
        if (launch.node.kernel->code[at].space != ptx::Space::kShared) continue;
        sums.rows += static_cast<double>(line.rows);
        sums.least_rows += static_cast<double>(line.least_rows);
      }
    }
    EXPECT_GE(kernels.size(), 4u);
    for (const auto& [kernel, sums] : kernels) {
      EXPECT_LE(sums.rows, LimitOf(kernel).rows * sums.least_rows)
          << kernel << ": " << sums.rows / sums.least_rows;
      EXPECT_LE(sums.sectors, LimitOf(kernel).sectors * sums.least_sectors)
          << kernel << ": " << sums.sectors / sums.least_sectors;
    }
  }
};

TEST_P(Accesses, OfInferenceAreSideBySide) { ExpectSideBySide(/*trains=*/false); }

TEST_P(Accesses, OfTrainingAreSideBySide) { ExpectSideBySide(/*trains=*/true); }

INSTANTIATE_TEST_SUITE_P(, Accesses,
                         ::testing::Values(Arithmetic::kFloat32, Arithmetic::kTf32,
                                           Arithmetic::kBfloat16),
                         [](const auto& format) { return std::string(Name(format.param)); });

}  // namespace
}  // namespace csc::test
