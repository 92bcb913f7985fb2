// Line charts as inline SVG.

#ifndef CSC_TRAINING_REPORT_SVG_CHART_H_
#define CSC_TRAINING_REPORT_SVG_CHART_H_

#include <string>
#include <vector>

namespace csc {

struct Series {
  std::string name;
  int style = 0;          // 0..2: a colour and a dash of the page's style sheet
  std::vector<double> x;  // ascending
  std::vector<double> y;  // as many; what is not finite leaves a gap
};

struct Chart {
  std::string title;
  std::string unit;  // behind values of the legend and the points' titles
  std::vector<Series> series;
  // Else linear. Also needs values above 0 to be used.
  bool logarithmic = false;
};

// Positions of round numbers (1, 2 or 5 times a power of ten apart), at most
// about `count`, that cover low .. high from outside.
std::vector<double> LinearTicks(double low, double high, int count);

// A <figure>: title, axes with ticks, a legend with the last values, a line for
// each series, a mark for each point where there are few. Colours and fonts are
// classes: .s0 .. .s2, .grid, .tick. Without a finite value: an empty string.
std::string DrawChart(const Chart& chart);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_SVG_CHART_H_
