// That lanes reach memory side by side: how many rows of shared memory and sectors of
// global memory a kernel moves, against the fewest for as many bytes.

#include <gtest/gtest.h>

#include <map>
#include <set>
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
// The first that fits a kernel: what it does now and a tenth more. Those before the last do
// little in all.
constexpr Limit kLimits[] = {
    {"RunFlat<AveragePoolKernel>", 0, 8},         // of 8: a thread sums a whole map
    {"RunFlat<SoftmaxLossKernel>", 0, 8},         // of 8: a thread has a sample's classes
    {"RunBlocks<FilterGradientKernel>", 1.2, 8},  // of 8: the dense layer's, maps of 1 x 1
    {"RunBlocks<SplitConvolutionKernel<false> >", 1.1, 1.5},              // likewise
    {"RunTiles<TensorConvolutionKernel<Tf32, 1, 2, 4> >", 1.3, 5.2},      // likewise
    {"RunTiles<TensorConvolutionKernel<Bfloat16, 1, 2, 4> >", 1.3, 6.3},  // likewise
    {"RunTiles<TensorConvolutionKernel<Tf32, 2, 2, 4> >", 1.3, 1.2},      // small tiles
    {"RunTiles<TensorConvolutionKernel<Bfloat16, 2, 2, 4> >", 1.3, 1.2},  // likewise
    {"RunFlat<Several<PackFiltersKernel>", 0, 5},                         // once for new parameters
    {"RunFlat<Several<PackTensorFiltersKernel<Tf32>", 0, 5},              // likewise
    {"RunFlat<Several<PackTensorFiltersKernel<Bfloat16>", 0, 6.3},        // likewise
    {"RunFlat<MaxPoolKernel>", 0, 2},                // every second row and column
    {"RunBlocks<GradientSumsKernel>", 6.5, 2.2},     // rows of a block's sum, in 16 threads
    {"RunBlocks<ChannelKernel<Nothing>", 2.9, 1.1},  // likewise, after sums of thousands
    {"RunBlocks<ChannelKernel<NormalisedAdjoint>", 2.6, 1.1},  // likewise
    {"", 1.2, 1.35},                                           // halos begin anywhere
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
      met_.insert(LimitOf(kernel).kernel);
      EXPECT_GT(sums.least_sectors, 0) << kernel;
      EXPECT_LE(sums.rows, LimitOf(kernel).rows * sums.least_rows)
          << kernel << ": " << sums.rows / sums.least_rows;
      EXPECT_LE(sums.sectors, LimitOf(kernel).sectors * sums.least_sectors)
          << kernel << ": " << sums.sectors / sums.least_sectors;
    }
  }
  // In the last of its tests, none of which is left out.
  static void TearDownTestSuite() {
    for (const Limit& limit : kLimits) {
      EXPECT_EQ(met_.count(limit.kernel), 1u) << limit.kernel << " fits no kernel";
    }
  }

  static std::set<std::string> met_;
};
std::set<std::string> Accesses::met_;

TEST_P(Accesses, OfInferenceAreSideBySide) { ExpectSideBySide(/*trains=*/false); }

TEST_P(Accesses, OfTrainingAreSideBySide) { ExpectSideBySide(/*trains=*/true); }

INSTANTIATE_TEST_SUITE_P(, Accesses,
                         ::testing::Values(Arithmetic::kFloat32, Arithmetic::kTf32,
                                           Arithmetic::kBfloat16),
                         [](const auto& format) { return std::string(Name(format.param)); });

}  // namespace
}  // namespace csc::test
