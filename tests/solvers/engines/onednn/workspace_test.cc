// What the engine holds for the paper's largest dense network, MSD-CSC of 12
// layers, unfolded twice.

#include <gtest/gtest.h>

#include <string>

#include "solvers/engines/registry.h"
#include "training/models/training_program.h"

namespace csc::test {
namespace {

constexpr double kMegabyte = 1e6;
constexpr int kMostImagesATile = 8;

TrainingProgram DenseNetwork(const std::string& normalisation) {
  ModelOptions options;
  options.model = "msd_csc";
  options.depth = 12;
  options.width = 32;
  options.unfolding = 2;
  options.algorithm = "fista";
  options.normalisation = normalisation;
  return BuildTrainingProgram(MakeModel(options, {3, 32, 32}, 10));
}

// Of an image's share of what a normalised training step holds.
double MegabytesAnImage(Memory memory) {
  PrepareOptions options;
  options.memory = memory;
  const auto step = FindEngine("onednn").Prepare(DenseNetwork("batch").program, options);
  const auto held = [&](int64_t batch) {
    step->Reserve(batch, 1);
    return static_cast<double>(step->WorkspaceBytes()) / kMegabyte;
  };
  const double some = held(16);
  return (held(32) - some) / 16;
}

double MegabytesFor(Executable* executable, int64_t batch, int workers) {
  executable->Reserve(batch, workers);
  return static_cast<double>(executable->WorkspaceBytes()) / kMegabyte;
}

TEST(Workspace, OfANormalisedTrainingStepKeepsNoNormalisedValues) {
  EXPECT_LE(MegabytesAnImage(Memory::kFast), 8.0);  // 23.1 where they and codes are kept
}

TEST(Workspace, OfASmallNormalisedTrainingStepKeepsTheInputsOfLayers) {
  EXPECT_LE(MegabytesAnImage(Memory::kSmall), 3.0);
}

TEST(Workspace, OfABareTrainingStepGrowsWithThreadsAndHardlyWithImages) {
  const auto step = FindEngine("onednn").Prepare(DenseNetwork("none").program);
  const double some = MegabytesFor(step.get(), 64, 1);
  EXPECT_LE((MegabytesFor(step.get(), 128, 1) - some) / 64, 0.5);
}

TEST(Workspace, OfInferenceGrowsWithThreadsAlone) {
  const auto forward = FindEngine("onednn").Prepare(DenseNetwork("none").forward);
  const double one = MegabytesFor(forward.get(), 128, 1);
  EXPECT_LE((MegabytesFor(forward.get(), 128, 2) - one) / kMostImagesATile, 1.5);
  EXPECT_LE(MegabytesFor(forward.get(), 256, 2) - MegabytesFor(forward.get(), 128, 2), 0.1);
}

TEST(Workspace, OfOneImageIsSharedByItsThreads) {
  const auto forward = FindEngine("onednn").Prepare(DenseNetwork("none").forward);
  const double filters = static_cast<double>(forward->WorkspaceBytes()) / kMegabyte;
  const double one = MegabytesFor(forward.get(), 1, 1) - filters;
  const double two = MegabytesFor(forward.get(), 1, 2) - filters;
  EXPECT_LE(one, 3.8);        // 4.7 with the scratch memory of gradients and batches
  EXPECT_LE(two - one, 0.8);  // 4.7 with an arena for each thread
}

}  // namespace
}  // namespace csc::test
