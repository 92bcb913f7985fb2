#include "samples/benchmark/pictures.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "training/file.h"

namespace csc {
namespace {

Result Measured(const std::string& network, int64_t batch, double image_seconds) {
  Result r;
  r.network = network;
  r.side = 32;
  r.batch = batch;
  r.depth = 3;
  r.runner = {"onednn", "float32", "engine"};
  r.flops = 1e9;
  r.bytes = 1e8;
  r.timing = {image_seconds * static_cast<double>(batch), image_seconds, 3};
  return r;
}

std::string Folder() { return testing::TempDir() + "pictures_test"; }

TEST(Pictures, ADrawnLineNeedsTwoSizes) {
  Report report;
  report.peak = 1e11;
  report.bandwidth = 1e10;
  report.results = {Measured("a <b>", 1, 0.02)};
  EXPECT_EQ(DrawPictures(report, Folder()).size(), 1);  // the roofline alone
  report.results.push_back(Measured("a <b>", 8, 0.01));
  const std::vector<std::string> paths = DrawPictures(report, Folder());
  ASSERT_EQ(paths.size(), 2);
  EXPECT_EQ(std::filesystem::path(paths[1]).filename(), "time_batch.svg");
  const std::string svg = ReadFile(paths[1]);
  EXPECT_NE(svg.find("a &lt;b&gt;"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(Pictures, WhatWasNotMeasuredIsNotDrawn) {
  Report report;
  report.peak = 1e11;
  report.bandwidth = 1e10;
  report.results = {Measured("a", 1, 0.02)};
  report.results[0].declined = "no";
  EXPECT_TRUE(DrawPictures(report, Folder()).empty());
}

// Of several forms of a rival the line shows the fastest.
TEST(Pictures, ARivalIsOneLineThroughItsBestForms) {
  Report report;
  report.peak = 1e11;
  report.bandwidth = 1e10;
  for (int64_t batch : {1, 8}) {
    for (double ms : {30, 20}) {
      report.results.push_back(Measured("a", batch, 1e-3 * ms));
      report.results.back().runner = {"Rival 1", "float32", ms == 30 ? "slow" : "fast", true};
    }
  }
  const std::vector<std::string> paths = DrawPictures(report, Folder());
  ASSERT_EQ(paths.size(), 1);  // a rival has no point in our roofline
  const std::string svg = ReadFile(paths[0]);
  EXPECT_NE(svg.find("Rival 1 float32, best form"), std::string::npos);
  EXPECT_NE(svg.find("20.000 ms"), std::string::npos);
  EXPECT_EQ(svg.find("30.000 ms"), std::string::npos);
}

}  // namespace
}  // namespace csc
