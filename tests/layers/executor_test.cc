// Tasks on OpenCV's threads, and networks in several threads at once.

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/fp_control_utils.hpp>
#include <stdexcept>
#include <thread>

#include "layers/opencv_executor.h"
#include "tests/layers/layer_case.h"
#include "tests/solvers/compare.h"

namespace csc::test {
namespace {

class ExecutorTest : public testing::Test {
 protected:
  ~ExecutorTest() override { cv::setNumThreads(threads_); }
  const int threads_ = cv::getNumThreads();
};

// Runs `count` tasks; each index must come once, no worker twice at a time.
void ExpectEachIndexOnce(OpenCvExecutor* executor, int count) {
  std::vector<std::atomic<int>> seen(count);
  std::vector<std::atomic<int>> busy(executor->num_workers());
  std::atomic<int> overlaps{0}, bad_workers{0};
  executor->ParallelFor(count, [&](int64_t index, int worker) {
    if (worker < 0 || worker >= executor->num_workers()) {
      ++bad_workers;
      return;
    }
    if (busy[worker]++ != 0) ++overlaps;
    ++seen[index];
    for (int i = 0; i < 1000; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
    --busy[worker];
  });
  EXPECT_EQ(overlaps, 0);
  EXPECT_EQ(bad_workers, 0);
  for (const auto& times : seen) EXPECT_EQ(times, 1);
}

TEST_F(ExecutorTest, RunsEachIndexOnceAndNoWorkerTwiceAtATime) {
  for (int threads : {1, 2, 4, 7}) {
    cv::setNumThreads(threads);
    OpenCvExecutor executor;
    EXPECT_EQ(executor.num_workers(), threads);
    for (int count : {0, 1, 3, 500}) ExpectEachIndexOnce(&executor, count);
  }
}

TEST_F(ExecutorTest, ServesSeveralCallersAtOnce) {
  cv::setNumThreads(4);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([] {
      OpenCvExecutor executor;
      for (int round = 0; round < 20; ++round) {
        ExpectEachIndexOnce(&executor, 50);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ExecutorTest, WorksInsideAParallelRegionOfOpenCv) {
  cv::setNumThreads(4);
  cv::parallel_for_(cv::Range(0, 4), [](const cv::Range& range) {
    OpenCvExecutor executor;
    ExpectEachIndexOnce(&executor, 20 * (range.end - range.start));
  });
}

TEST_F(ExecutorTest, PassesTheFirstExceptionOn) {
  for (int threads : {1, 4}) {
    cv::setNumThreads(threads);
    OpenCvExecutor executor;
    EXPECT_THROW(executor.ParallelFor(100,
                                      [](int64_t index, int) {
                                        if (index == 3) throw std::out_of_range("three");
                                      }),
                 std::out_of_range);
    ExpectEachIndexOnce(&executor, 10);
  }
}

TEST_F(ExecutorTest, WorkersTreatDenormalsAsTheirCallerDoes) {
  cv::setNumThreads(4);
  for (bool flush : {false, true}) {
    const cv::FPDenormalsIgnoreHintScope scope(flush);
    OpenCvExecutor executor;
    const volatile float smallest = std::numeric_limits<float>::min();
    const volatile float half = 0.5f;
    std::atomic<int> zeros{0};
    executor.ParallelFor(1000, [&](int64_t, int) {
      const float product = smallest * half;  // denormal
      if (product == 0) ++zeros;
    });
    EXPECT_EQ(zeros, flush ? 1000 : 0);
  }
}

TEST_F(ExecutorTest, SeveralNetworksRunInSeveralThreads) {
  cv::setNumThreads(3);
  const std::vector<LayerCase> cases = ProgramCases();
  std::vector<std::vector<std::vector<float>>> alone(cases.size());
  const auto batch_of = [](const LayerCase& c, int round) {
    Dims dims = c.input;
    dims[0] = 1 + round % 3;
    return Image(dims, 400 + round);
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    cv::dnn::Net net = ReadNet(cases[i]);
    for (int round = 0; round < 6; ++round) {
      alone[i].push_back(ToVector(Forward(&net, batch_of(cases[i], round))));
    }
  }
  std::atomic<int> differences{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < cases.size(); ++i) {
    threads.emplace_back([&, i] {
      cv::dnn::Net net = ReadNet(cases[i]);
      for (int round = 0; round < 6; ++round) {
        const auto result = ToVector(Forward(&net, batch_of(cases[i], round)));
        if (!SameBits(result, alone[i][round])) ++differences;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(differences, 0);
}

}  // namespace
}  // namespace csc::test
