#include "training/report/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/report/html.h"

namespace csc {

namespace {

constexpr double kWidth = 400;
constexpr double kHeight = 240;
constexpr double kLeft = 50;
constexpr double kRight = 14;
constexpr double kTop = 12;
constexpr double kBottom = 40;
constexpr size_t kMarkedPoints = 60;  // more than these would hide the line

// From values to pixels.
struct Axis {
  double low = 0;
  double high = 1;
  bool logarithmic = false;
  double from = 0;
  double to = 0;
  std::vector<double> ticks;

  double At(double value) const {
    const double t =
        logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return from + t * (to - from);
  }
};

// Calls body(x, y) for all points that can be drawn.
template <typename Body>
void ForEachPoint(const Chart& chart, const Body& body) {
  for (const Series& series : chart.series) {
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (std::isfinite(series.y[i])) body(series.x[i], series.y[i]);
    }
  }
}

struct Range {
  double low = INFINITY;
  double high = -INFINITY;

  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

Axis HorizontalAxis(const Range& range) {
  Axis axis;
  axis.from = kLeft;
  axis.to = kWidth - kRight;
  // One epoch alone stands in the middle.
  axis.low = range.high > range.low ? range.low : range.low - 1;
  axis.high = range.high > range.low ? range.high : range.high + 1;
  for (double tick : LinearTicks(axis.low, axis.high, 8)) {
    const bool inside = axis.low <= tick && tick <= axis.high;
    if (inside && tick == std::floor(tick)) axis.ticks.push_back(tick);
  }
  return axis;
}

Axis VerticalAxis(Range range, bool logarithmic) {
  Axis axis;
  axis.from = kHeight - kBottom;
  axis.to = kTop;
  axis.logarithmic = logarithmic && range.low > 0;
  if (axis.logarithmic) {
    const int first = static_cast<int>(std::floor(std::log10(range.low) + 1e-9));
    const int last =
        std::max(static_cast<int>(std::ceil(std::log10(range.high) - 1e-9)), first + 1);
    const int step = (last - first) / 8 + 1;
    for (int e = first; e <= last; e += step) axis.ticks.push_back(std::pow(10.0, e));
    axis.low = std::pow(10.0, first);
    axis.high = std::pow(10.0, last);
    return axis;
  }
  if (range.low == range.high) {
    const double margin = range.low == 0 ? 1 : std::abs(range.low) / 2;
    range = {range.low - margin, range.high + margin};
  }
  axis.ticks = LinearTicks(range.low, range.high, 6);
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  return axis;
}

std::string DrawAxes(const Axis& x, const Axis& y) {
  std::string svg;
  for (double tick : y.ticks) {
    const double at = y.At(tick);
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>\n",
        kLeft, at, kWidth - kRight, at, kLeft - 8, at + 4, tick == 0 ? 0 : tick);
  }
  for (double tick : x.ticks) {
    svg += fmt::format(
        "<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.6g}</text>\n",
        x.At(tick), kHeight - kBottom + 18, tick);
  }
  svg += fmt::format(
      "<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">epoch</text>\n",
      (kLeft + kWidth - kRight) / 2, kHeight - 4);
  return svg;
}

std::string DrawSeries(const Series& series, const std::string& unit, const Axis& x,
                       const Axis& y) {
  std::string path;
  std::string marks;
  bool pen_up = true;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) {
      pen_up = true;
      continue;
    }
    const std::string at = fmt::format("{:.1f} {:.1f}", x.At(series.x[i]), y.At(series.y[i]));
    path += (pen_up ? "M" : "L") + at;
    pen_up = false;
    if (series.x.size() > kMarkedPoints) continue;
    marks += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{}, epoch {:.6g}: {:.5g}{}</title>"
        "</circle>\n",
        x.At(series.x[i]), y.At(series.y[i]), Escape(series.name), series.x[i], series.y[i],
        Escape(unit));
  }
  return fmt::format("<g class=\"s{}\">\n<path d=\"{}\"/>\n{}</g>\n", series.style, path, marks);
}

std::string Legend(const Chart& chart) {
  std::string html;
  for (const Series& series : chart.series) {
    std::string last;
    for (double y : series.y) {
      if (std::isfinite(y)) last = fmt::format(" <b>{:.4g}{}</b>", y, Escape(chart.unit));
    }
    html += fmt::format("<span class=\"key s{}\">{}{}</span>\n", series.style, Escape(series.name),
                        last);
  }
  return html;
}

}  // namespace

std::vector<double> LinearTicks(double low, double high, int count) {
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * (1 - 1e-9)) step = factor * power;
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  const double last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string DrawChart(const Chart& chart) {
  Range xs;
  Range ys;
  ForEachPoint(chart, [&](double x, double y) {
    xs.Add(x);
    ys.Add(y);
  });
  if (!(ys.low <= ys.high)) return "";
  const Axis x = HorizontalAxis(xs);
  const Axis y = VerticalAxis(ys, chart.logarithmic);
  std::string lines;
  for (const Series& series : chart.series) lines += DrawSeries(series, chart.unit, x, y);
  return fmt::format(
      "<figure class=\"chart\">\n<figcaption>{}{}</figcaption>\n<div class=\"legend\">{}</div>\n"
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}{}</svg>\n</figure>\n",
      Escape(chart.title), y.logarithmic ? " <small>logarithmic</small>" : "", Legend(chart),
      kWidth, kHeight, Escape(chart.title), DrawAxes(x, y), lines);
}

}  // namespace csc
