// A confusion matrix for people.

#ifndef CSC_TRAINING_REPORT_CONFUSION_TABLE_H_
#define CSC_TRAINING_REPORT_CONFUSION_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace csc {

// HTML: the classes taken for each other most often and, for up to 100
// classes, a table whose colours show the share of the row: blue where the
// answer is right, red where it is wrong. `confusion` [K, K] has a row for each
// true class. Numbers stand in the cells of up to 30 classes, in their titles
// above. Throws Error where the sizes do not fit.
std::string DrawConfusion(const std::vector<std::string>& classes,
                          const std::vector<int64_t>& confusion);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_CONFUSION_TABLE_H_
