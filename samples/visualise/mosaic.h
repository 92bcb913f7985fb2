// Draws rows of small planes as one labelled picture.

#ifndef CSC_SAMPLES_VISUALISE_MOSAIC_H_
#define CSC_SAMPLES_VISUALISE_MOSAIC_H_

#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace csc {

struct MosaicRow {
  std::string title;           // to the left of the row
  std::string subtitle;        // below it, smaller
  std::vector<cv::Mat> tiles;  // CV_32F, one channel, any size
};

struct Mosaic {
  std::string title;
  std::string subtitle;
  std::string columns;  // what the numbered columns are
  std::vector<MosaicRow> rows;
  // Values of either sign: blue below zero, white at zero, red above. Else
  // black at zero to yellow. Each row has a scale of its own, up to its
  // largest magnitude.
  bool is_signed = false;
  int tile_pixels = 56;
};

// CV_8UC3, with a colour bar.
cv::Mat Draw(const Mosaic& mosaic);

}  // namespace csc

#endif  // CSC_SAMPLES_VISUALISE_MOSAIC_H_
