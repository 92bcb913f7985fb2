#include "samples/benchmark/log_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/report/html.h"

namespace csc {

namespace {

constexpr double kWidth = 1000;
constexpr double kLeft = 70;
constexpr double kRight = 970;
constexpr double kTop = 64;
constexpr double kBottom = 480;
constexpr double kLegendTop = kBottom + 68;
constexpr double kLegendLine = 20;

// Told apart by eyes that see colours differently as well (after Okabe and Ito).
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#8a6d00", "#56b4e9", "#7f3c8d", "#4d4d4d"};
constexpr size_t kNumColours = std::size(kColours);

struct Axis {
  double low;
  double high;
  double from;
  double to;
  std::vector<double> ticks;

  double At(double value) const {
    return from + std::log(value / low) / std::log(high / low) * (to - from);
  }
};

// 1, 2 and 5 times the powers of ten from just below `low` to just above `high`;
// over many decades only the powers.
std::vector<double> RoundNumbers(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) - 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(high) + 1e-9));
  const std::vector<double> factors =
      last - first > 4 ? std::vector<double>{1} : std::vector<double>{1, 2, 5};
  std::vector<double> all;
  for (int e = first; e <= last; ++e) {
    for (double factor : factors) all.push_back(factor * std::pow(10.0, e));
  }
  const auto above = std::lower_bound(all.begin(), all.end(), high * (1 - 1e-9));
  if (above != all.end()) all.erase(above + 1, all.end());
  const auto below = std::upper_bound(all.begin(), all.end(), low * (1 + 1e-9));
  return {below == all.begin() ? below : below - 1, all.end()};
}

template <typename Coordinate>
Axis AxisOf(const LogChart& chart, double from, double to, std::vector<double> ticks,
            const Coordinate& coordinate) {
  double low = INFINITY, high = 0;
  for (const LogSeries& series : chart.series) {
    for (const LogPoint& point : series.points) {
      low = std::min(low, coordinate(point));
      high = std::max(high, coordinate(point));
    }
  }
  if (ticks.empty()) ticks = RoundNumbers(low, high);
  low = std::min(low, ticks.front());
  high = std::max(high, ticks.back());
  // Some room on both sides, and a width where there is one value only.
  return {low / 1.05, high * 1.05, from, to, std::move(ticks)};
}

std::string DrawAxes(const LogChart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  for (double tick : y.ticks) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\"/>"
        "<text x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g}</text>\n",
        kLeft, y.At(tick), kRight, kLeft - 8, y.At(tick) + 4, tick);
  }
  for (double tick : x.ticks) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4:.4g}</text>\n",
        x.At(tick), kTop, kBottom, kBottom + 18, tick);
  }
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + kRight) / 2, kBottom + 40, Escape(chart.x_name));
  svg += fmt::format(
      "<text x=\"18\" y=\"{0:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 18 "
      "{0:.1f})\">{1}</text>\n",
      (kTop + kBottom) / 2, Escape(chart.y_name));
  return svg;
}

// Colours come round again with a dashed line.
std::string Style(size_t index) {
  return fmt::format("stroke=\"{}\" fill=\"none\" stroke-width=\"2\"{}",
                     kColours[index % kNumColours],
                     index >= kNumColours ? " stroke-dasharray=\"6 4\"" : "");
}

std::string DrawSeries(const LogSeries& series, size_t index, const Axis& x, const Axis& y) {
  std::string path;
  std::string marks;
  for (const LogPoint& point : series.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.At(point.x), y.At(point.y));
    marks += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"><title>{}</title></circle>\n",
        x.At(point.x), y.At(point.y), kColours[index % kNumColours], Escape(point.title));
  }
  std::string svg;
  if (series.line) svg += fmt::format("<path d=\"{}\" {}/>\n", path, Style(index));
  return series.marks ? svg + marks : svg;
}

std::string LegendEntry(const LogSeries& series, size_t index) {
  const double at = kLegendTop + kLegendLine * static_cast<double>(index);
  std::string svg;
  if (series.line) {
    svg += fmt::format("<path d=\"M{} {}h24\" {}/>", kLeft, at, Style(index));
  }
  if (series.marks) {
    svg += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"4\" fill=\"{}\"/>", kLeft + 12, at,
                       kColours[index % kNumColours]);
  }
  return svg + fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kLeft + 34, at + 4,
                           Escape(series.name));
}

}  // namespace

std::string DrawLogChart(const LogChart& chart) {
  const Axis x = AxisOf(chart, kLeft, kRight, chart.x_ticks, [](const LogPoint& p) { return p.x; });
  const Axis y = AxisOf(chart, kBottom, kTop, {}, [](const LogPoint& p) { return p.y; });
  std::string body = DrawAxes(chart, x, y);
  for (size_t i = 0; i < chart.series.size(); ++i) body += DrawSeries(chart.series[i], i, x, y);
  for (size_t i = 0; i < chart.series.size(); ++i) body += LegendEntry(chart.series[i], i);
  const double height = kLegendTop + kLegendLine * static_cast<double>(chart.series.size());
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"DejaVu Sans, sans-serif\" font-size=\"12\" fill=\"#1c2329\">\n"
      "<style>.grid {{ stroke: #dfe3e7; }}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
      "<text x=\"{2}\" y=\"26\" font-size=\"17\" font-weight=\"bold\">{3}</text>\n"
      "<text x=\"{2}\" y=\"46\" fill=\"#66717c\">{4}</text>\n{5}</svg>\n",
      kWidth, height, kLeft, Escape(chart.title), Escape(chart.subtitle), body);
}

}  // namespace csc
