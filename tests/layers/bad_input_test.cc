// Bad input through OpenCV: refused with cv::Exception whose message names the
// layer, the attribute or blob and the value found.

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/layers/bad_cases.h"

namespace csc::test {
namespace {

std::string Refusal(const BadCase& bad) {
  try {
    OnnxModel model = ModelOf(bad.layer, bad.layer.input);
    if (bad.change) bad.change(&model);
    cv::dnn::Net net = model.Read();
    net.setInput(Image(bad.layer.input, 7));
    net.forward();
  } catch (const cv::Exception& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("NOT a cv::Exception: ") + error.what();
  }
  return "NOTHING was refused";
}

TEST(BadInputTest, IsRefusedByName) {
  // OpenCV prints every error it passes on; the failures are what matters.
  testing::internal::CaptureStderr();
  std::vector<std::string> refusals;
  const std::vector<BadCase>& cases = AllBadCases();
  for (const BadCase& bad : cases) refusals.push_back(Refusal(bad));
  testing::internal::GetCapturedStderr();
  for (size_t i = 0; i < cases.size(); ++i) {
    std::vector<std::string> named = cases[i].named;
    named.push_back("layer \"node\" (csc." + cases[i].layer.op + "): ");
    for (const std::string& part : named) {
      EXPECT_NE(refusals[i].find(part), std::string::npos)
          << cases[i].what << ": \"" << part << "\" is not in\n    " << refusals[i];
    }
    EXPECT_EQ(refusals[i].find("NOT"), refusals[i].find("NOTSET"))
        << cases[i].what << ": " << refusals[i];
  }
  EXPECT_GT(cases.size(), 300u);
  RecordProperty("cases", static_cast<int>(cases.size()));
}

// What OpenCV itself refuses must not get as far as a crash either.
TEST(BadInputTest, WhatOpenCvRefusesIsACvException) {
  const LayerCase base = MinimalCase("LayeredThreshold");
  const auto read = [&](const std::function<void(OnnxModel*)>& change) {
    OnnxModel model = ModelOf(base, base.input);
    change(&model);
    cv::dnn::Net net = model.Read();
    net.setInput(Image(base.input, 7));
    net.forward();
  };
  testing::internal::CaptureStderr();
  EXPECT_THROW(read([](OnnxModel* model) {  // 33 bits
                 SetAttribute(model->proto().mutable_graph()->mutable_node(0), "nonnegative",
                              int64_t{1} << 32);
               }),
               cv::Exception);
  EXPECT_THROW(read([](OnnxModel* model) {  // an absent input
                 model->proto().mutable_graph()->mutable_node(0)->set_input(2, "");
               }),
               cv::Exception);
  EXPECT_THROW(read([](OnnxModel* model) {  // an input nobody makes
                 model->proto().mutable_graph()->mutable_node(0)->set_input(0, "nobody");
               }),
               cv::Exception);
  cv::dnn::Net net = ReadNet(base);
  EXPECT_THROW(
      {
        net.setInput(cv::Mat());
        net.forward();
      },
      cv::Exception);
  testing::internal::GetCapturedStderr();
}

// A node without a name goes by its output's; OpenCV's prefixes never show.
TEST(BadInputTest, NamesNodesWithoutAName) {
  LayerCase bad = MinimalCase("SoftThreshold");
  bad.constants[0].data[0] = std::numeric_limits<float>::quiet_NaN();
  OnnxModel model = ModelOf(bad, bad.input);
  model.proto().mutable_graph()->mutable_node(0)->clear_name();
  testing::internal::CaptureStderr();
  std::string message;
  try {
    model.Read();
  } catch (const cv::Exception& error) {
    message = error.what();
  }
  testing::internal::GetCapturedStderr();
  EXPECT_NE(message.find("layer \"y\" (csc.SoftThreshold)"), message.npos) << message;
}

}  // namespace
}  // namespace csc::test
