// Pictures of filters.

#ifndef CSC_TRAINING_REPORT_FILTER_MOSAIC_H_
#define CSC_TRAINING_REPORT_FILTER_MOSAIC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/network/network.h"
#include "solvers/tensor.h"

namespace csc {

struct FilterMosaic {
  std::vector<uint8_t> png;
  int width = 0;  // pixels: one for each weight, and one between tiles
  int height = 0;
  std::string note;  // what of the filters is shown, and how
};

// Filters [w, C, kh, kw] as a picture, each scaled by its weight of largest
// magnitude. Filters of one channel and, in their colours, of three are tiles
// side by side; of more channels, every filter is a row of tiles, one for each
// channel. Of many only the first are shown.
FilterMosaic DrawFilters(const Tensor& filters);

struct NamedFilters {
  std::string name;  // "layer 3, ResCsc: F2"
  const Tensor* filters;
};

// The filters of all convolutional layers, in order.
std::vector<NamedFilters> FiltersOf(const Network& network);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_FILTER_MOSAIC_H_
