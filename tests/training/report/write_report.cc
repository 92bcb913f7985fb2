// Writes the reports that html_report_test.py looks at into the folder given.

#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "tests/solvers/random.h"
#include "training/report/html_report.h"

namespace csc::test {
namespace {

constexpr char kHostile[] = "<script>alert('x')</script>";

Network SomeNetwork() {
  Random random(3);
  const auto tensor = [&](const Dims& dims) {
    return Tensor{dims, random.Reals(NumElements(dims), -1, 1)};
  };
  Network network;
  const auto add = [&](const std::string& op, const std::vector<Tensor>& parameters) {
    network.layers.push_back(MakeLayerSpec(op, {}, static_cast<int>(parameters.size())));
    network.parameters.insert(network.parameters.end(), parameters.begin(), parameters.end());
  };
  add("MsdCsc", {tensor({20, 3, 3, 3}), tensor({23}), tensor({1})});
  add("LayeredThreshold", {tensor({40, 23, 5, 5}), tensor({40})});
  add("LayeredThreshold", {{{2, 40, 3, 3}, std::vector<float>(720)}, tensor({2})});
  add("ResCsc",
      {tensor({2, 2, 3, 3}), tensor({2}), tensor({2, 2, 1, 1}), tensor({2}), tensor({1})});
  add("LayeredPursuit", {tensor({1, 1, 1, 1}), tensor({1}), tensor({1})});
  add("Gemm", {tensor({2, 1, 4, 4}), tensor({2})});
  return network;
}

// Everything there is, with hostile texts wherever texts come from.
ReportInput Full(const Network& network, int64_t classes) {
  ReportInput input;
  input.title = std::string("title ") + kHostile;
  input.subtitle = std::string("subtitle ") + kHostile;
  input.figures = {{kHostile, kHostile}};
  input.options = {{"data", std::string("folder:\"a\" & ") + kHostile}};
  input.command = std::string("train --out '") + kHostile + "'";
  input.confusion_set = kHostile;
  input.history.columns = {{"epoch", {1, 2, 3}},
                           {"learning_rate", {0.1, 0.1, 0.01}},
                           {"train_loss", {2, 1, 0.01}},
                           {"validation_loss", {NAN, 1, 0.5}},
                           {"test_loss", {2, 1.5, INFINITY}},
                           {std::string(kHostile) + "_accuracy", {0.5, 0.75, 1}}};
  for (int64_t k = 0; k < classes; ++k) {
    input.classes.push_back(k == 0 ? kHostile : "class " + std::to_string(k));
    for (int64_t p = 0; p < classes; ++p) input.confusion.push_back(p == k ? 7 : (p + k) % 3);
  }
  input.network = &network;
  DictionaryFigures row;
  row.op = kHostile;
  row.dictionary = "[I, F^T]";
  row.step = 0.5;
  row.lambda_max = 5;
  row.step_warning = true;
  row.objective = {{1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 7}};
  input.white_box = {row, {}};
  input.white_box_note = kHostile;
  return input;
}

void Write(const std::string& folder, const ReportInput& input) {
  std::filesystem::create_directories(folder);
  WriteReport(folder, input);
}

int Main(const std::string& folder) {
  const Network network = SomeNetwork();
  Write(folder + "/full", Full(network, 3));
  Write(folder + "/hundred", Full(network, 100));
  Write(folder + "/many", Full(network, 101));
  Write(folder + "/empty", {});
  ReportInput one_epoch;
  one_epoch.history.columns = {{"train_loss", {1}}, {"learning_rate", {0}}};
  Write(folder + "/one_epoch", one_epoch);
  ReportInput wrong = Full(network, 3);
  wrong.confusion.pop_back();
  try {
    RenderReport(wrong);
  } catch (const std::exception& error) {
    std::puts(error.what());
  }
  return 0;
}

}  // namespace
}  // namespace csc::test

int main(int, char** argv) { return csc::test::Main(argv[1]); }
