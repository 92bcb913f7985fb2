#include "samples/benchmark/measure.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

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

class Spinning {
 public:
  ~Spinning() {
    done_.store(true);
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_{[this] {
    while (!done_.load()) {
    }
  }};
};

TEST(Measure, TellsHowLongThreadsWaitedForACore) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  Timing timing;
  {
    const Spinning other;  // on the same core: one of the two waits at any time
    volatile double sink = 0;
    timing = Measure(0.2, [&] {
      for (int i = 0; i < 300000; ++i) sink = sink + i;
    });
  }
  sched_setaffinity(0, sizeof(all), &all);
  if (!timing.queued) GTEST_SKIP() << "the system does not tell";
  EXPECT_GT(*timing.queued, 0.5);
  EXPECT_LT(*timing.queued, 2.1);
}

TEST(Middle, HasTheMiddleMedianTheBestOfAllAndAllRuns) {
  const Timing middle = Middle({{3, 1, 4, 30, {}}, {2, 2, 5, 20, {}}, {9, 3, 6, 90, {}}});
  EXPECT_EQ(middle.median_seconds, 3);
  EXPECT_EQ(middle.best_seconds, 1);
  EXPECT_EQ(middle.runs, 15);
  EXPECT_EQ(middle.beside, 30);
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
