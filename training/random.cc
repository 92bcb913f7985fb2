#include "training/random.h"

#include <numeric>
#include <utility>

namespace csc {

namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Random::Random(uint64_t seed, Stream stream, std::initializer_list<uint64_t> key)
    : state_(Mix(seed + kGolden)) {
  state_ = Mix((state_ ^ static_cast<uint64_t>(stream)) + kGolden);
  for (uint64_t part : key) state_ = Mix((state_ ^ part) + kGolden);
}

uint64_t Random::Next() {
  state_ += kGolden;
  return Mix(state_);
}

uint32_t Random::Below(uint32_t n) { return static_cast<uint32_t>(((Next() >> 32) * n) >> 32); }

double Random::Normal() {
  int64_t sum = 0;
  for (int i = 0; i < 12; ++i) sum += static_cast<int64_t>(Next() >> 32);
  // Twelve times the mean of 0..2^32-1, doubled to stay an integer.
  const int64_t doubled = 2 * sum - 12 * 0xffffffffLL;
  return static_cast<double>(doubled) * 0x1p-33;
}

std::vector<uint32_t> Permutation(uint64_t seed, uint64_t epoch, uint32_t n) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  Random random(seed, Stream::kOrder, {epoch});
  for (uint32_t i = n; i > 1; --i) {
    std::swap(order[i - 1], order[random.Below(i)]);
  }
  return order;
}

}  // namespace csc
