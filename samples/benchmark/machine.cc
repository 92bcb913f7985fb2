#include "samples/benchmark/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace csc {

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Calls work(thread) on `threads` threads at once, again and again, and
// returns the times in which all of them were done, the shortest first.
std::vector<double> Times(int threads, double seconds, const std::function<void(int)>& work) {
  std::atomic<int> ready{0};
  std::atomic<int> done{0};
  std::atomic<int64_t> round{0};
  std::atomic<bool> stop{false};
  // Workers wait in a loop, not on a condition: waking up would be measured.
  std::vector<std::thread> workers;
  for (int t = 1; t < threads; ++t) {
    workers.emplace_back([&, t] {
      ++ready;
      for (int64_t next = 1;; ++next) {
        while (round < next && !stop) std::this_thread::yield();
        if (stop) return;
        work(t);
        ++done;
      }
    });
  }
  while (ready < threads - 1) std::this_thread::yield();
  std::vector<double> times;
  const auto start = Clock::now();
  do {
    done = 0;
    const auto begin = Clock::now();
    ++round;
    work(0);
    while (done < threads - 1) std::this_thread::yield();
    times.push_back(SecondsSince(begin));
  } while (SecondsSince(start) < seconds);
  stop = true;
  for (std::thread& worker : workers) worker.join();
  std::sort(times.begin(), times.end());
  return times;
}

// Enough independent sums to hide the latency of a fused multiply-add (4 to 6
// cycles) on two units.
constexpr int kSums = 16;
constexpr int64_t kSteps = 1 << 20;  // a few milliseconds

#if defined(__x86_64__)

float Sum(const float* values, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += values[i];
  return sum;
}

__attribute__((target("avx512f"))) float FmaAvx512(float seed) {
  __m512 sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(seed * i);
  const __m512 x = _mm512_set1_ps(0.999f);
  const __m512 y = _mm512_set1_ps(seed);
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_fmadd_ps(sums[i], x, y);
  }
  __m512 total = sums[0];
  for (int i = 1; i < kSums; ++i) total = _mm512_add_ps(total, sums[i]);
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, total);
  return Sum(lanes, 16);
}

// Each instruction multiplies 32 pairs of bfloat16 and adds them, two by two, to
// 16 float32 sums.
__attribute__((target("avx512f,avx512bf16"))) float DotAvx512Bf16(float seed) {
  __m512 sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(seed * i);
  const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(-0.5f));
  const __m512bh y = _mm512_cvtne2ps_pbh(_mm512_set1_ps(seed), _mm512_set1_ps(seed));
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], x, y);
  }
  __m512 total = sums[0];
  for (int i = 1; i < kSums; ++i) total = _mm512_add_ps(total, sums[i]);
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, total);
  return Sum(lanes, 16);
}

// 16 registers in all: 12 sums, the two factors and two to spare.
constexpr int kSumsAvx2 = 12;

__attribute__((target("avx2,fma"))) float FmaAvx2(float seed) {
  __m256 sums[kSumsAvx2];
  for (int i = 0; i < kSumsAvx2; ++i) sums[i] = _mm256_set1_ps(seed * i);
  const __m256 x = _mm256_set1_ps(0.999f);
  const __m256 y = _mm256_set1_ps(seed);
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSumsAvx2; ++i) sums[i] = _mm256_fmadd_ps(sums[i], x, y);
  }
  __m256 total = sums[0];
  for (int i = 1; i < kSumsAvx2; ++i) total = _mm256_add_ps(total, sums[i]);
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, total);
  return Sum(lanes, 8);
}

#endif  // __x86_64__

// For machines without the above: what the compiler makes of plain loops.
float FmaScalar(float seed) {
  float sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = seed * i;
  for (int64_t step = 0; step < kSteps; ++step) {
    for (int i = 0; i < kSums; ++i) sums[i] = sums[i] * 0.999f + seed;
  }
  float total = 0;
  for (float sum : sums) total += sum;
  return total;
}

struct Kernel {
  const char* name;
  float (*run)(float seed);
  double flops;  // of one call
};

Kernel BestKernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    return {"AVX-512", FmaAvx512, 2.0 * 16 * kSums * kSteps};
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {"AVX2 + FMA", FmaAvx2, 2.0 * 8 * kSumsAvx2 * kSteps};
  }
#endif
  return {"scalar", FmaScalar, 2.0 * kSums * kSteps};
}

// Operations a second in each window, the most first.
std::vector<double> RatesOf(const Kernel& kernel, int threads, double seconds) {
  std::vector<float> sinks(threads);
  std::vector<double> rates = Times(threads, seconds, [&](int thread) {
    // A seed that the compiler cannot know keeps it from computing ahead.
    volatile float seed = 1e-6f * (thread + 1);
    volatile float sink = kernel.run(seed);
    sinks[thread] = sink;
  });
  for (double& rate : rates) rate = kernel.flops * threads / rate;
  return rates;
}

}  // namespace

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) {
      const size_t colon = line.find(':');
      if (colon + 2 < line.size()) return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

std::string VectorInstructions() { return BestKernel().name; }

double PeakFlops(int threads, double seconds) {
  return RatesOf(BestKernel(), threads, seconds).front();
}

double PresentFlops(int threads, double seconds) {
  const std::vector<double> rates = RatesOf(BestKernel(), threads, seconds);
  return rates[rates.size() / 2];
}

double PeakBfloat16Flops(int threads, double seconds) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) {
    const Kernel kernel = {"AVX512_BF16", DotAvx512Bf16, 2.0 * 32 * kSums * kSteps};
    return RatesOf(kernel, threads, seconds).front();
  }
#endif
  return 0;
}

double MemoryBandwidth(int threads, double seconds) {
  constexpr int64_t kFloats = int64_t{1} << 24;  // 64 MiB an array
  const int64_t own = kFloats / threads;
  std::vector<float> a(kFloats), b(kFloats, 1.f), c(kFloats, 2.f);
  const std::vector<double> times = Times(threads, seconds, [&](int thread) {
    float* dst = a.data() + thread * own;
    const float* src1 = b.data() + thread * own;
    const float* src2 = c.data() + thread * own;
    for (int64_t i = 0; i < own; ++i) dst[i] = src1[i] + 3.f * src2[i];
  });
  return 3.0 * sizeof(float) * own * threads / times.front();
}

}  // namespace csc
