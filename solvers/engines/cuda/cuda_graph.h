// Launches as kernels of CUDA and calls of cuDNN, and a chain of them as a graph: for nvcc.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDA_GRAPH_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDA_GRAPH_H_

#include <cuda_runtime.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/cuda_cudnn.h"
#include "solvers/engines/cuda/cuda_device.h"
#include "solvers/error.h"

namespace csc::cuda {

inline constexpr int kFlatThreads = 256;
// Left to itself ptxas spills a register or two of some to fit more blocks in.
inline constexpr int kBlocksAtOnce = 2;

inline dim3 FlatBlocks(uint32_t size) { return dim3((size + kFlatThreads - 1) / kFlatThreads); }

// Kernels of a graph follow one another by programmatic dependent launch where they are
// compiled for compute capability 9.0 or newer: the next is scheduled as soon as every block
// of the one before has said that it may or has ended, so that its launch, its blocks' start
// and its first index arithmetic cost no time of their own. CUDA's rules, and how they are
// kept:
//
// - What the kernel before writes is there once the wait returns and not sooner, whatever
//   the kernel before has said: every thread of every kernel waits before it touches
//   memory. Kernels' arguments are no such memory.
// - The wait is for the kernel before alone. As that one's threads have waited too, all
//   before it have ended.
// - Neither call does anything in a kernel that was launched in another way. Only edges
//   between two kernels may be programmatic.
// - Memory is not read-only for as long as a kernel runs then: see Read().
//
// The next may be scheduled at once: by then all blocks of this kernel have begun, so its
// blocks take what is left, and it holds the one after it back by waiting itself.
inline constexpr int kWaitsFrom = 90;
__device__ inline void WaitForKernelBefore() {
#if __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

template <typename K>
__global__ void __launch_bounds__(kFlatThreads, kBlocksAtOnce)
    RunFlat(const K kernel, uint32_t size) {
  WaitForKernelBefore();
  const uint32_t index = blockIdx.x * kFlatThreads + threadIdx.x;
  if (index < size) kernel(index);
}

template <typename K, int... kPhases>
__device__ void RunPhases(const K& kernel, typename K::Shared& shared,
                          std::integer_sequence<int, kPhases...>) {
  ((kernel.template Phase<kPhases>(blockIdx.x, threadIdx.x, shared), __syncthreads()), ...);
}

template <typename K>
__global__ void __launch_bounds__(K::kThreads, kBlocksAtOnce) RunBlocks(const K kernel) {
  __shared__ typename K::Shared shared;
  WaitForKernelBefore();
  RunPhases(kernel, shared, std::make_integer_sequence<int, K::kPhases>());
}

template <typename K>
__global__ void __launch_bounds__(K::kThreads, K::kBlocksAtOnce) RunTiles(const K kernel) {
  extern __shared__ uint4 shared_memory[];  // of 16 bytes for its alignment
  uint32_t* const shared = reinterpret_cast<uint32_t*>(shared_memory);
  const uint32_t warp = threadIdx.x / kWarpLanes;
  typename K::Registers registers;
  kernel.Begin(blockIdx.x, warp, &registers);  // index arithmetic alone
  WaitForKernelBefore();
  const uint32_t rounds = kernel.Rounds(blockIdx.x);
  for (uint32_t round = 0; round < rounds; ++round) {
    kernel.Load(blockIdx.x, warp, round, shared);
    __syncthreads();
    kernel.Compute(blockIdx.x, warp, round, shared, &registers);
    __syncthreads();
  }
  kernel.Keep(blockIdx.x, warp, registers, shared);
  __syncthreads();
  kernel.End(blockIdx.x, warp, shared);
}

#if CUDART_VERSION < 13000  // this one with edge data has its plain name since
#define cudaGraphAddDependencies cudaGraphAddDependencies_v2
#endif

// How a kernel of a graph follows the one before: see WaitForKernelBefore.
inline cudaGraphEdgeData ChooseEdge() {
  const char* const asked = std::getenv("CSC_CUDA_EDGES");
  const std::string edges = asked == nullptr ? "" : asked;
  Require(edges.empty() || edges == "full", "CSC_CUDA_EDGES=\"{}\" is unknown: full expected",
          edges);
  // Not the device's capability: what was compiled for an older one does not wait.
  cudaFuncAttributes kernel;
  Check(cudaFuncGetAttributes(&kernel, RunFlat<FillKernel>), "asking for a kernel");
  cudaGraphEdgeData edge = {};  // full
  if (edges.empty() && kernel.ptxVersion >= kWaitsFrom) {
    edge.from_port = cudaGraphKernelNodePortProgrammatic;
    edge.type = cudaGraphDependencyTypeProgrammatic;
  }
  return edge;
}

// A chain of kernels and calls of cuDNN, made node by node. What cuDNN launches can only be
// captured, from a stream of its own.
class CudaGraph : public LaunchGraph {
 public:
  // `stream` is where it will run; `cudnn` may be null where no launch is a call of it.
  CudaGraph(const std::vector<Launch>& launches, const cudaGraphEdgeData& edge, CudaCudnn* cudnn,
            cudaStream_t stream)
      : edge_(edge), cudnn_(cudnn), stream_(stream) {
    cudaGraph_t graph = nullptr;
    Check(cudaGraphCreate(&graph, 0), "creating a graph");
    const GraphOwner owner(graph, cudaGraphDestroy);
    for (const Launch& launch : launches) {
      std::visit([&](const auto& kernel) { Add(graph, kernel, launch.size); }, launch.kernel);
    }
    Check(cudaGraphInstantiate(&executable_, graph, 0), "preparing a graph");
    const cudaError_t uploaded = cudaGraphUpload(executable_, stream);
    if (uploaded != cudaSuccess) cudaGraphExecDestroy(executable_);
    Check(uploaded, "uploading a graph");
  }
  ~CudaGraph() override {
    cudaStreamSynchronize(stream_);
    cudaGraphExecDestroy(executable_);
  }

  cudaGraphExec_t get() const { return executable_; }

 private:
  template <typename K>
  void Add(cudaGraph_t graph, const K& kernel, uint32_t size) {
    cudaKernelNodeParams node = {};
    // Copied by cudaGraphAddKernelNode.
    void* arguments[] = {const_cast<K*>(&kernel), &size};
    node.kernelParams = arguments;
    if constexpr (HasTiles<K>::value) {
      node.func = reinterpret_cast<void*>(RunTiles<K>);
      node.gridDim = dim3(size);
      node.blockDim = dim3(K::kThreads);
      node.sharedMemBytes = kernel.SharedBytes();
      // More than 48 KiB must be allowed, once for a function: as much as there is.
      int most = 0;
      Check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, kDevice),
            "asking for shared memory");
      Check(cudaFuncSetAttribute(RunTiles<K>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
            "allowing shared memory");
    } else if constexpr (HasPhases<K>::value) {
      node.func = reinterpret_cast<void*>(RunBlocks<K>);
      node.gridDim = dim3(size);
      node.blockDim = dim3(K::kThreads);
    } else {
      node.func = reinterpret_cast<void*>(RunFlat<K>);
      node.gridDim = FlatBlocks(size);
      node.blockDim = dim3(kFlatThreads);
    }
    const cudaGraphNode_t before = last_;
    Check(cudaGraphAddKernelNode(&last_, graph, nullptr, 0, &node), "adding a kernel to a graph");
    const cudaGraphEdgeData full = {};
    const cudaGraphEdgeData* const edge = after_kernel_ ? &edge_ : &full;
    after_kernel_ = true;
    if (before == nullptr) return;
    Check(cudaGraphAddDependencies(graph, &before, &last_, edge, 1),
          "ordering the kernels of a graph");
  }
  void Add(cudaGraph_t graph, const CudnnConvolution& call, uint32_t) {
    const GraphOwner child = cudnn_->GraphOf(call);
    const cudaGraphNode_t before = last_;
    Check(
        cudaGraphAddChildGraphNode(&last_, graph, &before, before != nullptr ? 1 : 0, child.get()),
        "adding a call of cuDNN to a graph");
    after_kernel_ = false;
  }

  const cudaGraphEdgeData edge_;  // from each kernel to the next
  CudaCudnn* const cudnn_;
  const cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
  cudaGraphNode_t last_ = nullptr;
  bool after_kernel_ = false;  // what last_ is: only between two of them an edge may be early
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDA_GRAPH_H_
