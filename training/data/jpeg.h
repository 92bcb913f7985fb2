// Whether a JPEG file is all there.

#ifndef CSC_TRAINING_DATA_JPEG_H_
#define CSC_TRAINING_DATA_JPEG_H_

#include <string>

namespace csc {

// True for a JPEG file that ends before its end-of-image marker. OpenCV fills
// what is missing with grey and only warns, unlike with other formats. False
// for a file that is no JPEG at all. Throws Error where it cannot be read.
bool IsCutOffJpeg(const std::string& path);

}  // namespace csc

#endif  // CSC_TRAINING_DATA_JPEG_H_
