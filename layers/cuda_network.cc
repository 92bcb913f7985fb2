#include "layers/cuda_network.h"

#include <fmt/format.h>

#include <limits>

#include "layers/guard.h"
#include "solvers/engines/registry.h"
#include "solvers/error.h"

namespace csc {

namespace {

constexpr char kWhere[] = "csc::CudaNetwork";

std::string Show(const cv::cuda::GpuMat& mat) {
  return fmt::format("{} x {} of {}", mat.rows, mat.cols, cv::typeToString(mat.type()));
}

std::string Show(const Shape& shape) {
  return fmt::format("[{}, {}, {}]", shape.channels, shape.height, shape.width);
}

cuda::DeviceImages Describe(const std::vector<cv::cuda::GpuMat>& images, const Shape& input,
                            const PixelConversion& conversion) {
  Require(!images.empty(), "no image found: 1 expected at least");
  const cv::cuda::GpuMat& first = images[0];
  const int channels = first.channels();
  Require(channels == input.channels || (channels == 4 && input.channels == 3),
          "image 0 is {}: {} channels expected", Show(first), input.channels);
  Require(first.depth() == CV_8U || first.depth() == CV_32F,
          "image 0 is {}: CV_8U or CV_32F expected", Show(first));
  Require(!conversion.swap_rb || input.channels >= 3,
          "swap_rb for a network of {} channels: 3 expected", input.channels);
  cuda::DeviceImages result;
  result.is_float = first.depth() == CV_32F;
  result.pixel_channels = channels;
  for (int c = 0; c < input.channels; ++c) {
    const int source = conversion.swap_rb && c < 3 ? 2 - c : c;
    result.channels.push_back(
        {source, static_cast<float>(conversion.mean[c]), static_cast<float>(conversion.scale[c])});
  }
  for (size_t n = 0; n < images.size(); ++n) {
    const cv::cuda::GpuMat& image = images[n];
    Require(image.type() == first.type() && image.rows == input.height && image.cols == input.width,
            "image {} is {}: {} x {} of {} expected", n, Show(image), input.height, input.width,
            cv::typeToString(first.type()));
    Require(image.data != nullptr, "image {} has no data", n);
    result.images.push_back({image.data, static_cast<int64_t>(image.step)});
  }
  return result;
}

}  // namespace

CudaNetwork::CudaNetwork(const Network& network, const Shape& input, const PrepareOptions& options)
    : input_(input) {
  Guard(kWhere, [&] {
    Network checked = network;
    CheckNetwork(&checked);
    const Program program = BuildProgram(checked, input);
    output_ = program.shape(program.outputs()[0]);
    Require(output_.size() <= std::numeric_limits<int>::max(),
            "an output of {} has too many values for a row of a GpuMat", Show(output_));
    executable_ = FindEngine("cuda").Prepare(program, options);
    executable_->SetParameters(FlattenParameters(checked).data());
    on_device_ = dynamic_cast<cuda::DeviceExecutable*>(executable_.get());
    Require(on_device_ != nullptr, "the library of the engine \"cuda\" knows no device memory");
  });
}

void CudaNetwork::Reserve(int64_t batch) {
  Guard(kWhere, [&] { executable_->Reserve(batch, 1); });
}

void CudaNetwork::Create(int64_t batch, cv::cuda::GpuMat* output) const {
  const int rows = static_cast<int>(batch), columns = static_cast<int>(output_.size());
  // GpuMat::create does not look at what is there where OpenCV has no CUDA.
  if (output->data != nullptr && output->rows == rows && output->cols == columns &&
      output->type() == CV_32FC1) {
    return;
  }
  const std::string found = Show(*output);
  try {
    output->create(rows, columns, CV_32FC1);
  } catch (const cv::Exception& error) {
    Fail("the output is {} and cannot be made {} x {} of CV_32FC1, which is expected: {}", found,
         rows, columns, error.err);
  }
}

void CudaNetwork::Run(const std::vector<cv::cuda::GpuMat>& images,
                      const PixelConversion& conversion, cv::cuda::GpuMat* output, void* stream) {
  Guard(kWhere, [&] {
    const cuda::DeviceImages described = Describe(images, input_, conversion);
    Create(static_cast<int64_t>(images.size()), output);
    on_device_->RunOnImages(described, {output->ptr<float>(), static_cast<int64_t>(output->step)},
                            stream);
  });
}

void CudaNetwork::Run(const std::vector<cv::cuda::GpuMat>& images,
                      const PixelConversion& conversion, cv::cuda::GpuMat* output,
                      cv::cuda::Stream& stream) {
  Run(images, conversion, output, stream.cudaPtr());
}

void CudaNetwork::RunBlob(const cv::cuda::GpuMat& blob, cv::cuda::GpuMat* output, void* stream) {
  Guard(kWhere, [&] {
    Require(blob.type() == CV_32FC1 && blob.cols == input_.size() && blob.rows > 0 &&
                blob.isContinuous(),
            "the blob is {}{}: N x {} of CV_32FC1 without gaps expected", Show(blob),
            blob.isContinuous() ? "" : " with gaps", input_.size());
    Create(blob.rows, output);
    Require(output->isContinuous(), "the output has gaps between its rows: none expected");
    on_device_->RunOnDevice(blob.rows, {blob.ptr<float>()}, {output->ptr<float>()}, stream);
  });
}

void CudaNetwork::RunBlob(const cv::cuda::GpuMat& blob, cv::cuda::GpuMat* output,
                          cv::cuda::Stream& stream) {
  RunBlob(blob, output, stream.cudaPtr());
}

}  // namespace csc
