// Copies between NCHW and blocked layouts, and between blocked values whose
// channels lie differently.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_COPIES_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_COPIES_H_

#include <cstdint>

#include "solvers/engines/onednn/kernels.h"
#include "solvers/engines/onednn/layout.h"
#include "solvers/program/program.h"

namespace csc::onednn {

// NCHW to the blocks of lanes [first_lane, end_lane); lanes without a channel become zero.
void LoadImages(const float* nchw, const Shape& shape, const Layout& layout, int64_t images,
                int64_t first_lane, int64_t end_lane, Plane to);

// The channels of these blocks to NCHW.
void StoreImages(Plane from, const Shape& shape, const Layout& layout, int64_t images,
                 int64_t first_lane, int64_t end_lane, float* nchw);

// Channels [from_first, from_first + count) of `from` to channels
// [to_first, ...) of `to`; both have height x width. Other lanes of `to` stay.
void CopyChannels(Plane from, const Layout& from_layout, int64_t from_first, Plane to,
                  const Layout& to_layout, int64_t to_first, int64_t count, int64_t height,
                  int64_t width, int64_t images);

// y[c] = x[c, ::strides] and zero past x's channels; shapes as Shortcut's.
void Shortcut(Plane x, const Layout& x_layout, const Shape& x_shape, Plane y,
              const Layout& y_layout, const Shape& y_shape, const Geometry& geometry,
              int64_t images);
// Its adjoint: dx[c, ::strides] = dy[c], zero elsewhere.
void ShortcutAdjoint(Plane dy, const Layout& dy_layout, const Shape& dy_shape, Plane dx,
                     const Layout& dx_layout, const Shape& dx_shape, const Geometry& geometry,
                     int64_t images);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_COPIES_H_
