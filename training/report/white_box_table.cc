#include "training/report/white_box_table.h"

#include <fmt/format.h>

#include "training/report/html.h"

namespace csc {

namespace {

constexpr size_t kValuesShown = 4;  // of an objective; all are in the title

constexpr char kNone[] = "<td class=\"none\">–</td>";

std::string Number(const std::optional<double>& value) {
  return value ? fmt::format("<td>{:.3g}</td>", *value) : kNone;
}

std::string Percent(const std::optional<double>& value) {
  return value ? fmt::format("<td>{:.1f} %</td>", 100 * *value) : kNone;
}

std::string StepLambda(const DictionaryFigures& row) {
  if (!row.step) return kNone;
  if (!row.step_warning) return fmt::format("<td>{:.3f}</td>", row.step_lambda());
  return fmt::format("<td class=\"warning\" title=\"does not contract: 0..2 would\">⚠ {:.3f}</td>",
                     row.step_lambda());
}

// "12.3 → 11.8", in the middle shortened.
std::string ObjectiveCell(const std::vector<Objective>& values) {
  if (values.empty()) return kNone;
  std::string all;
  std::string shown;
  for (size_t i = 0; i < values.size(); ++i) {
    all +=
        fmt::format("{}{}: {:.5g}", i > 0 ? ", " : "after ", values[i].iteration, values[i].value);
    if (values.size() > kValuesShown && i + 1 < values.size() && i + 2 > kValuesShown) {
      if (i + 2 == values.size()) shown += " → …";
      continue;
    }
    shown += fmt::format("{}{:.4g}", i > 0 ? " → " : "", values[i].value);
  }
  const bool rises = values.back().value > values.front().value;
  return fmt::format("<td class=\"objective{}\" title=\"{}\">{}{}</td>", rises ? " warning" : "",
                     all, rises ? "⚠ " : "", shown);
}

std::string NotReconstructed(const DictionaryFigures& row) {
  if (!row.not_reconstructed) return kNone;
  return fmt::format("<td title=\"off by more than 2β = {:.3g} (mean)\">{:.1f} %</td>",
                     row.tolerance.value_or(0), 100 * *row.not_reconstructed);
}

// "F_1^T" as people write it.
std::string Typeset(std::string name) {
  name = Escape(name);
  const size_t at = name.find("^T");
  if (at == std::string::npos) return name;
  name.replace(at, 2, "ᵀ");
  const size_t index = name.find('_');
  if (index > at) return name;
  return name.substr(0, index) + "<sub>" + name.substr(index + 1, at - index - 1) + "</sub>" +
         name.substr(at);
}

constexpr char kLegend[] =
    "<dl class=\"legend-list\">\n"
    "<dt>zeros, ‖g‖₁</dt><dd>share of zeros in the layer's code, and its ℓ1 norm, mean of an "
    "image</dd>\n"
    "<dt>μ</dt><dd>mutual coherence: the largest normalised inner product of two atoms, shifted "
    "ones included</dd>\n"
    "<dt>λ<sub>max</sub></dt><dd>largest eigenvalue of DᵀD</dd>\n"
    "<dt>c, c λ<sub>max</sub></dt><dd>the step (of ResCsc −c). Above 2, or below 0, the "
    "iteration does not contract and is marked; batch normalisation rescales every iteration, so "
    "that a mark is a hint there</dd>\n"
    "<dt>objective</dt><dd>½‖x − D g‖² + Σ β|g| after each iteration, mean of an image, with "
    "β = b / c; of normalised layers with the quadratic term that their scale stands for. "
    "Thresholds below 0 lower it, even below 0. Marked where it ends above its start</dd>\n"
    "<dt>not reconstructed</dt><dd>share of input dimensions that D g misses by more than 2β "
    "(Definition 1 of the paper)</dd>\n"
    "</dl>\n";

}  // namespace

std::string DrawWhiteBox(const std::vector<DictionaryFigures>& rows) {
  std::string html =
      "<div class=\"scroll\"><table class=\"figures\">\n<thead><tr><th>layer</th><th>D</th>"
      "<th>atoms</th><th>zeros</th><th>‖g‖₁</th><th>μ</th><th>λ<sub>max</sub></th><th>c</th>"
      "<th>c λ<sub>max</sub></th><th>objective</th><th>not reconstructed</th></tr></thead>\n"
      "<tbody>\n";
  for (const DictionaryFigures& row : rows) {
    html += fmt::format(
        "<tr><th>{} {}</th><td class=\"name\">{}</td><td>{}</td>{}{}<td>{:.3f}</td><td>{:.3g}</td>"
        "{}{}{}{}</tr>\n",
        row.layer, Escape(row.op), Typeset(row.dictionary), row.atoms, Percent(row.zeros),
        Number(row.mean_l1), row.coherence, row.lambda_max, Number(row.step), StepLambda(row),
        ObjectiveCell(row.objective), NotReconstructed(row));
  }
  return html + "</tbody></table></div>\n" + kLegend;
}

}  // namespace csc
