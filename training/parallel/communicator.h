// What the processes of one training say to each other.
//
// Every process calls the same functions in the same order, and all get the
// same bits. A training in one process has no communicator (nullptr).

#ifndef CSC_TRAINING_PARALLEL_COMMUNICATOR_H_
#define CSC_TRAINING_PARALLEL_COMMUNICATOR_H_

#include <cstdint>
#include <vector>

namespace csc {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;  // 0..size() - 1; process 0 reports and writes files
  virtual int size() const = 0;
  // Replaces each entry by its sum over all processes.
  virtual void Sum(std::vector<float>* values) = 0;
  virtual void Sum(std::vector<double>* values) = 0;
};

inline int RankOf(const Communicator* c) { return c == nullptr ? 0 : c->rank(); }
inline int SizeOf(const Communicator* c) { return c == nullptr ? 1 : c->size(); }

template <typename T>
void SumOver(Communicator* c, std::vector<T>* values) {
  if (c != nullptr) c->Sum(values);
}

// The part of 0..count-1 that falls to a process: [begin, end).
struct Share {
  int64_t begin;
  int64_t end;
  int64_t size() const { return end - begin; }
};
inline Share ShareOf(int64_t count, int rank, int size) {
  return {count * rank / size, count * (rank + 1) / size};
}

}  // namespace csc

#endif  // CSC_TRAINING_PARALLEL_COMMUNICATOR_H_
