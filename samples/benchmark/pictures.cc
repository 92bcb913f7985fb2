#include "samples/benchmark/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "samples/benchmark/log_chart.h"
#include "training/file.h"

namespace csc {

namespace {

std::string MachineName(const Report& report) {
  return fmt::format("{}, {} threads, {}", report.processor, report.threads, report.instructions);
}

std::string RunnerName(const Runner& runner) {
  return fmt::format("{} {}, {}", runner.program, runner.arithmetic, runner.form);
}

// min(peak, bandwidth * intensity) from `low`, left of the ridge, to `high`.
LogSeries Roof(const std::string& name, double peak, double bandwidth, double low, double high) {
  LogSeries roof = {name, {}, /*line=*/true, /*marks=*/false};
  for (double x : {low, peak / bandwidth, high}) {
    roof.points.push_back({x, 1e-9 * std::min(peak, bandwidth * x), ""});
  }
  return roof;
}

// Achieved rate against FLOPs per byte that the instructions read and write.
LogChart Roofline(const Report& report) {
  LogChart chart = {"Roofline", MachineName(report),
                    "nominal FLOP a byte that the instructions read and write, unfused",
                    "nominal GFLOP/s"};
  const double ridge = std::max(report.peak, report.bfloat16_peak) / report.bandwidth;
  double low = std::min(report.peak, report.bfloat16_peak > 0 ? report.bfloat16_peak : INFINITY) /
               report.bandwidth / 4;
  double high = 2 * ridge;
  std::map<std::string, LogSeries> runners;
  for (const Result& r : report.results) {
    if (!r.measured() || r.runner.rival) continue;
    const double intensity = r.flops / r.bytes;
    low = std::min(low, intensity / 1.5);
    high = std::max(high, intensity * 1.5);
    const std::string name = fmt::format("{}, {}", RunnerName(r.runner), Name(r.phase));
    LogSeries& series = runners[name];
    series.name = name;
    series.line = false;
    series.points.push_back({intensity, 1e-9 * r.Rate(),
                             fmt::format("{}, {} x {}, batch {}: {:.1f} GFLOP/s", r.network, r.side,
                                         r.side, r.batch, 1e-9 * r.Rate())});
  }
  if (runners.empty()) return chart;
  chart.series.push_back(Roof(fmt::format("float32 peak {:.0f} GFLOP/s, memory {:.1f} GB/s",
                                          1e-9 * report.peak, 1e-9 * report.bandwidth),
                              report.peak, report.bandwidth, low, high));
  if (report.bfloat16_peak > 0) {
    chart.series.push_back(
        Roof(fmt::format("bf16 peak {:.0f} GFLOP/s", 1e-9 * report.bfloat16_peak),
             report.bfloat16_peak, report.bandwidth, low, high));
  }
  for (auto& [name, series] : runners) chart.series.push_back(std::move(series));
  return chart;
}

// One of the sizes that time is drawn against.
struct Axis {
  const char* file;
  const char* title;
  const char* x_name;
  double (*value)(const Result&);
  // What else must be equal along a line.
  std::string (*line)(const Result&);
};

std::string WithoutWord(const std::string& name, const std::string& start) {
  const size_t at = name.find(" " + start);
  if (at == std::string::npos) return name;
  const size_t end = name.find(' ', at + 1);
  return name.substr(0, at) + (end == std::string::npos ? "" : name.substr(end));
}

// A zero has no place on a logarithmic axis, so steps are counted with the first.
const Axis kAxes[] = {
    {"time_batch.svg", "Time against batch", "images a run",
     [](const Result& r) { return static_cast<double>(r.batch); },
     [](const Result& r) { return fmt::format("{}, {} x {}", r.network, r.side, r.side); }},
    {"time_side.svg", "Time against size", "height and width in pixels",
     [](const Result& r) { return static_cast<double>(r.side); },
     [](const Result& r) {
       return fmt::format("{}, {}", r.network, r.batch == 1 ? "one image" : "many images");
     }},
    {"time_unfolding.svg", "Time against unfolding", "steps a layer, the first included",
     [](const Result& r) { return r.unfolding + 1.0; },
     [](const Result& r) {
       return fmt::format("{}, {} x {}, batch {}", WithoutWord(r.network, "u="), r.side, r.side,
                          r.batch);
     }},
    {"time_depth.svg", "Time against depth", "layers",
     [](const Result& r) { return static_cast<double>(r.depth); },
     [](const Result& r) {
       return fmt::format("{}, {} x {}, batch {}", WithoutWord(r.network, "d="), r.side, r.side,
                          r.batch);
     }},
};

LogChart TimeAgainst(const Report& report, const Axis& axis) {
  LogChart chart = {axis.title, MachineName(report), axis.x_name, "ms an image, median"};
  // By line: the points by x. A rival's forms are one line, its best.
  std::map<std::string, std::map<double, LogPoint>> lines;
  for (const Result& r : report.results) {
    if (!r.measured()) continue;
    Runner runner = r.runner;
    if (runner.rival) runner.form = "best form";
    const std::string name =
        fmt::format("{}: {}, {}", axis.line(r), RunnerName(runner), Name(r.phase));
    const LogPoint point = {axis.value(r), r.ImageMs(),
                            fmt::format("{}, {}: {:.3f} ms", name, axis.value(r), r.ImageMs())};
    const auto [found, inserted] = lines[name].insert({point.x, point});
    if (!inserted && r.ImageMs() < found->second.y) found->second = point;
  }
  for (const auto& [name, points] : lines) {
    if (points.size() < 2) continue;
    LogSeries series = {name};
    for (const auto& [x, point] : points) {
      series.points.push_back(point);
      chart.x_ticks.push_back(x);
    }
    chart.series.push_back(std::move(series));
  }
  std::sort(chart.x_ticks.begin(), chart.x_ticks.end());
  chart.x_ticks.erase(std::unique(chart.x_ticks.begin(), chart.x_ticks.end()), chart.x_ticks.end());
  return chart;
}

}  // namespace

std::vector<std::string> DrawPictures(const Report& report, const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::vector<std::string> paths;
  const auto draw = [&](const LogChart& chart, const std::string& file) {
    if (chart.series.empty()) return;
    paths.push_back(folder + "/" + file);
    WriteFile(paths.back(), DrawLogChart(chart));
  };
  draw(Roofline(report), "roofline.svg");
  for (const Axis& axis : kAxes) draw(TimeAgainst(report, axis), axis.file);
  return paths;
}

}  // namespace csc
