// The figures of a training by epoch, as named columns.

#ifndef CSC_TRAINING_REPORT_HISTORY_H_
#define CSC_TRAINING_REPORT_HISTORY_H_

#include <string>
#include <utility>
#include <vector>

namespace csc {

struct Column {
  std::string name;            // "train_loss"
  std::vector<double> values;  // one for each epoch; NaN where there is none
};

// Columns of one length. "epoch" counts, "learning_rate" and names that end in
// "_loss" or "_accuracy" are drawn; any other may be there.
struct History {
  std::vector<Column> columns;

  size_t size() const { return columns.empty() ? 0 : columns[0].values.size(); }
  // Null where there is none of that name.
  const Column* Find(const std::string& name) const;
};

// A table as metrics.csv has it: a header of names, then one line an epoch. An
// empty cell is NaN. Throws Error naming the line.
History ParseHistory(const std::string& csv);

// A row's values by TensorBoard's tags: train_loss becomes train/loss, and so
// on for test and validation. Leaves out the epoch and what is NaN.
std::vector<std::pair<std::string, double>> ScalarsOf(const History& history, size_t row);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_HISTORY_H_
