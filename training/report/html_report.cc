#include "training/report/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "solvers/error.h"
#include "training/file.h"
#include "training/report/confusion_table.h"
#include "training/report/filter_mosaic.h"
#include "training/report/html.h"
#include "training/report/style.h"
#include "training/report/svg_chart.h"
#include "training/report/white_box_table.h"

namespace csc {

namespace {

constexpr size_t kMosaics = 6;
constexpr int kLargestMosaic = 900;     // pixels of the page
constexpr int kTilePixels = 32;         // of a tile: a whole filter,
constexpr int kChannelTilePixels = 16;  // or one of its many channels
// Losses and rates that span more than this are drawn logarithmically.
constexpr double kLinearSpan = 20;
constexpr double kLinearRateSpan = 5;

std::string Section(const std::string& title, const std::string& body) {
  if (body.empty()) return "";
  return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", title, body);
}

std::string DefinitionList(const char* kind, const ReportInput::Pairs& pairs) {
  if (pairs.empty()) return "";
  std::string html = fmt::format("<dl class=\"{}\">\n", kind);
  for (const auto& [name, value] : pairs) {
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", Escape(name), Escape(value));
  }
  return html + "</dl>\n";
}

std::vector<double> Epochs(const History& history) {
  if (const Column* column = history.Find("epoch")) return column->values;
  std::vector<double> epochs;
  for (size_t i = 1; i <= history.size(); ++i) epochs.push_back(static_cast<double>(i));
  return epochs;
}

// The largest value over the smallest; infinite where one is not above 0.
double Span(const Chart& chart) {
  double low = INFINITY;
  double high = 0;
  for (const Series& series : chart.series) {
    for (double y : series.y) {
      if (!std::isfinite(y)) continue;
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  return low > 0 ? high / low : INFINITY;
}

// All columns whose names end in `suffix`, by what stands before it.
Chart ChartOf(const History& history, const std::string& title, const std::string& suffix,
              double factor) {
  Chart chart;
  chart.title = title;
  for (const Column& column : history.columns) {
    if (column.name.size() <= suffix.size() ||
        column.name.compare(column.name.size() - suffix.size(), suffix.size(), suffix) != 0) {
      continue;
    }
    Series series;
    series.name = column.name.substr(0, column.name.size() - suffix.size());
    series.style = series.name == "train" ? 0 : series.name == "test" ? 1 : 2;
    series.x = Epochs(history);
    for (double value : column.values) series.y.push_back(value * factor);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

std::string Charts(const History& history) {
  Chart loss = ChartOf(history, "Loss", "_loss", 1);
  loss.logarithmic = Span(loss) > kLinearSpan;
  Chart accuracy = ChartOf(history, "Accuracy", "_accuracy", 100);
  accuracy.unit = " %";
  Chart rate;
  rate.title = "Learning rate";
  if (const Column* column = history.Find("learning_rate")) {
    rate.series = {{"learning rate", 0, Epochs(history), column->values}};
  }
  rate.logarithmic = Span(rate) > kLinearRateSpan;
  const std::string charts = DrawChart(loss) + DrawChart(accuracy) + DrawChart(rate);
  return charts.empty() ? "" : "<div class=\"charts\">\n" + charts + "</div>\n";
}

std::string DrawMosaic(const NamedFilters& filters) {
  const FilterMosaic mosaic = DrawFilters(*filters.filters);
  const int kernel = static_cast<int>(std::max(filters.filters->dims[2], filters.filters->dims[3]));
  const bool whole = filters.filters->dims[1] == 1 || filters.filters->dims[1] == 3;
  const int tile = whole ? kTilePixels : kChannelTilePixels;
  const int scale = std::max(1, std::min(tile / kernel, kLargestMosaic / mosaic.width));
  return fmt::format(
      "<figure class=\"mosaic\"><figcaption>{} <small>{}</small></figcaption>"
      "<img alt=\"{}\" width=\"{}\" height=\"{}\" src=\"data:image/png;base64,{}\"></figure>\n",
      Escape(filters.name), Escape(mosaic.note), Escape("filters of " + filters.name),
      mosaic.width * scale, mosaic.height * scale, Base64(mosaic.png));
}

// The first layer's filters, the last's, and some between them.
std::string Mosaics(const Network* network) {
  if (network == nullptr) return "";
  const std::vector<NamedFilters> all = FiltersOf(*network);
  if (all.empty()) return "";
  const size_t count = std::min(all.size(), kMosaics);
  std::string html;
  for (size_t i = 0; i < count; ++i) {
    html += DrawMosaic(all[count == 1 ? 0 : i * (all.size() - 1) / (count - 1)]);
  }
  return "<div class=\"mosaics\">\n" + html + "</div>\n";
}

std::string Confusion(const ReportInput& input) {
  if (input.confusion.empty()) return "";
  std::string html = DrawConfusion(input.classes, input.confusion);
  return "<div class=\"panel\">\n" + html + "</div>\n";
}

std::string WhiteBox(const ReportInput& input) {
  if (input.white_box.empty() && input.white_box_note.empty()) return "";
  return fmt::format("<div class=\"panel\">\n<p>{}</p>\n{}</div>\n", Escape(input.white_box_note),
                     input.white_box.empty() ? "" : DrawWhiteBox(input.white_box));
}

}  // namespace

std::string RenderReport(const ReportInput& input) {
  for (const Column& column : input.history.columns) {
    Require(column.values.size() == input.history.size(),
            "column {} of the history has {} values: {} expected", column.name,
            column.values.size(), input.history.size());
  }
  const std::string options = DefinitionList("options", input.options);
  const std::string command =
      input.command.empty() ? "" : "<pre><code>" + Escape(input.command) + "</code></pre>\n";
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n"
      "<header>\n<h1>{0}</h1>\n<p>{2}</p>\n{3}</header>\n<main>\n{4}{5}{6}{7}{8}{9}</main>\n"
      "</body>\n</html>\n",
      Escape(input.title), kStyle, Escape(input.subtitle), DefinitionList("cards", input.figures),
      Section("Curves", Charts(input.history)),
      Section("Confusion on the " + Escape(input.confusion_set) + " images", Confusion(input)),
      Section("Layers as sparse coding", WhiteBox(input)),
      Section("Filters", Mosaics(input.network)),
      Section("Options", options.empty() ? "" : "<div class=\"panel\">\n" + options + "</div>\n"),
      Section("Command", command));
}

void WriteReport(const std::string& folder, const ReportInput& input) {
  WriteFile(folder + "/report.html", RenderReport(input));
}

}  // namespace csc
