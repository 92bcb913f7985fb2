// End to end on real images with the driver's defaults, through OpenCV.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/training/onnx/model_edit.h"
#include "tests/training/program.h"
#include "tests/training/temporary_folder.h"

namespace csc::test {
namespace {

using Json = nlohmann::json;

TEST(DigitsEndToEndTest, DefaultsReachTheAccuracyAndOpenCvConfirmsIt) {
  const TemporaryFolder out("digits");
  const Ended ended = RunCommand({"training/train", "--out", out.path()});
  ASSERT_EQ(ended.status, 0) << ended.err;
  const Json report = Json::parse(ended.out);
  const double accuracy = report["test_accuracy"];
  EXPECT_GE(accuracy, 0.97);
  for (const char* file : {"model.onnx", "model_layered.onnx", "model_portable.onnx"}) {
    const Ended evaluated = RunCommand({"training/evaluate", out / file, "--data", "digits"});
    ASSERT_EQ(evaluated.status, 0) << evaluated.err;
    const Json measured = Json::parse(evaluated.out);
    // One image in 359 may tip over between two ways to add.
    EXPECT_NEAR(measured["test_accuracy"], accuracy, 1.5 / 359) << file;
    EXPECT_EQ(measured["images"], 359);
  }
}

TEST(EvaluateTest, ErrorsAreOneLineAndAStatus) {
  const TemporaryFolder folder("evaluate_errors");
  WriteBytes(folder / "no.onnx", "this is no model");
  for (const std::vector<std::string>& options :
       std::vector<std::vector<std::string>>{{},
                                             {folder / "missing.onnx"},
                                             {folder / "no.onnx"},
                                             {folder / "no.onnx", "--engine", "abacus"},
                                             {folder / "no.onnx", "--batch-size", "0"}}) {
    std::vector<std::string> command = {"training/evaluate"};
    command.insert(command.end(), options.begin(), options.end());
    const Ended ended = RunCommand(command);
    EXPECT_GT(ended.status, 0);
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
}

TEST(EvaluateTest, RefusesBadLabelsNamingTheFileBeforeItReadsData) {
  const TemporaryFolder folder("evaluate_labels");
  onnx::ModelProto model = Written(SmallClassifier(), OnnxForm::kPortable);
  auto* labels = model.add_metadata_props();
  labels->set_key("labels");
  labels->set_value("cat, dog");
  WriteBytes(folder / "bad.onnx", model.SerializeAsString());
  const Ended ended = RunCommand(
      {"training/evaluate", folder / "bad.onnx", "--data", "folder:" + (folder / "nowhere")});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.err, "evaluate: " + (folder / "bad.onnx") +
                           ": metadata labels: a JSON list of strings expected\n");
}

}  // namespace
}  // namespace csc::test
