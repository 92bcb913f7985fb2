#include "layers/opencv_executor.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/fp_control_utils.hpp>

namespace csc {

OpenCvExecutor::OpenCvExecutor() : num_workers_(std::max(1, cv::getNumThreads())) {}

void OpenCvExecutor::ParallelFor(int64_t count, const std::function<void(int64_t, int)>& task) {
  const int workers = static_cast<int>(std::min<int64_t>(num_workers_, count));
  if (workers <= 1) {
    for (int64_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
  // cv::dnn flushes denormals on the thread that calls Net::forward only.
  cv::details::FPDenormalsModeState denormals;
  cv::details::saveFPDenormalsState(denormals);
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;  // guarded by mutex
  // A worker is an index of the parallel range, not a thread: OpenCV runs each
  // index once, so that no two calls with one worker overlap even where it
  // runs several indices, or the whole range, on one thread.
  const auto body = [&](const cv::Range& range) {
    const cv::FPDenormalsIgnoreHintScope scope(denormals);
    for (int worker = range.start; worker < range.end; ++worker) {
      try {
        for (int64_t index = next++; index < count; index = next++) {
          task(index, worker);
        }
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        next = count;
      }
    }
  };
  cv::parallel_for_(cv::Range(0, workers), body, workers);
  if (error) std::rethrow_exception(error);
}

}  // namespace csc
