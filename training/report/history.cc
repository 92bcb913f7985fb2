#include "training/report/history.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>

#include "solvers/error.h"

namespace csc {

namespace {

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::string cell;
  std::istringstream stream(line + ",");
  while (std::getline(stream, cell, ',')) cells.push_back(cell);
  return cells;
}

double Number(const std::string& cell, size_t line) {
  if (cell.empty()) return std::numeric_limits<double>::quiet_NaN();
  char* end = nullptr;
  const double value = std::strtod(cell.c_str(), &end);
  Require(*end == '\0', "line {} of the history has \"{}\": a number expected", line, cell);
  return value;
}

}  // namespace

const Column* History::Find(const std::string& name) const {
  for (const Column& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

History ParseHistory(const std::string& csv) {
  History history;
  std::istringstream stream(csv);
  std::string text;
  Require(static_cast<bool>(std::getline(stream, text)), "the history has no header");
  for (const std::string& name : Cells(text)) history.columns.push_back({name, {}});
  for (size_t line = 2; std::getline(stream, text); ++line) {
    const std::vector<std::string> cells = Cells(text);
    Require(cells.size() == history.columns.size(),
            "line {} of the history has {} cells: {} expected", line, cells.size(),
            history.columns.size());
    for (size_t i = 0; i < cells.size(); ++i) {
      history.columns[i].values.push_back(Number(cells[i], line));
    }
  }
  return history;
}

std::vector<std::pair<std::string, double>> ScalarsOf(const History& history, size_t row) {
  std::vector<std::pair<std::string, double>> scalars;
  for (const Column& column : history.columns) {
    const double value = column.values.at(row);
    if (column.name == "epoch" || std::isnan(value)) continue;
    std::string tag = column.name;
    for (const std::string set : {"train", "validation", "test"}) {
      if (tag.rfind(set + "_", 0) == 0) tag[set.size()] = '/';
    }
    scalars.emplace_back(tag, value);
  }
  return scalars;
}

}  // namespace csc
