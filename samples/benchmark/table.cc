#include "samples/benchmark/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace csc {

namespace {

std::string Megabytes(int64_t bytes) {
  return bytes == 0 ? "" : fmt::format("{:.2f}", 1e-6 * static_cast<double>(bytes));
}

std::string RunnerText(const Runner& runner) {
  return fmt::format("{} {}", runner.program, runner.arithmetic);
}

std::string Row(const Report& report, const Result& r) {
  if (!r.measured()) {
    return fmt::format("{:<30}{:<36}{:>6}  not measured: {}\n", RunnerText(r.runner), r.runner.form,
                       r.batch, r.declined);
  }
  std::string row = fmt::format(
      "{:<30}{:<36}{:>6}{:>11.3f}{:>11.3f}{:>10.1f}{:>8.1f}%{:>9}{:>8}{:>6}", RunnerText(r.runner),
      r.runner.form, r.batch, r.ImageMs(), r.BestImageMs(), 1e-9 * r.Rate(),
      100 * r.Rate() / report.peak,
      r.timing.beside > 0 ? fmt::format("{:.1f}%", 100 * r.Rate() / r.timing.beside) : "",
      r.timing.queued
          ? fmt::format("{:.1f}%", 100 * *r.timing.queued / static_cast<double>(report.threads))
          : "",
      r.timing.runs);
  const Result* rival = r.runner.rival ? nullptr : BestRival(report.results, r);
  row += rival == nullptr ? fmt::format("{:>8}", "")
                          : fmt::format("{:>7.2f}x", rival->ImageMs() / r.ImageMs());
  const Workspace& w = r.workspace;
  row += fmt::format("{:>10}{:>9}{:>9}{:>9}", Megabytes(w.total), Megabytes(w.fixed),
                     Megabytes(w.per_thread), Megabytes(w.per_image));
  row.erase(row.find_last_not_of(' ') + 1);
  return row + "\n";
}

// Of a rival's rows only the best batch of each form, and what failed.
bool Shown(const Report& report, const Result& r) {
  if (!r.runner.rival || !r.measured()) return true;
  return std::none_of(report.results.begin(), report.results.end(), [&](const Result& other) {
    return other.runner.rival && other.measured() && other.SameWork(r) &&
           other.runner.program == r.runner.program && other.runner.form == r.runner.form &&
           other.runner.arithmetic == r.runner.arithmetic &&
           (other.ImageMs() < r.ImageMs() || (other.ImageMs() == r.ImageMs() && &other < &r));
  });
}

std::string WorkTable(const Report& report, const Result& first) {
  std::string text = fmt::format("{}, {}, {} x {}: {:.3f} GFLOP an image\n", first.network,
                                 Name(first.phase), first.side, first.side, 1e-9 * first.flops);
  text += fmt::format(
      "{:<30}{:<36}{:>6}{:>11}{:>11}{:>10}{:>9}{:>9}{:>8}{:>6}{:>8}{:>10}{:>9}{:>9}{:>9}\n",
      "program, arithmetic", "form", "batch", "ms/image", "best", "GFLOP/s", "of peak", "then",
      "queued", "runs", "rival", "MB used", "fixed", "/thread", "/image");
  for (const Result& r : report.results) {
    if (r.SameWork(first) && Shown(report, r)) text += Row(report, r);
  }
  return text;
}

// Where the time of an image goes, and how fast the linear maps are by themselves.
std::string TimesTable(const Report& report, const Result& first) {
  std::string rows;
  for (const Result& r : report.results) {
    if (!r.SameWork(first) || !r.times) continue;
    const Times& t = *r.times;
    rows += fmt::format("{:<30}{:<36}{:>6}", RunnerText(r.runner), r.runner.form, r.batch);
    for (double seconds :
         {t.total, t.maps, t.gradients, t.elementwise, t.layout, t.other, t.rest()}) {
      rows += fmt::format("{:>12.3f}", 1e3 * seconds);
    }
    const double rate = r.flops / (t.maps + t.gradients) * report.threads;
    rows += fmt::format("{:>11.1f}%\n", 100 * rate / r.timing.beside);
  }
  if (rows.empty()) return rows;
  return fmt::format("{:<72}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n",
                     "core-milliseconds an image", "total", "maps", "gradients", "elementwise",
                     "layout", "other", "rest", "maps: then") +
         rows;
}

// The columns in two lines; README.md says more.
constexpr char kLegend[] =
    "\nms/image, best: median and minimum over the runs of a call's time, by its batch. GFLOP/s: "
    "of the direct form, whatever is computed. of peak, then: of the best rate measured, of that "
    "in those seconds. queued: of the threads' time, while other programs had the cores.\n"
    "rival: how many times as long the best other program takes. MB used, fixed: memory for this "
    "batch, before any; /thread, /image: what each further one adds.\n";

std::string NeighboursText(const NeighbourResult& r) {
  const double idle = 1e3 * r.idle.median_seconds;
  const double busy = 1e3 * r.busy.median_seconds;
  return fmt::format(
      "{}, one image, {}: {:.2f} ms idle, {:.2f} ms beside {} busy neighbour{}, {:.2f} times as "
      "long\n",
      r.network, RunnerText(r.runner), idle, busy, r.neighbours, r.neighbours == 1 ? "" : "s",
      busy / idle);
}

}  // namespace

std::string MachineText(const Report& report) {
  std::string text = fmt::format("{}, {} thread{}, {}: {:.1f} GFLOP/s float32 peak",
                                 report.processor, report.threads, report.threads == 1 ? "" : "s",
                                 report.instructions, 1e-9 * report.peak);
  if (report.bfloat16_peak > 0) {
    text += fmt::format(", {:.1f} GFLOP/s bf16 peak (AVX512_BF16)", 1e-9 * report.bfloat16_peak);
  }
  text += fmt::format(", {:.1f} GB/s memory\n", 1e-9 * report.bandwidth);
  for (const std::string& engine : report.engines) text += fmt::format("engine {}\n", engine);
  for (const std::string& rival : report.rivals) text += fmt::format("rival {}\n", rival);
  return text;
}

std::string TablesText(const Report& report) {
  std::string text;
  const std::vector<Result>& results = report.results;
  for (auto r = results.begin(); r != results.end(); ++r) {
    const bool first = std::none_of(results.begin(), r,
                                    [&](const Result& earlier) { return earlier.SameWork(*r); });
    if (first) text += "\n" + WorkTable(report, *r) + TimesTable(report, *r);
  }
  if (!results.empty()) text += kLegend;
  if (!report.neighbours.empty()) text += "\n";
  for (const NeighbourResult& r : report.neighbours) text += NeighboursText(r);
  return text;
}

}  // namespace csc
