// What the machine can do at most, measured in the same run as what it is
// compared with: frequencies, neighbours and thread counts differ from run to
// run, so a peak from a data sheet says little.

#ifndef CSC_SAMPLES_BENCHMARK_MACHINE_H_
#define CSC_SAMPLES_BENCHMARK_MACHINE_H_

#include <string>

namespace csc {

// "AMD EPYC 9R14", or "unknown processor".
std::string ProcessorName();

// The widest instructions that PeakFlops uses here: "AVX-512", "AVX2 + FMA" or
// "scalar".
std::string VectorInstructions();

// float32 operations per second of `threads` threads that do nothing but
// independent fused multiply-adds on registers (2 operations each): the best
// of several windows of a few milliseconds, all together about `seconds`.
double PeakFlops(int threads, double seconds);

// The same, but the median of the windows: what the threads have just now, other
// tenants of the processor included.
double PresentFlops(int threads, double seconds);

// Likewise of dot products of bfloat16 pairs summed in float32 (AVX512_BF16); 0
// where the processor has none. Tile instructions (AMX) are not counted.
double PeakBfloat16Flops(int threads, double seconds);

// Bytes per second that `threads` threads move computing a = b + s c on arrays
// far larger than the caches, counting two reads and one write as the STREAM
// benchmark does: the best of several passes.
double MemoryBandwidth(int threads, double seconds);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_MACHINE_H_
