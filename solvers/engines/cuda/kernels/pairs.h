// Values as bfloat16 numbers, for factors of products on tensor cores, which would round
// them to that when they load them.
//
// A word holds channels c and c + 8 of 16: the rows of a product that one lane has of its
// result (mma.h), and neighbours in K of the products that read it, so that it is written
// and read as it is. Words of a sample lie as the elements of other values do, plane by
// plane: those of channels 0 to 7, 16 to 23, ...; a channel that is not there is 0.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_PAIRS_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_PAIRS_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/mma.h"

namespace csc::cuda {

constexpr uint32_t kPairApart = 8;

// Planes of words that so many channels take.
CSC_HOST_DEVICE constexpr uint32_t PairPlanes(uint32_t channels) {
  const uint32_t rest = channels % (2 * kPairApart);
  return channels / (2 * kPairApart) * kPairApart + (rest < kPairApart ? rest : kPairApart);
}
// How many planes further on a channel would be if each had one of its own.
CSC_HOST_DEVICE constexpr uint32_t PairsSkipped(uint32_t channel) {
  return (channel / kPairApart - channel / (2 * kPairApart)) * kPairApart;
}
CSC_HOST_DEVICE constexpr uint32_t PairPlane(uint32_t channel) {
  return channel - PairsSkipped(channel);
}
// The first channel of a plane; the second, if there is one, is kPairApart further on.
CSC_HOST_DEVICE constexpr uint32_t FirstOfPair(uint32_t plane) {
  return plane + plane / kPairApart * kPairApart;
}

CSC_HOST_DEVICE inline uint32_t PairWord(float first, float second) {
  const float values[2] = {first, second};
  return Bfloat16::Word(values);
}

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_PAIRS_H_
