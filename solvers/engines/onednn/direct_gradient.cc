#include "solvers/engines/onednn/direct_gradient.h"

#include <algorithm>

#include "solvers/engines/onednn/direct_gradient_kernels.h"

namespace csc::onednn {

DirectGradient::DirectGradient(const ConvolutionShape& s)
    : image_layout_(s.image_layout),
      code_layout_(s.code_layout),
      geometry_(GeometryOf(s)),
      channels_(ChannelsOfBlocks(s.image_layout)),
      channel_of_lane_(s.code_layout.lanes(), -1) {
  int64_t first = 0;
  for (int channels : channels_) {
    first_channels_.push_back(first);
    first += channels;
  }
  const std::vector<int64_t> lanes = code_layout_.LaneOfChannel();
  for (size_t k = 0; k < lanes.size(); ++k) channel_of_lane_[lanes[k]] = static_cast<int64_t>(k);
  for (int64_t i = 0; i < geometry_.kernel[0]; ++i) rows_.push_back(RangeOf(0, i));
  for (int64_t j = 0; j < geometry_.kernel[1]; ++j) columns_.push_back(RangeOf(1, j));
}

DirectGradient::Range DirectGradient::RangeOf(int axis, int64_t tap) const {
  const int64_t results = axis == 0 ? geometry_.out.height : geometry_.out.width;
  Range range;
  for (int64_t result = 0; result < results; ++result) {
    const int64_t input = geometry_.InputOf(axis, result, tap);
    if (input < 0) continue;
    if (range.size() == 0) {
      range.first = result;
      range.first_input = input;
    }
    range.end = result + 1;
  }
  return range;
}

int64_t DirectGradient::gradient_floats() const {
  return geometry_.taps() * image_layout_.channels() * code_layout_.lanes();
}

int64_t DirectGradient::num_parts() const {
  const int64_t blocks = code_layout_.lanes() / code_layout_.block;
  return CeilDiv(blocks, kMostGradientBlocks) * static_cast<int64_t>(channels_.size());
}

DirectGradient::Part DirectGradient::PartOf(int64_t index) const {
  const int64_t image_blocks = static_cast<int64_t>(channels_.size());
  const int64_t blocks = code_layout_.lanes() / code_layout_.block;
  Part part{};
  part.image_block = index % image_blocks;
  part.first_channel = first_channels_[part.image_block];
  part.channels = channels_[part.image_block];
  part.code_block = index / image_blocks * kMostGradientBlocks;
  part.blocks = static_cast<int>(std::min<int64_t>(kMostGradientBlocks, blocks - part.code_block));
  part.sums = geometry_.taps() * code_layout_.block *
              (image_layout_.channels() * part.code_block + part.first_channel * part.blocks);
  return part;
}

void DirectGradient::ClearPart(int64_t index, float* sums) const {
  const Part part = PartOf(index);
  std::fill_n(sums + part.sums, geometry_.taps() * part.channels * part.blocks * code_layout_.block,
              0.0f);
}

void DirectGradient::AccumulatePart(int64_t index, Plane image, Plane code, int64_t images,
                                    float scale, float* sums) const {
  const MapGeometry& g = geometry_;
  const Part part = PartOf(index);
  const int block = code_layout_.block;
  GradientTap tap{};
  tap.images = images;
  tap.image_stride = image.image_stride;
  tap.image_row_stride = g.strides[0] * g.in.width * block;
  tap.image_column_stride = g.strides[1] * block;
  tap.code_stride = code.image_stride;
  tap.code_row_stride = g.out.width * block;
  tap.code_block_stride = g.out.height * g.out.width * block;
  tap.scale = scale;
  const float* image_block = image.data + part.image_block * g.in.height * g.in.width * block;
  const float* code_block = code.data + part.code_block * tap.code_block_stride;
  float* to = sums + part.sums;
  for (const Range& rows : rows_) {
    for (const Range& columns : columns_) {
      tap.rows = rows.size();
      tap.columns = columns.size();
      tap.code = code_block + (rows.first * g.out.width + columns.first) * block;
      const float* position =
          image_block + (rows.first_input * g.in.width + columns.first_input) * block;
      for (int first = 0; first < part.channels; first += MostGradientChannels()) {
        const int count = std::min(MostGradientChannels(), part.channels - first);
        tap.image = position + first;
        tap.sums = to;
        SumPositions(tap, count, part.blocks, block);
        to += count * part.blocks * block;
      }
    }
  }
}

void DirectGradient::AddPart(int64_t index, const float* sums, float* gradient) const {
  const Part part = PartOf(index);
  const int64_t taps = geometry_.taps(), lanes = part.blocks * code_layout_.block;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const int64_t k = channel_of_lane_[part.code_block * code_layout_.block + lane];
    if (k < 0) continue;
    float* filters = gradient + (k * image_layout_.channels() + part.first_channel) * taps;
    for (int64_t channel = 0; channel < part.channels; ++channel) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        filters[channel * taps + tap] +=
            sums[part.sums + (tap * part.channels + channel) * lanes + lane];
      }
    }
  }
}

void DirectGradient::Accumulate(Plane image, Plane code, int64_t images, float scale, float* sums,
                                float*) const {
  for (int64_t part = 0; part < num_parts(); ++part) {
    AccumulatePart(part, image, code, images, scale, sums);
  }
}

void DirectGradient::AddGradient(const float* sums, float* gradient) const {
  for (int64_t part = 0; part < num_parts(); ++part) AddPart(part, sums, gradient);
}

}  // namespace csc::onednn
