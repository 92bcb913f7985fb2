// The white-box figures for people.

#ifndef CSC_TRAINING_REPORT_WHITE_BOX_TABLE_H_
#define CSC_TRAINING_REPORT_WHITE_BOX_TABLE_H_

#include <string>
#include <vector>

#include "training/report/white_box.h"

namespace csc {

// HTML: a row for each dictionary, and what the columns mean. Steps that do
// not contract, and objectives that end higher than they start, are marked.
std::string DrawWhiteBox(const std::vector<DictionaryFigures>& rows);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_WHITE_BOX_TABLE_H_
