#include "samples/benchmark/rival.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "samples/benchmark/run_case.h"
#include "samples/benchmark/training_step.h"
#include "solvers/error.h"
#include "training/file.h"
#include "training/onnx/onnx_file.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

// Of the largest value: different orders of float32 sums through a dozen layers
// differ by less, a wrong network by more. A ReLU that stands at its kink may
// fall to either side, which moves a gradient by a fraction of a per cent.
constexpr double kTolerance = 2e-3;
constexpr double kGradientTolerance = 2e-2;

template <typename T>
void WriteArray(const std::string& path, const T* values, size_t count) {
  WriteFile(path, std::string(reinterpret_cast<const char*>(values), count * sizeof(T)));
}

std::vector<float> ReadArray(const std::string& path, size_t count) {
  const std::string bytes = ReadFile(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  Require(values.size() == count && bytes.size() % sizeof(float) == 0,
          "{} holds {} bytes: {} expected", path, bytes.size(), count * sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// The layers with the names and sizes of their parameters, in the order of the
// flat array.
Json LayersOf(const Workload& workload) {
  const bool training = workload.what.phase == Phase::kTraining;
  Json layers = Json::array();
  std::vector<LayerSpec> specs;
  for (const ModelLayer& layer : workload.model.layers) specs.push_back(layer.spec);
  const Json written =
      Json::parse(WriteSpec(training ? specs : workload.network.layers)).at("layers");
  size_t next = 0;
  for (size_t l = 0; l < written.size(); ++l) {
    const ModelLayer& layer = workload.model.layers[l];
    Json json = written[l];
    json["normalise"] = training && layer.normalise;
    json["parameters"] = Json::array();
    std::vector<std::string> names =
        ParameterNames(training ? layer.spec : workload.network.layers[l]);
    // Training's own scale of a normalised LayeredThreshold.
    if (training && names.size() < static_cast<size_t>(layer.count)) names.push_back("a");
    for (const std::string& name : names) {
      const Dims& dims =
          training ? workload.model.parameters[next].dims : workload.network.parameters[next].dims;
      const bool trainable = training && workload.model.parameters[next].trainable;
      json["parameters"].push_back({{"name", name}, {"dims", dims}, {"trainable", trainable}});
      ++next;
    }
    layers.push_back(std::move(json));
  }
  return layers;
}

// What a child needs: `work.json`, the arrays it names and, for inference, the
// portable export.
void WriteWork(const Workload& workload, const RivalOptions& options,
               const std::set<int64_t>& batches, const std::string& scratch) {
  const bool training = workload.what.phase == Phase::kTraining;
  const Shape& input = workload.model.input;
  const std::vector<float> parameters =
      training ? workload.parameters : FlattenParameters(workload.network);
  WriteArray(scratch + "/parameters.f32", parameters.data(), parameters.size());
  WriteArray(scratch + "/images.f32", workload.images.data(), workload.images.size());
  WriteArray(scratch + "/labels.i32", workload.labels.data(), workload.labels.size());
  if (!training) {
    WriteOnnx(workload.network, input, OnnxForm::kPortable, scratch + "/portable.onnx");
  }
  const Json json = {{"phase", Name(workload.what.phase)},
                     {"input", {input.channels, input.height, input.width}},
                     {"classes", kClasses},
                     {"layers", LayersOf(workload)},
                     {"epsilon", kEpsilon},
                     {"learning_rate", kLearningRate},
                     {"momentum", kMomentum},
                     {"checked", kChecked},
                     {"batches", batches},
                     {"threads", options.threads},
                     {"device", options.device},
                     {"arithmetics", options.arithmetics},
                     {"seconds", options.seconds}};
  WriteFile(scratch + "/work.json", json.dump());
}

// What a child's numbers must be, by the names of the files that it writes.
std::map<std::string, std::vector<float>> Expected(const Workload& workload, const Engine& engine,
                                                   Executor* executor) {
  const auto executable = engine.Prepare(workload.program, {Arithmetic::kDirect});
  if (workload.what.phase == Phase::kTraining) {
    const LossAndGradients step = Differentiate(workload, executable.get(), executor, kChecked);
    // Gradients of what is not trained mean nothing.
    std::vector<float> gradients;
    for (const ModelParameter& p : workload.model.parameters) {
      for (int64_t i = 0; i < p.size(); ++i) {
        gradients.push_back(p.trainable ? step.gradients[gradients.size()] : 0);
      }
    }
    return {{"loss", {static_cast<float>(step.loss)}}, {"gradients", std::move(gradients)}};
  }
  std::vector<float> scores(kChecked * kClasses);
  RunArguments run;
  run.batch = kChecked;
  run.inputs = {workload.images.data()};
  run.outputs = {scores.data()};
  run.executor = executor;
  executable->SetParameters(FlattenParameters(workload.network).data());
  executable->Run(run);
  return {{"scores", std::move(scores)}};
}

Timing TimingOf(const Json& answer) {
  return {answer.at("median").get<double>(), answer.at("best").get<double>(),
          answer.at("runs").get<int>()};
}

Json Answer(Subprocess* process, const std::string& who) {
  const std::optional<std::string> line = process->ReadLine();
  Require(line.has_value(), "{} ended without an answer; it may have said why above", who);
  const Json json = Json::parse(*line, nullptr, /*allow_exceptions=*/false);
  Require(json.is_object(), "{} said \"{}\": JSON expected", who, *line);
  Require(!json.contains("error"), "{}: {}", who, json.value("error", ""));
  return json;
}

}  // namespace

const std::vector<std::string>& RivalNames() {
  static const auto* names = new std::vector<std::string>{"pytorch", "onnxruntime", "opencv"};
  return *names;
}

Rival::Rival(const std::string& name, const RivalOptions& options) : options_(options) {
  const std::string threads = std::to_string(options.threads);
  // A forced kernel of an old BLAS would slow a rival down, and without its
  // compiler "compiled" would be a lie, so such settings go.
  process_ = std::make_unique<Subprocess>(
      std::vector<std::string>{options.python, options.script, threads, options.device},
      std::map<std::string, std::optional<std::string>>{{"OMP_NUM_THREADS", threads},
                                                        {"MKL_NUM_THREADS", threads},
                                                        {"OPENBLAS_NUM_THREADS", threads},
                                                        {"OPENBLAS_CORETYPE", std::nullopt},
                                                        {"OPENBLAS_L2_SIZE", std::nullopt},
                                                        {"TORCH_COMPILE_DISABLE", std::nullopt},
                                                        {"TORCHDYNAMO_DISABLE", std::nullopt}});
  const Json hello = Answer(process_.get(), name);
  label_ = fmt::format("{} {}", hello.at("name").get<std::string>(),
                       hello.at("version").get<std::string>());
  description_ =
      fmt::format("{}, {} thread{}, {}", label_, options.threads, options.threads == 1 ? "" : "s",
                  hello.at("configuration").get<std::string>());
}

std::vector<Result> Rival::Run(const Workload& workload, const Engine& engine, Executor* executor,
                               const std::string& scratch) {
  std::set<int64_t> batches(workload.what.batches.begin(), workload.what.batches.end());
  for (int64_t batch : options_.batches) {
    if (batch <= static_cast<int64_t>(workload.labels.size())) batches.insert(batch);
  }
  WriteWork(workload, options_, batches, scratch);
  const auto expected = Expected(workload, engine, executor);
  process_->WriteLine(Json{{"work", scratch}}.dump());
  std::vector<Result> results;
  while (true) {
    const Json answer = Answer(process_.get(), label_);
    if (answer.contains("done")) return results;
    Result result = MakeResult(workload, answer.at("batch").get<int64_t>(), {});
    result.runner = {label_, answer.value("arithmetic", "float32"),
                     answer.at("form").get<std::string>(), /*rival=*/true};
    result.workspace.total = answer.value("bytes", int64_t{0});
    if (answer.contains("failed")) {
      result.declined = answer.at("failed").get<std::string>();
    } else {
      result.timing = TimingOf(answer);
      result.repeatable = answer.value("repeatable", false);
      const std::string who = fmt::format("{}, {}", label_, result.runner.form);
      for (const auto& [name, values] : expected) {
        const std::string path = scratch + "/" + name + ".f32";
        const double tolerance = name == "gradients" ? kGradientTolerance : kTolerance;
        RequireAgreement(who + ", " + name, ReadArray(path, values.size()).data(), values,
                         tolerance);
      }
    }
    // What is measured again, at length, replaces the first look.
    const auto earlier = std::find_if(results.begin(), results.end(), [&](const Result& r) {
      return r.runner.form == result.runner.form && r.batch == result.batch &&
             r.runner.arithmetic == result.runner.arithmetic;
    });
    if (earlier != results.end()) {
      *earlier = std::move(result);
    } else {
      results.push_back(std::move(result));
    }
  }
}

Timing Rival::RunAgain(const Result& result, double seconds) {
  const Json what = {{"arithmetic", result.runner.arithmetic},
                     {"form", result.runner.form},
                     {"batch", result.batch}};
  process_->WriteLine(Json{{"again", what}, {"seconds", seconds}}.dump());
  return TimingOf(Answer(process_.get(), label_));
}

}  // namespace csc
