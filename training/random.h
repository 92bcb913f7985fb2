// Random numbers that are the same on every machine.
//
// The standard library's distributions differ between implementations, so a
// seed would not mean the same network everywhere. Here every number is a pure
// function of a key (seed, what it is for, indices) and a counter; only
// integer arithmetic and one multiplication are involved.

#ifndef CSC_TRAINING_RANDOM_H_
#define CSC_TRAINING_RANDOM_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace csc {

// What a stream of numbers is for; keeps streams of one seed apart.
enum class Stream : uint64_t { kParameters = 1, kOrder = 2, kAugmentation = 3 };

// SplitMix64 (Steele, Lea and Flood, 2014), started at a hash of the key.
class Random {
 public:
  Random(uint64_t seed, Stream stream, std::initializer_list<uint64_t> key);

  uint64_t Next();
  // Uniform in 0..n-1; n in 1..2^32-1.
  uint32_t Below(uint32_t n);
  // Mean 0, variance 1, in (-6, 6): a sum of twelve uniform numbers, which
  // unlike a transform by logarithms has the same bits everywhere.
  double Normal();

 private:
  uint64_t state_;
};

// A permutation of 0..n-1: the order of the training samples of an epoch.
std::vector<uint32_t> Permutation(uint64_t seed, uint64_t epoch, uint32_t n);

}  // namespace csc

#endif  // CSC_TRAINING_RANDOM_H_
