// The same networks elsewhere: a Python script as a child process, which times
// them in every form it knows, on the same input with the same weights.
//
// The child and we speak in lines of JSON: it says hello with its name, version
// and configuration; then, for each folder that it is given, one line for every
// form and batch, and a last one; a line more for what it is to time once more.
// WriteWork says what such a folder holds.

#ifndef CSC_SAMPLES_BENCHMARK_RIVAL_H_
#define CSC_SAMPLES_BENCHMARK_RIVAL_H_

#include <memory>
#include <string>
#include <vector>

#include "samples/benchmark/result.h"
#include "samples/benchmark/subprocess.h"
#include "samples/benchmark/workload.h"
#include "solvers/engines/engine.h"

namespace csc {

struct RivalOptions {
  std::string python = "python3";
  std::string script;  // that of the rival
  int threads = 1;
  double seconds = 2;            // for each figure
  std::vector<int64_t> batches;  // tried besides each case's own; empty: none
  std::string device = "cpu";    // or "cuda"
  std::vector<std::string> arithmetics = {"float32"};
};

// "pytorch", "onnxruntime", "opencv".
const std::vector<std::string>& RivalNames();

class Rival {
 public:
  // Starts it. Throws Error, which says what to install, when it cannot run.
  Rival(const std::string& name, const RivalOptions& options);

  // "PyTorch 2.1.0 (...)": name, version, threads and configuration.
  const std::string& description() const { return description_; }

  // "PyTorch 2.1.0": the program of its results.
  const std::string& label() const { return label_; }

  // Times a workload. `scratch` is a folder; `engine` computes what the results
  // must agree with, in its direct form. A form that fails is a result with the
  // reason. Throws Error when numbers differ.
  std::vector<Result> Run(const Workload& workload, const Engine& engine, Executor* executor,
                          const std::string& scratch);

  // Times what a result of the latest workload is of once more, for about so many
  // seconds. It must be repeatable.
  Timing RunAgain(const Result& result, double seconds);

 private:
  const RivalOptions options_;
  std::unique_ptr<Subprocess> process_;
  std::string label_;
  std::string description_;
};

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_RIVAL_H_
