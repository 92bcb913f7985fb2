// Times the linear maps of the paper's networks on the GPU one by one, by our own kernels
// and by cuDNN: what the tables of the engine cuda are set from.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "samples/benchmark/cases.h"
#include "samples/benchmark/measure.h"
#include "samples/benchmark/workload.h"
#include "solvers/engines/engine.h"
#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "training/command_line.h"
#include "training/models/training_program.h"

namespace csc {

namespace {

struct Options {
  int64_t batch = 128;
  std::vector<std::string> arithmetics = {"float32", "tf32", "bf16"};
  double seconds = 0.2;
  bool smoke = false;
};

struct Map {
  Opcode op;
  Shape image;
  Shape code;
  Geometry geometry;
  std::vector<std::string> networks = {};

  bool SameAs(const Map& other) const {
    return op == other.op && image == other.image && code == other.code &&
           geometry == other.geometry;
  }
};

std::vector<ModelOptions> Networks(bool smoke) {
  std::vector<ModelOptions> networks = {DefaultNetwork()};
  for (const char* model : {"res_csc", "resnet"}) {
    ModelOptions residual;
    residual.model = model;
    residual.depth = 20;
    networks.push_back(residual);
  }
  if (!smoke) return networks;
  networks.resize(2);
  networks[0].depth = 2;
  networks[1].depth = 8;
  for (ModelOptions& network : networks) network.width = 4;
  return networks;
}

// Those of a training step, each once.
std::vector<Map> MapsOf(const std::vector<ModelOptions>& networks, int64_t side) {
  std::vector<Map> maps;
  for (const ModelOptions& network : networks) {
    const Model model = MakeModel(network, {3, side, side}, kClasses);
    const Program program = BuildTrainingProgram(model).program;
    for (const Instruction& i : program.instructions()) {
      const bool gradient = i.op == Opcode::kFilterGradient;
      if (!IsConvolution(i.op) && !gradient) continue;
      const Shape& first = program.shape(i.terms[0].value);
      const Shape& second = program.shape(gradient ? i.terms[1].value : i.result);
      Map map = {i.op, first, second, i.geometry};
      if (i.op == Opcode::kSynthesis) std::swap(map.image, map.code);
      auto known = std::find_if(maps.begin(), maps.end(),
                                [&](const Map& other) { return other.SameAs(map); });
      if (known == maps.end()) known = maps.insert(known, map);
      auto& in = known->networks;
      if (in.empty() || in.back() != network.model) in.push_back(network.model);
    }
  }
  return maps;
}

// The map `count` times, of the same operands.
Program Repeated(const Map& map, int count) {
  Program program;
  const auto& [kernel, strides, dilations, pads] = map.geometry;
  const Dims dims = {map.code.channels, map.image.channels, kernel[0], kernel[1]};
  if (map.op == Opcode::kFilterGradient) {
    Instruction gradient;
    gradient.op = map.op;
    gradient.terms = {{program.AddInput(map.image), {}}, {program.AddInput(map.code), {}}};
    gradient.geometry = map.geometry;
    for (int k = 0; k < count; ++k) {
      gradient.filters = program.AddParameter(fmt::format("F{}", k), dims);
      program.Append(gradient, {}, /*has_result=*/false);
    }
    return program;
  }
  const int filters = program.AddParameter("F", dims);
  const bool analysis = map.op == Opcode::kAnalysis;
  const ValueId from = program.AddInput(analysis ? map.image : map.code);
  for (int k = 0; k < count; ++k) {
    program.MarkOutput(analysis ? program.Analysis(from, filters, map.geometry)
                                : program.Synthesis(from, filters, map.geometry, map.image.height,
                                                    map.image.width));
  }
  return program;
}

struct Figure {
  double seconds = 0;  // an image; 0 where it was not measured
  std::string how;     // what computed it, or why nothing did
};

std::vector<float> RandomFloats(int64_t size) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> value(-1, 1);
  std::vector<float> values(size);
  for (float& v : values) v = value(random);
  return values;
}

Figure Time(const Engine& engine, const Map& map, Arithmetic arithmetic, const char* cudnn,
            const Options& options) {
  // What a run costs beside its maps, copies above all, is in both and falls out. No result
  // is fetched.
  constexpr int kFew = 1, kMany = 9;
  setenv("CSC_CUDNN", cudnn, 1);
  Figure figure;
  double seconds[2] = {};
  for (int k = 0; k < 2; ++k) {
    const Program program = Repeated(map, k == 0 ? kFew : kMany);
    std::vector<std::vector<float>> inputs;
    RunArguments run;
    run.batch = options.batch;
    for (ValueId input : program.inputs()) {
      inputs.push_back(RandomFloats(options.batch * program.shape(input).size()));
    }
    for (const auto& input : inputs) run.inputs.push_back(input.data());
    run.outputs.resize(program.outputs().size());
    try {
      PrepareOptions prepare;
      prepare.arithmetic = arithmetic;
      const auto executable = engine.Prepare(program, prepare);
      executable->SetParameters(RandomFloats(program.parameter_size()).data());
      executable->Reserve(options.batch, 1);
      const std::string described = executable->Describe();
      const size_t begin = described.find(": ") + 2;
      figure.how = described.substr(begin, described.find('\n') - begin);
      seconds[k] = Measure(options.seconds, [&] { executable->Run(run); }).median_seconds;
    } catch (const EngineDeclined& declined) {
      return {0, declined.what()};
    }
  }
  figure.seconds =
      std::max(seconds[1] - seconds[0], 1e-9) / (kMany - kFew) / static_cast<double>(options.batch);
  return figure;
}

std::string Microseconds(const Figure& figure) {
  return figure.seconds > 0 ? fmt::format("{:.3f}", 1e6 * figure.seconds) : "-";
}

void Run(const Options& options) {
  const Engine& engine = FindEngine("cuda");
  fmt::print(
      "Microseconds an image, batch {}; above 1 our own kernel is the faster. {}.\n\n"
      "| map | image | code | geometry | in | arithmetic | own, us | cuDNN, us | cuDNN / own | own "
      "is | cuDNN is |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
      options.batch, engine.algorithms());
  for (const Map& map : MapsOf(Networks(options.smoke), options.smoke ? 8 : 32)) {
    for (const std::string& arithmetic : options.arithmetics) {
      const auto time = [&](const char* cudnn) {
        return Time(engine, map, ArithmeticByName(arithmetic), cudnn, options);
      };
      const Figure own = time("off"), cudnn = time("all");
      fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", Name(map.op),
                 ToString(map.image), ToString(map.code), ToString(map.geometry),
                 fmt::join(map.networks, ", "), arithmetic, Microseconds(own), Microseconds(cudnn),
                 cudnn.seconds > 0 ? fmt::format("{:.2f}", cudnn.seconds / own.seconds) : "-",
                 own.how, cudnn.how);
      std::fflush(stdout);
    }
  }
}

void AddOptions(CLI::App* app, Options* options) {
  app->add_option("--batch", options->batch, "Images of a run")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  app->add_option("--arithmetic", options->arithmetics, "Of float32, tf32, bf16")
      ->delimiter(',')
      ->capture_default_str();
  app->add_option("--seconds", options->seconds, "Of each of a map's two measurements")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_flag("--smoke", options->smoke, "Tiny networks: says nothing of speed");
}

}  // namespace
}  // namespace csc

int main(int argc, char** argv) {
  csc::Options options;
  CLI::App app(
      "Times the linear maps of the training steps of MSD-CSC, Res-CSC-20 and ResNet-20 on the "
      "GPU,\n"
      "each by our own kernels and by cuDNN, as a table. The time of a map is that of nine in one\n"
      "run less that of one, so copies do not count.\n",
      "gpu_maps");
  app.footer("Example:\n  gpu_maps --batch 1024 --arithmetic tf32");
  csc::AddOptions(&app, &options);
  return csc::RunProgram(&app, argc, argv, [&] {
    csc::Run(options);
    return 0;
  });
}
