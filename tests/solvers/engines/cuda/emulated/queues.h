// Streams and events that do their work at moments left to chance, as far as waits
// allow.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_QUEUES_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_QUEUES_H_

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "tests/solvers/engines/cuda/emulated/ptx.h"

namespace csc::test {

struct Stream;
struct Graph;

// A point of a stream's order.
struct Point {
  Stream* stream;
  bool reached = false;
};

struct Task {
  std::function<void()> work;    // may be empty
  std::shared_ptr<Point> after;  // what it waits for, or null
  std::shared_ptr<Point> point;  // what is reached then, or null
};

struct Stream {
  std::deque<Task> tasks;
  std::shared_ptr<Graph> captured;  // takes what is queued, where there is one
};

// What cudaEventRecord was called for last.
struct EventState {
  std::shared_ptr<Point> point;
};

class Queues {
 public:
  Stream* Add() {
    streams_.push_back(std::make_unique<Stream>());
    return streams_.back().get();
  }
  void Remove(Stream* stream) {
    Finish(stream);
    for (auto s = streams_.begin(); s != streams_.end(); ++s) {
      if (s->get() == stream) return static_cast<void>(streams_.erase(s));
    }
  }
  // That of this handle, which is not being captured; the default stream for null.
  Stream* Find(const void* handle) {
    Stream* const stream = FindAny(handle);
    if (stream->captured != nullptr) ptx::Stop("a stream that is being captured");
    return stream;
  }
  Stream* FindAny(const void* handle) {
    if (handle == nullptr) return &default_;
    for (const auto& stream : streams_) {
      if (stream.get() == handle) return stream.get();
    }
    ptx::Stop("no such stream");
  }

  void Push(Stream* stream, Task task) {
    stream->tasks.push_back(std::move(task));
    if (chance_() / 256 % 4 != 0) return;
    Stream* const some =
        streams_.empty() ? &default_ : streams_[chance_() / 256 % streams_.size()].get();
    for (size_t count = chance_() / 256 % (some->tasks.size() + 1); count > 0; --count) {
      if (!some->tasks.empty()) DoOne(some);
    }
  }
  void Reach(const Point& point) {
    while (!point.reached) {
      if (point.stream->tasks.empty()) ptx::Stop("an event that never comes");
      DoOne(point.stream);
    }
  }
  void Finish(Stream* stream) {
    while (!stream->tasks.empty()) DoOne(stream);
  }
  void FinishAll() {
    Finish(&default_);
    for (const auto& stream : streams_) Finish(stream.get());
  }

 private:
  void DoOne(Stream* stream) {
    const Task task = std::move(stream->tasks.front());
    stream->tasks.pop_front();
    if (task.after != nullptr) Reach(*task.after);
    if (task.work) task.work();
    if (task.point != nullptr) task.point->reached = true;
  }

  Stream default_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::minstd_rand chance_;
};

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_QUEUES_H_
