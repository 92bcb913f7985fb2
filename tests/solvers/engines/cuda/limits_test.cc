// Launches against the limits of CUDA and of the devices that are built for.

#include <gtest/gtest.h>

#include <cstdint>
#include <typeinfo>
#include <utility>
#include <variant>

#include "solvers/engines/cuda/kernels/launch.h"
#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/error.h"
#include "tests/solvers/random.h"

namespace csc::test {
namespace {

using cuda::TensorRule;

struct Device {
  int capability;
  int64_t shared_bytes;  // that a block may be allowed
  int64_t shared_total;  // of a multiprocessor
  int64_t threads;       // of a multiprocessor
};

// CUDA C++ Programming Guide, technical specifications per compute capability.
constexpr Device kDevices[] = {
    {80, 163 << 10, 164 << 10, 2048},  {86, 99 << 10, 100 << 10, 1536},
    {89, 99 << 10, 100 << 10, 1536},   {90, 227 << 10, 228 << 10, 2048},
    {100, 227 << 10, 228 << 10, 2048}, {120, 99 << 10, 100 << 10, 1536},
};
constexpr int64_t kParameterBytes = 4096;  // of a launch, on all devices
constexpr int64_t kStaticShared = 48 << 10;
constexpr int64_t kThreadsOfABlock = 1024;
constexpr int64_t kReservedShared = 1 << 10;  // that CUDA takes of each block

template <typename K>
void ExpectWithinLimits() {
  EXPECT_LE(sizeof(K) + sizeof(uint32_t), kParameterBytes) << typeid(K).name();
  if constexpr (cuda::HasTiles<K>::value) {
    EXPECT_LE(K::kThreads, kThreadsOfABlock) << typeid(K).name();
    for (const Device& device : kDevices) {
      EXPECT_LE(K::kThreads * K::kBlocksAtOnce, device.threads) << typeid(K).name();
    }
  } else if constexpr (cuda::HasPhases<K>::value) {
    EXPECT_LE(K::kThreads, kThreadsOfABlock) << typeid(K).name();
    EXPECT_LE(sizeof(typename K::Shared), kStaticShared) << typeid(K).name();
  }
}

template <size_t... kIndices>
void ExpectAllWithinLimits(std::index_sequence<kIndices...>) {
  (ExpectWithinLimits<std::variant_alternative_t<kIndices, cuda::Kernel>>(), ...);
}

TEST(Kernels, StayWithinWhatALaunchMayHave) {
  ExpectAllWithinLimits(std::make_index_sequence<std::variant_size_v<cuda::Kernel>>());
}

// The row that a device of this capability takes first, and any of its others.
TEST(TensorTable, LeavesRoomForTwoBlocksOnEveryDevice) {
  for (const Device& device : kDevices) {
    bool covered = false;
    for (const TensorRule& rule : cuda::kTensorTable) {
      if (device.capability < rule.capability) continue;
      covered = true;
      EXPECT_LE(rule.shared_bytes, device.shared_bytes) << device.capability;
      EXPECT_LE(2 * (rule.shared_bytes + kReservedShared), device.shared_total)
          << device.capability;
      if (rule.blocks == 0) break;  // later rows are never met
    }
    EXPECT_TRUE(covered) << device.capability;
  }
}

TEST(TensorTile, CoversItsResultWithinItsLimits) {
  ForEachSeed(3000, [](Random* random) {
    Instruction analysis;
    analysis.op = random->Chance(0.5) ? Opcode::kAnalysis : Opcode::kSynthesis;
    for (int axis = 0; axis < 2; ++axis) {
      analysis.geometry.kernel[axis] = random->Int(1, 8);
      analysis.geometry.dilations[axis] = random->Int(1, 6);
      analysis.geometry.strides[axis] = random->Chance(0.7) ? 1 : random->Int(1, 3);
    }
    if (cuda::WhyNotOnTensorCores(analysis) != nullptr) return;
    const Shape result = {random->Int(1, 400), random->Int(1, 80), random->Int(1, 80)};
    const int64_t batch = random->Int(1, 300);
    const int64_t groups = random->Int(1, 13);
    const int capability = random->Pick({80, 86, 89, 90, 100, 120});
    const cuda::TensorFactors factors = {random->Pick({0.0, 1.0, 1e9}),
                                         random->Pick({0.0, 1.0, 1e9})};
    const int64_t chunks = random->Int(1, 30);
    const cuda::TensorTile tile = cuda::ChooseTensorTile(capability, factors, analysis.geometry,
                                                         result, groups, chunks, batch);
    ASSERT_NE(tile.rule, nullptr);
    EXPECT_LE(tile.halo_bytes(), tile.rule->shared_bytes);
    EXPECT_GE(tile.pitch, tile.halo[1]);
    EXPECT_EQ(tile.parts, cuda::ChooseTensorParts(capability, factors.parts, tile, chunks));
    if (tile.rule->blocks > 0) {
      EXPECT_GE(2.0 * tile.blocks * tile.parts, factors.blocks * tile.rule->blocks);
    }
    EXPECT_LE(tile.images * tile.size[0] * tile.size[1],
              tile.rule->warps * tile.rule->column_tiles * 8);
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t size = axis == 0 ? result.height : result.width;
      EXPECT_GE(tile.tiles[axis] * tile.size[axis], size);
      EXPECT_LT((tile.tiles[axis] - 1) * tile.size[axis], size);
    }
    const int64_t tiles_of_batch = tile.blocks / (groups * tile.tiles[0] * tile.tiles[1]);
    EXPECT_EQ(tiles_of_batch * groups * tile.tiles[0] * tile.tiles[1], tile.blocks);
    EXPECT_GE(tiles_of_batch * tile.images, batch);
    EXPECT_LT((tiles_of_batch - 1) * tile.images, batch);
  });
}

TEST(TensorParts, ShareOutAllChunksWhereBlocksAreFew) {
  ForEachSeed(3000, [](Random* random) {
    cuda::TensorTile tile;
    tile.blocks = random->Int(1, 500);
    const int64_t chunks = random->Int(1, 100);
    const double factor = random->Pick({0.0, 1.0, 1e9});
    const int64_t parts = cuda::ChooseTensorParts(90, factor, tile, chunks);
    const int64_t rounds = (chunks + parts - 1) / parts;
    EXPECT_LT((parts - 1) * rounds, chunks) << parts << " parts of " << chunks;
    EXPECT_LE(parts, 8);
    if (parts > 1) {
      EXPECT_GE(rounds, 2);
    }
    if (factor == 0 || (factor == 1 && tile.blocks >= 198)) {
      EXPECT_EQ(parts, 1);
    }
  });
  cuda::TensorTile one;
  one.blocks = 1;
  EXPECT_EQ(cuda::ChooseTensorParts(90, 1, one, 23), 8);
}

TEST(TensorGradientTile, CoversTheCodeWithinItsLimits) {
  ForEachSeed(3000, [](Random* random) {
    Instruction gradient;
    gradient.op = Opcode::kFilterGradient;
    for (int axis = 0; axis < 2; ++axis) {
      gradient.geometry.kernel[axis] = random->Int(1, 4);
      gradient.geometry.dilations[axis] = random->Int(1, 6);
      gradient.geometry.strides[axis] = random->Chance(0.7) ? 1 : random->Int(1, 3);
    }
    const Shape code = {random->Int(1, 400), random->Int(1, 80), random->Int(1, 80)};
    if (cuda::WhyNoTensorGradient(gradient, code) != nullptr) return;
    const auto float32 = cuda::ChooseFloat32GradientTile(gradient, {17, 1, 1}, code);
    EXPECT_EQ(float32.has_value(), code.channels > 16);
    for (const Device& device : kDevices) {
      const cuda::TensorGradientTile tile =
          cuda::ChooseTensorGradientTile(device.capability, gradient.geometry, code);
      if (float32) {
        EXPECT_LE(2 * (float32->shared_bytes() + kReservedShared), device.shared_total);
      }
      EXPECT_LE(2 * (tile.shared_bytes() + kReservedShared), device.shared_total);
      EXPECT_EQ(tile.size[1] % 8, 0);
      EXPECT_GE(tile.tiles[0] * tile.size[0], code.height);
      EXPECT_GE(tile.tiles[1] * tile.size[1], code.width);
    }
  });
}

}  // namespace
}  // namespace csc::test
