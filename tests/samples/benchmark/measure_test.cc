#include "samples/benchmark/measure.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace csc {
namespace {

TEST(Measure, RunsAtLeastThreeTimesAfterOneThatDoesNotCount) {
  int calls = 0;
  volatile double sink = 0;
  const Timing timing = Measure(1e-9, [&] {
    ++calls;
    for (int i = 0; i < 300000; ++i) sink = sink + i;  // longer than a clock's tick
  });
  EXPECT_GE(timing.runs, 3);
  EXPECT_GE(calls, timing.runs + 1);
  EXPECT_GT(timing.best_seconds, 0);
  EXPECT_LE(timing.best_seconds, timing.median_seconds);
}

TEST(Measure, LooksAtTheYardstickBeforeBetweenAndAfter) {
  std::string order;
  double yardstick = 0;
  const Timing timing = Measure(
      1e-9, [&] { order += order.empty() || order.back() != 'w' ? "w" : ""; },
      [&] {
        order += 'b';
        return ++yardstick;
      });
  EXPECT_EQ(order, "wbwbwbwb");
  EXPECT_EQ(timing.beside, 3);  // of 1, 2, 3, 4
  EXPECT_EQ(Measure(1e-9, [] {}).beside, 0);
}

TEST(Measure, ThrowsOnWhatTheWorkThrows) {
  int calls = 0;
  const auto fails_later = [&] {
    if (++calls > 1) throw std::runtime_error("no more");
  };
  EXPECT_THROW(Measure(1e-9, fails_later), std::runtime_error);
  EXPECT_EQ(calls, 2);
}

TEST(Measure, CanBeUsedAgainAfterAFailure) {
  EXPECT_THROW(Measure(1e-9, [] { throw std::runtime_error("at once"); }), std::runtime_error);
  EXPECT_GE(Measure(1e-9, [] {}).runs, 3);
}

}  // namespace
}  // namespace csc
