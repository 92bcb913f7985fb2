#include "samples/benchmark/options.h"

#include <algorithm>

#include "samples/benchmark/neighbours.h"
#include "samples/benchmark/rival.h"
#include "samples/benchmark/run_case.h"
#include "solvers/error.h"

namespace csc {

namespace {

constexpr const char* kNetworkOptions[] = {"--model",     "--depth",     "--width",
                                           "--unfolding", "--algorithm", "--normalisation"};

std::string SuiteHelp() {
  std::string help = "What is measured:";
  for (const Suite& suite : Suites()) help += fmt::format("\n{}: {}", suite.name, suite.about);
  return help;
}

std::vector<std::string> SuiteNames() {
  std::vector<std::string> names;
  for (const Suite& suite : Suites()) names.push_back(suite.name);
  return names;
}

const Suite& FindSuite(const std::string& name) {
  for (const Suite& suite : Suites()) {
    if (suite.name == name) return suite;
  }
  Fail("suite \"{}\" is unknown", name);
}

void AddNetworkOptions(CLI::App* app, ModelOptions* network) {
  app->add_option("--model", network->model, "Model, as of //training:train")
      ->check(CLI::IsMember(ModelNames()))
      ->capture_default_str();
  app->add_option("--depth", network->depth, "Layers (default: 12, or the model's)");
  app->add_option("--width", network->width, "Filters of a layer (default: 32, or the model's)");
  app->add_option("--unfolding", network->unfolding,
                  "Steps after the first (default: 2, or the model's)");
  app->add_option("--algorithm", network->algorithm, "ista or fista")
      ->check(CLI::IsMember({"ista", "fista"}))
      ->capture_default_str();
  app->add_option("--normalisation", network->normalisation,
                  "none or batch (default: the model's); frozen for inference")
      ->check(CLI::IsMember({"none", "batch"}));
}

}  // namespace

void AddOptions(CLI::App* app, Options* options) {
  app->add_option("--suite", options->suite, SuiteHelp())
      ->check(CLI::IsMember(SuiteNames()))
      ->capture_default_str();
  app->add_flag_callback(
      "--smoke", [options] { options->suite = "smoke"; }, "The same as --suite smoke");
  AddNetworkOptions(app, &options->network);
  app->add_option("--phase", options->phases, "Only inference or only training")
      ->check(CLI::IsMember({"inference", "training"}));
  app->add_option("--batch", options->batches, "Images a run, in place of the suite's")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536));
  app->add_option("--side,--size", options->sides, "Heights and widths, in place of the suite's")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  app->add_option("--engine", options->engines,
                  "Engines (default: CSC_ENGINE, else those present but the reference)")
      ->delimiter(',');
  app->add_option("--arithmetic", options->arithmetics,
                  "What engines may do: direct, float32, tf32, bf16 (default: CSC_ARITHMETIC, else "
                  "float32)")
      ->delimiter(',')
      ->check(CLI::IsMember({"direct", "float32", "tf32", "bf16"}));
  app->add_option("--path", options->paths,
                  "How an engine is reached in inference: engine (called directly), fused, layered "
                  "(Net::forward on that export). Default: all for quick and smoke, else engine")
      ->delimiter(',')
      ->check(CLI::IsMember({kEnginePath, kFusedPath, kLayeredPath}));
  app->add_option("--compare", options->rivals,
                  "Also time the same networks there, each in its best form and batch")
      ->delimiter(',')
      ->check(CLI::IsMember(RivalNames()));
  app->add_option("--rival-batches", options->rival_batches,
                  "Batches that rivals try besides a case's own")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app->add_option("--rival-device", options->rival_device,
                  "Where PyTorch runs: cpu or cuda (default: where the first engine does)")
      ->check(CLI::IsMember({"cpu", "cuda"}));
  app->add_option("--python", options->python, "Interpreter that has the rivals' packages")
      ->capture_default_str();
  app->add_flag("--times", options->times,
                "Also where the time goes, of engines that keep it: maps, gradients, elementwise "
                "work, layouts");
  app->add_option("--neighbours", options->neighbours,
                  "Also the latency of one image beside so many busy programs")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app->add_option(kNeighbourOption, options->be_a_neighbour)->group("");  // hidden
  app->add_option("--threads", options->threads,
                  "Threads (default: the cores this process may use)")
      ->check(CLI::Range(1, 1024));
  app->add_option("--seconds", options->seconds, "Time spent on each figure, at least")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--json", options->json,
                  "Also write everything to this file; - prints it instead of the tables");
  app->add_option("--pictures", options->pictures,
                  "Draw the roofline and time against size into this folder");
}

std::vector<Case> SelectedCases(const CLI::App& app, const Options& options) {
  ModelOptions network = options.network;
  const bool chosen = std::any_of(std::begin(kNetworkOptions), std::end(kNetworkOptions),
                                  [&](const char* name) { return app.count(name) > 0; });
  Require(!chosen || FindSuite(options.suite).takes_network,
          "--suite {} has networks of its own: --model, --depth and the like go with those that "
          "vary one network",
          options.suite);
  if (network.model != DefaultNetwork().model) {
    // Another model's defaults are its own.
    if (app.count("--depth") == 0) network.depth.reset();
    if (app.count("--width") == 0) network.width.reset();
    if (app.count("--unfolding") == 0) network.unfolding.reset();
  }
  ResolveOptions(network);

  std::vector<Case> cases = CasesOf(options.suite, network);
  if (options.suite == "quick") {
    // Its one case is inference; it can be asked to train.
    const Case one = cases.at(0);
    cases.clear();
    for (const std::string& phase :
         options.phases.empty() ? std::vector<std::string>{"inference"} : options.phases) {
      cases.push_back(one);
      cases.back().phase = PhaseByName(phase);
    }
  }
  std::vector<Case> selected;
  for (const Case& one : cases) {
    const bool wanted = options.phases.empty() ||
                        std::count(options.phases.begin(), options.phases.end(), Name(one.phase));
    if (!wanted) continue;
    for (int64_t side : options.sides.empty() ? std::vector<int64_t>{one.side} : options.sides) {
      selected.push_back(one);
      selected.back().side = side;
      if (!options.batches.empty()) selected.back().batches = options.batches;
    }
  }
  Require(!selected.empty(), "nothing is left of --suite {}", options.suite);
  return selected;
}

}  // namespace csc
