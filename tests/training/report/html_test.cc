#include "training/report/html.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "training/report/svg_chart.h"

namespace csc::test {
namespace {

TEST(HtmlTest, EscapesWhatMarkupIsMadeOf) {
  EXPECT_EQ(Escape("<script>alert(\"a\" & 'b')</script>"),
            "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;");
  EXPECT_EQ(Escape("Größe 面 😀\n"), "Größe 面 😀\n");
}

TEST(HtmlTest, ReplacesBytesThatNoPageMayHold) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(Escape(std::string("a\0b", 3)), "a" + bad + "b");
  EXPECT_EQ(Escape("\x1b[31m"), bad + "[31m");
  EXPECT_EQ(Escape("Gr\xf6\xdf"), "Gr" + bad + bad);             // Latin-1
  EXPECT_EQ(Escape("\xc0\xbc"), bad + bad);                      // an overlong <
  EXPECT_EQ(Escape("\xed\xa0\x80"), bad + bad + bad);            // a surrogate
  EXPECT_EQ(Escape("\xf4\x90\x80\x80"), bad + bad + bad + bad);  // past the last
  EXPECT_EQ(Escape("cut \xe9\x9d"), "cut " + bad + bad);
}

TEST(HtmlTest, Base64IsThatOfTheStandard) {
  const auto encode = [](const std::string& text) { return Base64({text.begin(), text.end()}); };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foob"), "Zm9vYg==");
  EXPECT_EQ(encode("\xff\xfe\xfd"), "//79");
}

TEST(ChartTest, TicksAreRoundAndCoverTheRange) {
  EXPECT_EQ(LinearTicks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(LinearTicks(1, 20, 8), (std::vector<double>{0, 5, 10, 15, 20}));
  EXPECT_EQ(LinearTicks(-3, 101, 3), (std::vector<double>{-50, 0, 50, 100, 150}));
  for (double tick : LinearTicks(0.9312, 0.9871, 6)) {
    EXPECT_NEAR(tick * 100, std::round(tick * 100), 1e-9);
  }
}

TEST(ChartTest, GapsAreLeftWhereThereIsNoNumber) {
  Chart chart = {"loss", "", {{"train", 0, {1, 2, 3, 4}, {1, NAN, 3, INFINITY}}}};
  const std::string svg = DrawChart(chart);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_NE(svg.find("<b>3</b>"), std::string::npos) << svg;
  chart.series[0].y = {NAN, NAN, NAN, NAN};
  EXPECT_EQ(DrawChart(chart), "");
  EXPECT_EQ(DrawChart({}), "");
}

TEST(ChartTest, LogarithmicOnlyWhereThereIsALogarithm) {
  Chart chart = {"loss", "", {{"train", 0, {1, 2}, {0.001, 1}}}, true};
  EXPECT_NE(DrawChart(chart).find("logarithmic"), std::string::npos);
  chart.series[0].y = {0, 1};
  EXPECT_EQ(DrawChart(chart).find("logarithmic"), std::string::npos);
}

}  // namespace
}  // namespace csc::test
