#include "solvers/engines/onednn/copies.h"

#include <algorithm>

namespace csc::onednn {

namespace {

// Offset of a lane's first pixel in an image of `pixels`.
int64_t LaneOffset(int64_t lane, int64_t pixels, int block) {
  return lane / block * pixels * block + lane % block;
}

void Clear(Plane x, const Layout& layout, const Shape& shape, int64_t images) {
  const int64_t size = layout.lanes() * shape.height * shape.width;
  for (int64_t n = 0; n < images; ++n) {
    std::fill(x.image(n), x.image(n) + size, 0.0f);
  }
}

bool HasPadding(const Layout& layout) { return layout.channels() != layout.lanes(); }

// Calls body(channel, its offset in an image, first and end pixel) for the channels, lying
// at `lanes`, of lanes [first_lane, end_lane), a block's by pieces that stay in the
// first-level cache.
template <typename Body>
void ForEachPiece(const std::vector<int64_t>& lanes, int block, int64_t pixels, int64_t first_lane,
                  int64_t end_lane, const Body& body) {
  constexpr int64_t kPiece = 128;  // pixels, of 64 bytes
  size_t end = 0;
  for (size_t begin = 0; begin < lanes.size(); begin = end) {
    while (end < lanes.size() && lanes[end] / block == lanes[begin] / block) ++end;
    if (lanes[begin] < first_lane || lanes[begin] >= end_lane) continue;
    for (int64_t p = 0; p < pixels; p += kPiece) {
      for (size_t c = begin; c < end; ++c) {
        body(static_cast<int64_t>(c), LaneOffset(lanes[c], pixels, block), p,
             std::min(p + kPiece, pixels));
      }
    }
  }
}

// Copies one channel at every stride-th pixel of the larger image.
template <typename Body>
void ForEachStrided(const Shape& small, const Shape& large, const Geometry& g, const Body& body) {
  for (int64_t h = 0; h < small.height; ++h) {
    for (int64_t w = 0; w < small.width; ++w) {
      body(h * small.width + w, h * g.strides[0] * large.width + w * g.strides[1]);
    }
  }
}

}  // namespace

void LoadImages(const float* nchw, const Shape& shape, const Layout& layout, int64_t images,
                int64_t first_lane, int64_t end_lane, Plane to) {
  const int64_t pixels = shape.height * shape.width;
  const std::vector<int64_t> lanes = layout.LaneOfChannel();
  for (int64_t n = 0; n < images; ++n) {
    float* image = to.image(n);
    if (HasPadding(layout)) std::fill(image + first_lane * pixels, image + end_lane * pixels, 0.0f);
    const float* source = nchw + n * shape.size();
    ForEachPiece(lanes, layout.block, pixels, first_lane, end_lane,
                 [&](int64_t channel, int64_t offset, int64_t first, int64_t end) {
                   const float* src = source + channel * pixels;
                   float* dst = image + offset;
                   for (int64_t p = first; p < end; ++p) dst[p * layout.block] = src[p];
                 });
  }
}

void StoreImages(Plane from, const Shape& shape, const Layout& layout, int64_t images,
                 int64_t first_lane, int64_t end_lane, float* nchw) {
  const int64_t pixels = shape.height * shape.width;
  const std::vector<int64_t> lanes = layout.LaneOfChannel();
  for (int64_t n = 0; n < images; ++n) {
    const float* image = from.image(n);
    float* target = nchw + n * shape.size();
    ForEachPiece(lanes, layout.block, pixels, first_lane, end_lane,
                 [&](int64_t channel, int64_t offset, int64_t first, int64_t end) {
                   const float* src = image + offset;
                   float* dst = target + channel * pixels;
                   for (int64_t p = first; p < end; ++p) dst[p] = src[p * layout.block];
                 });
  }
}

void CopyChannels(Plane from, const Layout& from_layout, int64_t from_first, Plane to,
                  const Layout& to_layout, int64_t to_first, int64_t count, int64_t height,
                  int64_t width, int64_t images) {
  const int64_t pixels = height * width;
  const int block = from_layout.block;
  const std::vector<int64_t> from_lanes = from_layout.LaneOfChannel();
  const std::vector<int64_t> to_lanes = to_layout.LaneOfChannel();
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < count; ++c) {
      const float* src = from.image(n) + LaneOffset(from_lanes[from_first + c], pixels, block);
      float* dst = to.image(n) + LaneOffset(to_lanes[to_first + c], pixels, block);
      for (int64_t p = 0; p < pixels; ++p) dst[p * block] = src[p * block];
    }
  }
}

void Shortcut(Plane x, const Layout& x_layout, const Shape& x_shape, Plane y,
              const Layout& y_layout, const Shape& y_shape, const Geometry& geometry,
              int64_t images) {
  Clear(y, y_layout, y_shape, images);
  const int block = x_layout.block;
  const std::vector<int64_t> x_lanes = x_layout.LaneOfChannel();
  const std::vector<int64_t> y_lanes = y_layout.LaneOfChannel();
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < x_shape.channels; ++c) {
      const float* src = x.image(n) + LaneOffset(x_lanes[c], x_shape.height * x_shape.width, block);
      float* dst = y.image(n) + LaneOffset(y_lanes[c], y_shape.height * y_shape.width, block);
      ForEachStrided(y_shape, x_shape, geometry, [&](int64_t small, int64_t large) {
        dst[small * block] = src[large * block];
      });
    }
  }
}

void ShortcutAdjoint(Plane dy, const Layout& dy_layout, const Shape& dy_shape, Plane dx,
                     const Layout& dx_layout, const Shape& dx_shape, const Geometry& geometry,
                     int64_t images) {
  Clear(dx, dx_layout, dx_shape, images);
  const int block = dx_layout.block;
  const std::vector<int64_t> dx_lanes = dx_layout.LaneOfChannel();
  const std::vector<int64_t> dy_lanes = dy_layout.LaneOfChannel();
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < dx_shape.channels; ++c) {
      const float* src =
          dy.image(n) + LaneOffset(dy_lanes[c], dy_shape.height * dy_shape.width, block);
      float* dst = dx.image(n) + LaneOffset(dx_lanes[c], dx_shape.height * dx_shape.width, block);
      ForEachStrided(dy_shape, dx_shape, geometry, [&](int64_t small, int64_t large) {
        dst[large * block] = src[small * block];
      });
    }
  }
}

}  // namespace csc::onednn
