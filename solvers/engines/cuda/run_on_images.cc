#include <algorithm>
#include <cstdint>

#include "solvers/engines/cuda/executable.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

// A float that lies elsewhere would end the GPU's context.
bool IsFloats(const void* memory) { return reinterpret_cast<uintptr_t>(memory) % 4 == 0; }

void Check(const Program& program, const DeviceImages& images, const DeviceRows& output) {
  Require(program.inputs().size() == 1 && program.outputs().size() == 1,
          "a program of {} inputs and {} outputs on pictures: one of each expected",
          program.inputs().size(), program.outputs().size());
  const Shape& input = program.shape(program.inputs()[0]);
  Require(static_cast<int64_t>(images.channels.size()) == input.channels &&
              input.channels <= ImagesKernel::kMostChannels,
          "pictures give {} channels: {} expected, {} at most", images.channels.size(),
          input.channels, ImagesKernel::kMostChannels);
  for (const DeviceImages::Channel& channel : images.channels) {
    Require(0 <= channel.source && channel.source < images.pixel_channels,
            "channel {} of pixels of {} channels", channel.source, images.pixel_channels);
  }
  const int64_t row = input.width * images.pixel_channels * (images.is_float ? 4 : 1);
  for (const DeviceImages::Image& image : images.images) {
    Require(image.data != nullptr && image.step >= row,
            "a picture at address {} with {} bytes from row to row: at least {} expected",
            image.data, image.step, row);
    Require(!images.is_float || (IsFloats(image.data) && image.step % 4 == 0),
            "floats at address {} with {} bytes from row to row: multiples of 4 expected",
            image.data, image.step);
  }
  const int64_t result = program.shape(program.outputs()[0]).size() * sizeof(float);
  Require(
      output.data != nullptr && IsFloats(output.data) && output.step >= result &&
          output.step % 4 == 0,
      "output rows at address {}, {} bytes apart: multiples of 4 and at least {} bytes expected",
      static_cast<const void*>(output.data), output.step, result);
}

}  // namespace

void CudaExecutable::RunOnImages(const DeviceImages& images, const DeviceRows& output,
                                 void* stream) {
  const auto batch = static_cast<int64_t>(images.images.size());
  Check(program_, images, output);
  device_.Bind(batch, Work::kRun);
  const Shape& input = program_.shape(program_.inputs()[0]);
  const int64_t row_bytes = program_.shape(program_.outputs()[0]).size() * sizeof(float);
  const bool gaps = output.step != row_bytes && batch > 1;
  const int64_t input_bytes = batch * input.size() * static_cast<int64_t>(sizeof(float));
  Require(converted_.Grow(input_bytes) && (!gaps || rows_.Grow(batch * row_bytes)),
          "no memory of the GPU is left to convert {} pictures: {} bytes are free", batch,
          backend_->FreeBytes());

  ImagesKernel kernel = {};
  kernel.is_float = images.is_float;
  kernel.pixel_channels = images.pixel_channels;
  kernel.channels = static_cast<uint32_t>(input.channels);
  kernel.width = Divisor(input.width);
  kernel.plane = Divisor(input.height * input.width);
  for (int64_t c = 0; c < input.channels; ++c) {
    kernel.source[c] = images.channels[c].source;
    kernel.mean[c] = images.channels[c].mean;
    kernel.scale[c] = images.channels[c].scale;
  }
  backend_->BeginAfter(stream);
  for (int64_t first = 0; first < batch; first += ImagesKernel::kMostImages) {
    const int64_t count = std::min<int64_t>(batch - first, ImagesKernel::kMostImages);
    for (int64_t n = 0; n < count; ++n) {
      kernel.images[n] = images.images[first + n].data;
      kernel.steps[n] = images.images[first + n].step;
    }
    kernel.result = converted_.as<float>() + first * input.size();
    backend_->Convert(kernel, static_cast<uint32_t>(count * input.height * input.width));
  }
  float* const dense = gaps ? rows_.as<float>() : output.data;
  RunOnDevice(batch, {converted_.as<float>()}, {dense}, stream);
  if (gaps) {
    backend_->CopyRows(output.data, output.step, dense, row_bytes, batch);
    backend_->LetBeginAfter(stream);
  }
}

}  // namespace csc::cuda
