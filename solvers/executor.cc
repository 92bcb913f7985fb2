#include "solvers/executor.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "solvers/error.h"

namespace csc {

void SerialExecutor::ParallelFor(int64_t count, const std::function<void(int64_t, int)>& task) {
  for (int64_t index = 0; index < count; ++index) task(index, 0);
}

namespace {

// Looks at a condition for a while before the caller sleeps, giving way to others after
// the first microseconds: regions that follow each other closely, as the stages of a
// training step do, then cost no wake-up.
template <typename Condition>
void WaitBriefly(const Condition& condition) {
  constexpr int kSpins = 200, kYields = 200;
  for (int k = 0; k < kSpins + kYields && !condition(); ++k) {
    if (k >= kSpins) {
      std::this_thread::yield();
    } else {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  }
}

class ThreadPool : public Executor {
 public:
  explicit ThreadPool(int num_threads) {
    Require(num_threads >= 1, "a thread pool of {} threads: at least 1 needed", num_threads);
    try {
      for (int worker = 1; worker < num_threads; ++worker) {
        threads_.emplace_back([this, worker] { WorkerLoop(worker); });
      }
    } catch (const std::system_error& error) {  // the system gives no more
      const size_t started = threads_.size();
      Stop();
      Fail("a thread pool of {} threads: the system gave {} ({})", num_threads, started + 1,
           error.what());
    }
  }

  ~ThreadPool() override { Stop(); }

  int num_workers() const override { return static_cast<int>(threads_.size()) + 1; }

  void ParallelFor(int64_t count, const std::function<void(int64_t, int)>& task) override {
    std::lock_guard<std::mutex> one_caller(caller_mutex_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      task_ = &task;
      count_ = count;
      next_.store(0);
      running_ = static_cast<int>(threads_.size());
      error_ = nullptr;
      ++generation_;
    }
    work_ready_.notify_all();
    RunTasks(0);
    WaitBriefly([this] { return running_ == 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    work_done_.wait(lock, [this] { return running_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // Ends all threads started.
  void Stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    work_ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void WorkerLoop(int worker) {
    uint64_t seen = 0;
    for (;;) {
      WaitBriefly([&] { return stopping_ || generation_ != seen; });
      {
        std::unique_lock<std::mutex> lock(mutex_);
        work_ready_.wait(lock, [&] { return stopping_ || generation_ != seen; });
        if (stopping_) return;
        seen = generation_;
      }
      RunTasks(worker);
      std::lock_guard<std::mutex> lock(mutex_);
      if (--running_ == 0) work_done_.notify_one();
    }
  }

  void RunTasks(int worker) {
    try {
      for (;;) {
        const int64_t index = next_.fetch_add(1);
        if (index >= count_) return;
        (*task_)(index, worker);
      }
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
      next_.store(count_);
    }
  }

  std::mutex caller_mutex_;
  std::mutex mutex_;  // guards changes of everything below but next_
  std::condition_variable work_ready_;
  std::condition_variable work_done_;
  const std::function<void(int64_t, int)>* task_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<int> running_{0};
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> stopping_{false};
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Executor> MakeThreadPool(int num_threads) {
  return std::make_unique<ThreadPool>(num_threads);
}

int NumAvailableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace csc
