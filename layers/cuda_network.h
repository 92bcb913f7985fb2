// A trained network on images that are in GPU memory: cv::cuda::GpuMat in,
// cv::cuda::GpuMat out, on a cv::cuda::Stream, without touching the host.
//
//   csc::OnnxModel model = csc::ReadOnnx("model.onnx");  // training/onnx
//   csc::CudaNetwork network(model.network, model.input);
//   csc::PixelConversion conversion;
//   conversion.scale = cv::Scalar::all(1 / 255.0);
//   conversion.swap_rb = true;
//   network.Run(frames, conversion, &logits, stream);  // std::vector<GpuMat> frames
//
// OpenCV's own DNN module hands host memory to foreign layers, so this is a way
// beside it and not a cv::dnn::Layer. It stands in this folder because it is what
// OpenCV users see, and it takes a Network, not a file: layers/ knows no ONNX.
//
// It works with an OpenCV built with CUDA and with one built without. The latter
// (Debian's) cannot allocate, upload or make a Stream, but a GpuMat can wrap
// memory of cudaMalloc, and a cudaStream_t serves as stream:
//
//   cv::cuda::GpuMat frame(32, 32, CV_8UC3, pointer, step);
//
// Ownership: a CudaNetwork owns its copy of the constants and its workspace on
// the GPU, device 0 of those that CUDA_VISIBLE_DEVICES leaves. Images and output
// belong to the caller, and must live until the stream has passed the run.
// All errors are cv::Exception.

#ifndef CSC_LAYERS_CUDA_NETWORK_H_
#define CSC_LAYERS_CUDA_NETWORK_H_

#include <cstdint>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/core/cuda.hpp>
#include <string>
#include <vector>

#include "solvers/engines/cuda/device_run.h"
#include "solvers/engines/engine.h"
#include "solvers/network/network.h"

namespace csc {

// (pixel - mean) * scale for each channel of the network's input, as
// cv::dnn::blobFromImage has it: the mean is in the order of the network's
// channels, that is after the swap.
struct PixelConversion {
  cv::Scalar scale = cv::Scalar::all(1);
  cv::Scalar mean;
  bool swap_rb = false;  // the pixels are BGR and the network expects RGB
};

class CudaNetwork {
 public:
  // Prepares `network` for images of shape `input` [C, H, W] on the engine
  // "cuda". Throws where that is absent, with what is missing.
  CudaNetwork(const Network& network, const Shape& input,
              const PrepareOptions& options = ChosenOptions());

  // So that runs of up to `batch` images allocate little, once.
  void Reserve(int64_t batch);

  const Shape& input() const { return input_; }
  const Shape& output() const { return output_; }

  // Queues the conversion of `images` and the network on `stream` and returns.
  // Every image is H x W of CV_8UC(n) or CV_32FC(n), all of one type, with any
  // step; n is C, or 4 where C is 3: then the last channel is not looked at.
  //
  // `output` has a row of all output values [C', H', W'] for each image, CV_32F,
  // with any step. It is created as cv::OutputArray would; where this OpenCV
  // cannot allocate, it must have its size and type before.
  void Run(const std::vector<cv::cuda::GpuMat>& images, const PixelConversion& conversion,
           cv::cuda::GpuMat* output, cv::cuda::Stream& stream);
  // `stream` is a cudaStream_t, null for the default stream.
  void Run(const std::vector<cv::cuda::GpuMat>& images, const PixelConversion& conversion,
           cv::cuda::GpuMat* output, void* stream);

  // The same on an array that is NCHW already: a row of C H W floats for each
  // image, without gaps between the rows. `output` must then have none either.
  void RunBlob(const cv::cuda::GpuMat& blob, cv::cuda::GpuMat* output, cv::cuda::Stream& stream);
  void RunBlob(const cv::cuda::GpuMat& blob, cv::cuda::GpuMat* output, void* stream);

 private:
  // Gives `output` its size.
  void Create(int64_t batch, cv::cuda::GpuMat* output) const;

  const Shape input_;
  Shape output_;
  std::unique_ptr<Executable> executable_;
  cuda::DeviceExecutable* on_device_ = nullptr;  // the same object
};

}  // namespace csc

#endif  // CSC_LAYERS_CUDA_NETWORK_H_
