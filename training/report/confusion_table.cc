#include "training/report/confusion_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "solvers/error.h"
#include "training/report/html.h"

namespace csc {

namespace {

constexpr size_t kLargestTable = 100;
constexpr size_t kLargestWithNumbers = 30;
constexpr size_t kPairs = 6;

// "7 taken for 2: 3 of 36".
std::string WorstPairs(const std::vector<std::string>& classes,
                       const std::vector<int64_t>& confusion, const std::vector<int64_t>& totals) {
  const size_t k = classes.size();
  std::vector<size_t> cells;
  for (size_t i = 0; i < k * k; ++i) {
    if (i / k != i % k && confusion[i] > 0) cells.push_back(i);
  }
  if (cells.empty()) return "<p>No image was taken for another class.</p>\n";
  std::stable_sort(cells.begin(), cells.end(),
                   [&](size_t a, size_t b) { return confusion[a] > confusion[b]; });
  if (cells.size() > kPairs) cells.resize(kPairs);
  std::string html = "<p>Most often confused: ";
  for (size_t i = 0; i < cells.size(); ++i) {
    const size_t cell = cells[i];
    html += fmt::format("{}<b>{}</b> taken for <b>{}</b> ({} of {})", i > 0 ? ", " : "",
                        Escape(classes[cell / k]), Escape(classes[cell % k]), confusion[cell],
                        totals[cell / k]);
  }
  return html + ".</p>\n";
}

std::string Cell(const std::vector<std::string>& classes, size_t row, size_t column, int64_t count,
                 int64_t total, bool numbers) {
  if (count == 0) return "<td></td>";
  const double share = static_cast<double>(count) / static_cast<double>(total);
  // The square root shows the single mistakes, which a straight scale hides.
  const double strength = row == column ? share : std::sqrt(share);
  return fmt::format("<td class=\"{}{}\" style=\"--v:{:.2f}\" title=\"{} as {}: {} of {}\">{}</td>",
                     row == column ? "right" : "wrong", strength > 0.55 ? " strong" : "", strength,
                     Escape(classes[row]), Escape(classes[column]), count, total,
                     numbers ? fmt::format("{}", count) : "");
}

}  // namespace

std::string DrawConfusion(const std::vector<std::string>& classes,
                          const std::vector<int64_t>& confusion) {
  const size_t k = classes.size();
  Require(confusion.size() == k * k, "a confusion matrix of {} entries: {} expected for {} classes",
          confusion.size(), k * k, k);
  std::vector<int64_t> totals;
  for (size_t row = 0; row < k; ++row) {
    totals.push_back(std::accumulate(confusion.begin() + row * k, confusion.begin() + (row + 1) * k,
                                     int64_t{0}));
  }
  std::string html = WorstPairs(classes, confusion, totals);
  if (k > kLargestTable) return html;
  const bool numbers = k <= kLargestWithNumbers;
  size_t longest = 0;
  for (const std::string& name : classes) longest = std::max(longest, name.size());
  html += fmt::format(
      "<div class=\"scroll\"><table class=\"confusion{}\">\n<thead><tr><th class=\"corner\">"
      "true \\ predicted</th>",
      !numbers      ? " dense wide"
      : longest > 4 ? " wide"
                    : "");
  for (const std::string& name : classes) html += "<th><span>" + Escape(name) + "</span></th>";
  html += "<th><span>recall</span></th></tr></thead>\n<tbody>\n";
  for (size_t row = 0; row < k; ++row) {
    html += "<tr><th>" + Escape(classes[row]) + "</th>";
    for (size_t column = 0; column < k; ++column) {
      html += Cell(classes, row, column, confusion[row * k + column], totals[row], numbers);
    }
    const double recall =
        totals[row] > 0 ? static_cast<double>(confusion[row * k + row]) / totals[row] : NAN;
    html += totals[row] > 0 ? fmt::format("<td class=\"recall\">{:.1f} %</td></tr>\n", 100 * recall)
                            : "<td class=\"recall\">–</td></tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace csc
