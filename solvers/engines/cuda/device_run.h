// Runs whose inputs and outputs are on the GPU already, for callers that hold
// device memory (cv::cuda::GpuMat, other CUDA code).
//
// Executables of the engine "cuda" implement this interface besides their own;
// those of other engines do not:
//
//   auto* on_device = dynamic_cast<cuda::DeviceExecutable*>(executable.get());
//
// No CUDA header is needed to call it.

#ifndef CSC_SOLVERS_ENGINES_CUDA_DEVICE_RUN_H_
#define CSC_SOLVERS_ENGINES_CUDA_DEVICE_RUN_H_

#include <cstdint>
#include <vector>

namespace csc::cuda {

// Pictures in device memory as pipelines keep them: rows of pixels of interleaved
// channels, of the height and width of a program's input.
struct DeviceImages {
  struct Image {
    const void* data;
    int64_t step;  // bytes between the beginnings of rows
  };
  // Channel c of the input is (channel `source` of the pixel - mean) * scale.
  struct Channel {
    int source;
    float mean;
    float scale;
  };
  std::vector<Image> images;
  bool is_float = false;  // else unsigned bytes
  int pixel_channels = 0;
  std::vector<Channel> channels;
};

// One row of floats for each image, `step` bytes from one to the next.
struct DeviceRows {
  float* data = nullptr;
  int64_t step = 0;
};

class DeviceExecutable {
 public:
  virtual ~DeviceExecutable() = default;

  // One dense NCHW array of device memory for each input and each output of the
  // program, as in RunArguments; a null output is not written. `stream` is a
  // cudaStream_t of the engine's device, null for the default stream.
  //
  // Returns as soon as the work is queued: it begins after what is in `stream`
  // now, and what is put into `stream` later begins after it. The arrays must
  // live until then. Nothing is copied to the host. After a Reserve of this
  // batch nothing is allocated and no device is waited for.
  //
  // Throws Error for arguments that do not fit the program, and for programs
  // with a loss or gradients, which are run from the host.
  virtual void RunOnDevice(int64_t batch, const std::vector<const float*>& inputs,
                           const std::vector<float*>& outputs, void* stream) = 0;

  // The same for a program of one input and one output, from pictures that may
  // lie anywhere in device memory. At most 4 channels. Allocates once for the
  // largest batch so far, besides what Reserve does.
  virtual void RunOnImages(const DeviceImages& images, const DeviceRows& output, void* stream) = 0;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_DEVICE_RUN_H_
