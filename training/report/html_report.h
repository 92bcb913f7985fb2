// A training on one page: report.html, which needs nothing beside itself.

#ifndef CSC_TRAINING_REPORT_HTML_REPORT_H_
#define CSC_TRAINING_REPORT_HTML_REPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "solvers/network/network.h"
#include "training/report/history.h"
#include "training/report/white_box.h"

namespace csc {

// What the page shows. Whatever is left empty is left out. Texts are as they
// are; the page escapes them.
struct ReportInput {
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  std::string title;     // "msd_csc on digits"
  std::string subtitle;  // "after epoch 3 of 20"
  Pairs figures;         // the ones that matter: name and value
  History history;       // drawn against its column "epoch", or 1, 2, ...
  // Of the set named `confusion_set`, [K, K], rows the true class.
  std::vector<std::string> classes;
  std::vector<int64_t> confusion;
  std::string confusion_set = "test";
  const Network* network = nullptr;  // its filters are drawn; only read
  std::vector<DictionaryFigures> white_box;
  std::string white_box_note;  // when and on which images it was measured
  Pairs options;
  std::string command;  // the command line
};

// The page. Throws Error where the parts do not fit each other.
std::string RenderReport(const ReportInput& input);

// Writes `folder`/report.html, whole or not at all. Throws Error.
void WriteReport(const std::string& folder, const ReportInput& input);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_HTML_REPORT_H_
