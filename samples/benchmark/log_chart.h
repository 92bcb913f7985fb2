// Charts with two logarithmic axes, as SVG files of their own.

#ifndef CSC_SAMPLES_BENCHMARK_LOG_CHART_H_
#define CSC_SAMPLES_BENCHMARK_LOG_CHART_H_

#include <string>
#include <vector>

namespace csc {

struct LogPoint {
  double x = 0;
  double y = 0;
  std::string title;  // shown when pointed at
};

struct LogSeries {
  std::string name;
  std::vector<LogPoint> points;
  bool line = true;   // through the points, in their order
  bool marks = true;  // at the points
};

struct LogChart {
  std::string title;
  std::string subtitle;
  std::string x_name;
  std::string y_name;
  // Where the ticks of the x axis stand; empty: at 1, 2 and 5 times the powers
  // of ten.
  std::vector<double> x_ticks;
  std::vector<LogSeries> series;
};

// An SVG document. All values must be above 0, and there must be a point.
std::string DrawLogChart(const LogChart& chart);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_LOG_CHART_H_
