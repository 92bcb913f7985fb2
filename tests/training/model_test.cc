#include "training/models/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "solvers/program/cost.h"
#include "tests/training/small_models.h"
#include "tests/training/temporary_folder.h"
#include "training/models/training_program.h"

namespace csc::test {
namespace {

constexpr Shape kCifar = {3, 32, 32};

ModelOptions Options(const std::string& model, int depth = 0, int width = 0, int unfolding = -1) {
  ModelOptions options;
  options.model = model;
  if (depth > 0) options.depth = depth;
  if (width > 0) options.width = width;
  if (unfolding >= 0) options.unfolding = unfolding;
  return options;
}

int64_t FilterWeights(const Model& model, bool classifier) {
  int64_t count = 0;
  for (const ModelLayer& layer : model.layers) {
    if (layer.spec.op == "Gemm" && !classifier) continue;
    for (int i = layer.first; i < layer.first + layer.count; ++i) {
      if (model.parameters[i].role == Role::kFilters) {
        count += model.parameters[i].size();
      }
    }
  }
  return count;
}

TEST(ModelSizeTest, MsdNetworksHaveThePapersFilterWeights) {
  const std::vector<std::pair<int, int64_t>> published = {{6, 143424}, {9, 339552}, {12, 618624}};
  for (const auto& [depth, weights] : published) {
    for (const char* name : {"msd_csc", "msd_csc_joint", "msdnet"}) {
      const Model model = MakeModel(Options(name, depth, 32), kCifar, 10);
      EXPECT_EQ(FilterWeights(model, false), weights) << name << depth;
    }
    // Pursued together or not, all of a layer's parameters are the same.
    EXPECT_EQ(MakeModel(Options("msd_csc_joint", depth, 32), kCifar, 10).trainable_parameters(),
              MakeModel(Options("msd_csc", depth, 32), kCifar, 10).trainable_parameters());
  }
}

TEST(ModelSizeTest, ResidualNetworksHaveThePublishedParameters) {
  const std::vector<std::pair<int, int64_t>> published = {
      {20, 269722}, {32, 464154}, {44, 658586}, {56, 853018}, {110, 1727962}, {218, 3477850}};
  for (const auto& [depth, count] : published) {
    const int blocks = (depth - 2) / 2;
    EXPECT_EQ(MakeModel(Options("resnet", depth), kCifar, 10).trainable_parameters(), count);
    EXPECT_EQ(MakeModel(Options("plain", depth), kCifar, 10).trainable_parameters(), count);
    // One c for each block comes on top.
    for (const char* name : {"res_csc", "res_csc_simplified"}) {
      EXPECT_EQ(MakeModel(Options(name, depth), kCifar, 10).trainable_parameters(), count + blocks);
    }
  }
}

TEST(ModelSizeTest, MultiLayerNetworksHaveThePublishedFilterWeights) {
  for (const char* name : {"ml_csc", "feed_forward"}) {
    const Model model = MakeModel(Options(name), kCifar, 10);
    EXPECT_EQ(FilterWeights(model, false), 3999232) << name;
    EXPECT_EQ(FilterWeights(model, true), 3999232 + 10 * 512) << name;
  }
}

TEST(ModelLayoutTest, MsdLayersSeeAllChannelsBeforeThem) {
  const Model model = MakeModel(Options("msd_csc", 12, 32, 2), kCifar, 10);
  std::vector<std::string> order;
  int layer = 0;
  for (const ModelLayer& l : model.layers) {
    order.push_back(l.spec.op);
    if (l.spec.op != "MsdCsc") continue;
    const Dims& filters = model.parameters[l.first].dims;
    EXPECT_EQ(filters, (Dims{32, 3 + 32 * layer, 3, 3}));
    EXPECT_EQ(l.spec.Ints("dilations")[0], layer % 3 + 1);
    EXPECT_EQ(l.spec.Int("unfolding"), 2);
    ++layer;
  }
  EXPECT_EQ(layer, 12);
  ASSERT_EQ(order.size(), 16u);
  EXPECT_EQ(order[4], "MaxPool");
  EXPECT_EQ(order[9], "MaxPool");
  EXPECT_EQ(order[14], "GlobalAveragePool");
  EXPECT_EQ(order[15], "Gemm");
}

TEST(ModelLayoutTest, LayersBetweenTwoPoolsArePursuedTogether) {
  for (const auto& [depth, blocks] : std::vector<std::pair<int, std::vector<int64_t>>>{
           {12, {4, 4, 4}}, {7, {2, 2, 3}}, {3, {1, 1, 1}}, {2, {1, 1}}, {1, {1}}}) {
    const Model model = MakeModel(Options("msd_csc_joint", depth, 32, 2), kCifar, 10);
    std::vector<int64_t> found;
    std::vector<int64_t> dilations;
    for (const ModelLayer& l : model.layers) {
      if (l.spec.op != "DenseCsc") continue;
      found.push_back(l.spec.Int("layers"));
      EXPECT_EQ(l.spec.Int("unfolding"), 2);
      for (int64_t d : l.spec.Ints("layer_dilations")) dilations.push_back(d);
    }
    EXPECT_EQ(found, blocks);
    for (int i = 0; i < depth; ++i) EXPECT_EQ(dilations[i], i % 3 + 1);
    // The same pools as one by one.
    const Model separate = MakeModel(Options("msd_csc", depth, 32, 2), kCifar, 10);
    EXPECT_EQ(model.layers.size(), separate.layers.size() - depth + blocks.size());
  }
}

TEST(ModelLayoutTest, PlainPursuitSeesTheLayerBelowAlone) {
  const Model model = MakeModel(Options("layered_pursuit", 6, 16, 1), kCifar, 10);
  std::vector<std::string> order;
  int layer = 0;
  for (const ModelLayer& l : model.layers) {
    order.push_back(l.spec.op);
    if (l.spec.op != "LayeredPursuit") continue;
    EXPECT_EQ(model.parameters[l.first].dims, (Dims{16, layer == 0 ? 3 : 16, 3, 3}));
    ++layer;
  }
  EXPECT_EQ(order,
            (std::vector<std::string>{
                "LayeredPursuit", "LayeredPursuit", "MaxPool", "LayeredPursuit", "LayeredPursuit",
                "MaxPool", "LayeredPursuit", "LayeredPursuit", "GlobalAveragePool", "Gemm"}));
}

// Convolutions of a training step and of the frozen network.
std::pair<int64_t, int64_t> Convolutions(const ModelOptions& options) {
  const Model model = MakeModel(options, kCifar, 10);
  const TrainingProgram training = BuildTrainingProgram(model);
  const Network network =
      Freeze(model, training, InitialParameters(model, 1), InitialMoments(training));
  return {CostOf(training.program).convolutions,
          CostOf(BuildProgram(network, kCifar)).convolutions};
}

TEST(ModelCostTest, AResNetComputesNoSynthesis) {
  for (int depth : {8, 20}) {
    const int64_t blocks = (depth - 2) / 2;
    // The first layer, two convolutions a block, the classifier; each has two
    // gradients but the first, whose input needs none.
    const int64_t passes = 2 + 2 * blocks;
    EXPECT_EQ(Convolutions(Options("resnet", depth)), std::make_pair(3 * passes - 1, passes));
    EXPECT_EQ(Convolutions(Options("plain", depth)), std::make_pair(3 * passes - 1, passes));
    for (const char* name : {"res_csc", "res_csc_simplified"}) {
      const int64_t more = passes + blocks;
      EXPECT_EQ(Convolutions(Options(name, depth)), std::make_pair(3 * more - 1, more));
    }
    // A step that starts at 0 but is trained: the training computes it, and so
    // does the frozen network as soon as it is not 0.
    ModelOptions trained = Options("res_csc", depth);
    trained.step = 0;
    EXPECT_EQ(Convolutions(trained), std::make_pair(3 * (passes + blocks) - 1, passes));
  }
}

TEST(ModelCostTest, PursuitsCostTwoConvolutionsALayerAndStep) {
  for (const char* name : {"msd_csc", "msd_csc_joint", "layered_pursuit"}) {
    for (int unfolding : {0, 1, 2}) {
      EXPECT_EQ(Convolutions(Options(name, 6, 4, unfolding)).second, 6 * (1 + 2 * unfolding) + 1)
          << name;
    }
  }
}

TEST(ModelLayoutTest, ImagesTooSmallForAPoolAreNotPooled) {
  for (int side : {1, 2, 3, 8}) {
    const Shape input = {1, side, side};
    for (const char* name : {"msd_csc", "msd_csc_joint", "layered_pursuit", "msdnet"}) {
      const Model model = MakeModel(Options(name, 6, 2), input, 10);
      int pools = 0;
      for (const ModelLayer& l : model.layers) pools += l.spec.op == "MaxPool";
      EXPECT_EQ(pools, side >= 4 ? 2 : side >= 2 ? 1 : 0) << side;
    }
    BuildTrainingProgram(MakeModel(Options("res_csc", 8, 2), input, 10));
  }
  CSC_EXPECT_ERROR(MakeModel(Options("ml_csc"), {1, 3, 3}, 10), "too small");
}

TEST(ModelOptionsTest, DefaultsAreFilledInAndKept) {
  const ModelOptions msd = ResolveOptions(Options("msd_csc"));
  EXPECT_EQ(msd.normalisation, "batch");
  EXPECT_EQ(*msd.step, 1);
  EXPECT_TRUE(*msd.learn_step);
  EXPECT_EQ(*msd.filter_scale, 0.1);
  EXPECT_EQ(*ResolveOptions(Options("msd_csc", 6, 8, 0)).filter_scale, std::sqrt(2.0));
  const ModelOptions msdnet = ResolveOptions(Options("msdnet"));
  EXPECT_EQ(*msdnet.unfolding, 0);
  EXPECT_FALSE(*msdnet.learn_step);
  EXPECT_FALSE(msdnet.threshold_identity);
  EXPECT_LT(*ResolveOptions(Options("res_csc")).step, 0);
  EXPECT_EQ(*ResolveOptions(Options("resnet")).step, 0);
  const ModelOptions joint = ResolveOptions(Options("msd_csc_joint"));
  EXPECT_EQ(joint.normalisation, "batch");
  EXPECT_EQ(*joint.unfolding, 1);
  EXPECT_EQ(*joint.filter_scale, 0.1);
  const ModelOptions layered = ResolveOptions(Options("layered_pursuit"));
  EXPECT_EQ(layered.normalisation, "none");
  EXPECT_EQ(*layered.depth, 6);
  EXPECT_EQ(*layered.width, 16);
  EXPECT_EQ(*layered.filter_scale, 0.7);
  EXPECT_EQ(*ResolveOptions(Options("layered_pursuit", 6, 8, 2)).filter_scale, 0.5);
  EXPECT_EQ(*ResolveOptions(Options("layered_pursuit", 6, 8, 0)).filter_scale, std::sqrt(2.0));
}

// The lists that the tests of all models go by.
TEST(ModelOptionsTest, ModelsAreUnfoldedAndNormalisedAsListed) {
  const auto accepts = [](const ModelOptions& options) {
    try {
      ResolveOptions(options);
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  for (const std::string& name : ModelNames()) {
    EXPECT_EQ(accepts(Options(name, 0, 0, 1)), UnfoldedModels().count(name) == 1) << name;
    ModelOptions options = Options(name);
    for (const char* normalisation : {"none", "batch"}) {
      options.normalisation = normalisation;
      EXPECT_EQ(accepts(options),
                normalisation == std::string("none") || BareModels().count(name) == 0)
          << name << " " << normalisation;
    }
  }
}

TEST(ModelOptionsTest, RefusesWhatNoModelHas) {
  const auto check = [](const std::string& model, auto change) {
    ModelOptions options = Options(model);
    change(&options);
    ResolveOptions(options);
  };
  CSC_EXPECT_ERROR(check("vgg", [](auto*) {}), "vgg", "msd_csc");
  CSC_EXPECT_ERROR(check("resnet", [](auto* o) { o->depth = 21; }), "21", "6 n + 2");
  CSC_EXPECT_ERROR(check("msd_csc", [](auto* o) { o->depth = 0; }), "0");
  CSC_EXPECT_ERROR(check("ml_csc", [](auto* o) { o->depth = 5; }), "5");
  CSC_EXPECT_ERROR(check("msd_csc", [](auto* o) { o->width = -1; }), "-1");
  CSC_EXPECT_ERROR(check("msd_csc", [](auto* o) { o->unfolding = 1001; }), "1001", "1000");
  CSC_EXPECT_ERROR(check("msdnet", [](auto* o) { o->unfolding = 1; }), "none");
  CSC_EXPECT_ERROR(check("msdnet", [](auto* o) { o->step = 0.5; }), "c = 1");
  CSC_EXPECT_ERROR(check("resnet", [](auto* o) { o->learn_step = true; }), "c = 0");
  CSC_EXPECT_ERROR(check("msd_csc", [](auto* o) { o->algorithm = "ADMM"; }), "ADMM", "fista");
  CSC_EXPECT_ERROR(check("msd_csc", [](auto* o) { o->normalisation = "l2"; }), "l2", "batch");
  CSC_EXPECT_ERROR(check("layered_pursuit", [](auto* o) { o->normalisation = "batch"; }), "batch",
                   "layered_pursuit", "scale");
  CSC_EXPECT_ERROR(check("res_csc", [](auto* o) { o->threshold_identity = false; }),
                   "threshold-identity", "res_csc");
  CSC_EXPECT_ERROR(check("msd_csc", [](auto* o) { o->filter_scale = 0.0; }), "filter scale");
  CSC_EXPECT_ERROR(MakeModel(Options("msd_csc"), kCifar, 1), "1 class");
}

TEST(InitialParametersTest, FollowTheScaleAndTheSeed) {
  const Model model = MakeModel(Options("msd_csc", 2, 32, 1), kCifar, 10);
  const std::vector<float> values = InitialParameters(model, 3);
  EXPECT_EQ(values, InitialParameters(model, 3));
  EXPECT_NE(values, InitialParameters(model, 4));
  size_t offset = 0;
  for (const ModelParameter& p : model.parameters) {
    double squares = 0;
    for (int64_t i = 0; i < p.size(); ++i) {
      squares += values[offset + i] * values[offset + i];
    }
    const double rms = std::sqrt(squares / p.size());
    if (p.role == Role::kFilters) {
      EXPECT_NEAR(rms, p.deviation, 0.2 * p.deviation) << p.name;
    } else {
      EXPECT_EQ(rms, p.role == Role::kThreshold ? 0 : 1) << p.name;
    }
    offset += p.size();
  }
  EXPECT_EQ(offset, values.size());
}

TEST(StepWarningTest, SpeaksWhenTheIterationDiverges) {
  // Filters of 0.1 / sqrt(fan-in) keep lambda_max near 1; Kaiming's do not.
  ModelOptions options = Options("msd_csc", 3, 8, 1);
  Model model = MakeModel(options, kCifar, 10);
  EXPECT_EQ(StepWarning(model, InitialParameters(model, 1)), "");
  options.filter_scale = std::sqrt(2.0);
  model = MakeModel(options, kCifar, 10);
  const std::string warning = StepWarning(model, InitialParameters(model, 1));
  EXPECT_NE(warning.find("3 of 3"), std::string::npos) << warning;
  EXPECT_NE(warning.find("layer0.c"), std::string::npos) << warning;
  // So in a dense block, every layer of it.
  ModelOptions joint = Options("msd_csc_joint", 3, 8, 1);
  model = MakeModel(joint, kCifar, 10);
  EXPECT_EQ(StepWarning(model, InitialParameters(model, 1)), "");
  joint.filter_scale = std::sqrt(2.0);
  joint.depth = 6;
  for (const char* normalisation : {"none", "batch"}) {
    joint.normalisation = normalisation;
    model = MakeModel(joint, kCifar, 10);
    const std::string text = StepWarning(model, InitialParameters(model, 1));
    EXPECT_NE(text.find("6 of 6"), std::string::npos) << text;
    EXPECT_NE(text.find("layer0.c_1"), std::string::npos) << text;
  }
  // Without an iteration there is nothing to diverge.
  options.unfolding = 0;
  model = MakeModel(options, kCifar, 10);
  EXPECT_EQ(StepWarning(model, InitialParameters(model, 1)), "");

  options = Options("res_csc", 8);
  model = MakeModel(options, kCifar, 10);
  EXPECT_EQ(StepWarning(model, InitialParameters(model, 1)), "");
  options.step = 0.1;  // the wrong sign
  model = MakeModel(options, kCifar, 10);
  EXPECT_NE(StepWarning(model, InitialParameters(model, 1)), "");
}

}  // namespace
}  // namespace csc::test
