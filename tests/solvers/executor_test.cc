#include "solvers/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "solvers/error.h"

namespace csc {
namespace {

// 0: the serial executor; otherwise a pool of so many threads.
class ExecutorTest : public ::testing::TestWithParam<int> {
 protected:
  ExecutorTest() {
    if (GetParam() == 0) {
      executor_ = std::make_unique<SerialExecutor>();
    } else {
      executor_ = MakeThreadPool(GetParam());
    }
  }

  std::unique_ptr<Executor> executor_;
};

TEST_P(ExecutorTest, HasAsManyWorkersAsThreads) {
  EXPECT_EQ(executor_->num_workers(), std::max(1, GetParam()));
}

TEST_P(ExecutorTest, RunsEveryIndexExactlyOnce) {
  for (int64_t count : {0, 1, 2, 3, 5, 64, 1000}) {
    std::vector<std::atomic<int>> runs(count);
    executor_->ParallelFor(count, [&](int64_t index, int worker) {
      ASSERT_GE(index, 0);
      ASSERT_LT(index, count);
      ASSERT_GE(worker, 0);
      ASSERT_LT(worker, executor_->num_workers());
      ++runs[index];
    });
    for (const auto& times : runs) EXPECT_EQ(times, 1);
  }
}

TEST_P(ExecutorTest, NeverRunsOneWorkerTwiceAtATime) {
  std::vector<std::atomic<int>> busy(executor_->num_workers());
  std::atomic<int> overlaps{0};
  for (int round = 0; round < 50; ++round) {
    executor_->ParallelFor(200, [&](int64_t, int worker) {
      if (busy[worker]++ != 0) ++overlaps;
      std::this_thread::yield();
      --busy[worker];
    });
  }
  EXPECT_EQ(overlaps, 0);
}

TEST_P(ExecutorTest, GivesAWorkersScratchToOneThreadOfACall) {
  // Not atomic on purpose: the thread sanitizer sees an overlap.
  std::vector<int64_t> sums(executor_->num_workers(), 0);
  for (int round = 0; round < 100; ++round) {
    executor_->ParallelFor(100, [&](int64_t index, int worker) { sums[worker] += index; });
  }
  int64_t sum = 0;
  for (int64_t s : sums) sum += s;
  EXPECT_EQ(sum, 100 * 99 * 100 / 2);
}

TEST_P(ExecutorTest, HasFinishedWhenTheCallReturns) {
  for (int round = 0; round < 500; ++round) {
    std::vector<int> done(7, 0);
    executor_->ParallelFor(7, [&](int64_t index, int) { done[index] = 1; });
    EXPECT_EQ(done, std::vector<int>(7, 1));
  }
}

TEST_P(ExecutorTest, RethrowsATasksException) {
  for (int64_t culprit : {0, 5, 99}) {
    try {
      executor_->ParallelFor(100, [&](int64_t index, int) {
        if (index == culprit) throw Error("task " + std::to_string(index));
      });
      ADD_FAILURE() << "no exception";
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()), "task " + std::to_string(culprit));
    }
  }
}

TEST_P(ExecutorTest, RethrowsOneOfManyExceptionsAndNoTaskRunsOn) {
  std::atomic<int> running{0};
  EXPECT_THROW(executor_->ParallelFor(1000,
                                      [&](int64_t, int) {
                                        ++running;
                                        std::this_thread::yield();
                                        --running;
                                        throw std::runtime_error("each");
                                      }),
               std::runtime_error);
  EXPECT_EQ(running, 0);
}

TEST_P(ExecutorTest, WorksAsBeforeAfterAnException) {
  for (int round = 0; round < 100; ++round) {
    EXPECT_THROW(executor_->ParallelFor(8,
                                        [](int64_t index, int) {
                                          if (index % 3 == 0) throw std::out_of_range("x");
                                        }),
                 std::out_of_range);
    std::atomic<int> runs{0};
    executor_->ParallelFor(50, [&](int64_t, int) { ++runs; });
    EXPECT_EQ(runs, 50);
  }
}

TEST_P(ExecutorTest, ServesCallersFromSeveralThreads) {
  if (GetParam() == 0) GTEST_SKIP() << "the serial executor has no state to share";
  std::vector<int64_t> sums(3, 0);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      std::vector<int64_t> seen(100, 0);
      for (int round = 0; round < 50; ++round) {
        executor_->ParallelFor(100, [&](int64_t index, int) { seen[index] += index; });
      }
      for (int64_t value : seen) sums[caller] += value;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sums, std::vector<int64_t>(3, 50 * 99 * 100 / 2));
}

INSTANTIATE_TEST_SUITE_P(Threads, ExecutorTest, ::testing::Values(0, 1, 2, 3, 8));

TEST(MakeThreadPool, RefusesFewerThanOneThread) {
  EXPECT_THROW(MakeThreadPool(0), Error);
  EXPECT_THROW(MakeThreadPool(-3), Error);
}

TEST(MakeThreadPool, CanBeMadeAndDroppedUnused) {
  for (int round = 0; round < 50; ++round) MakeThreadPool(4);
}

TEST(MakeThreadPool, SaysThatTheSystemGivesNoMoreThreads) {
  // Stacks of 64 TB fit no address space.
  pthread_attr_t before, huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  try {
    MakeThreadPool(3);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("pool of 3 threads: the system gave 1"),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(pthread_setattr_default_np(&before), 0);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&before);
  EXPECT_EQ(MakeThreadPool(3)->num_workers(), 3);
}

TEST(NumAvailableCpus, IsAtLeastOne) { EXPECT_GE(NumAvailableCpus(), 1); }

}  // namespace
}  // namespace csc
