#include "tests/solvers/engines/cuda/emulated/machine.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "tests/solvers/engines/cuda/emulated/arithmetic.h"

namespace csc::test::ptx {

namespace {

constexpr int kPoison = 0xFF;

std::minstd_rand& Chance() {
  static std::minstd_rand chance;
  return chance;
}

std::vector<uint32_t> AnyOrder(uint32_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), Chance());
  return order;
}

enum class State { kRuns, kAtProduct, kAtBarrier, kDone };

struct Thread {
  State state;
  int at;  // instruction
  uint64_t* registers;
  bool waited = false;  // for the launch before
};

// One block of a launch.
class Block {
 public:
  Block(const Kernel& kernel, const Grid& grid, const std::vector<char>& parameters,
        uint32_t launch, DeviceMemory* memory, Counter* counter = nullptr)
      : kernel_(kernel),
        grid_(grid),
        parameters_(parameters),
        launch_(launch),
        memory_(memory),
        counter_(counter),
        shared_(kernel.shared_bytes + grid.shared_bytes),
        written_(shared_.size() / 4 + 1),
        access_(written_.size()),
        registers_(static_cast<size_t>(grid.threads) * kernel.registers) {}

  void Run(uint32_t block) {
    block_ = block;
    epoch_ = 1;
    std::fill(written_.begin(), written_.end(), false);
    std::fill(access_.begin(), access_.end(), Accesses());
    std::memset(registers_.data(), kPoison, registers_.size() * sizeof(registers_[0]));
    threads_.clear();
    for (uint32_t t = 0; t < grid_.threads; ++t) {
      threads_.push_back({State::kRuns, 0, &registers_[size_t{t} * kernel_.registers]});
    }
    for (; !AllDone(); PassBarrier()) {
      for (uint32_t warp : AnyOrder((grid_.threads + kLanes - 1) / kLanes)) RunWarp(warp * kLanes);
    }
  }

 private:
  [[noreturn]] void Wrong(const std::string& what, uint32_t thread) const {
    Stop(what + " in block " + std::to_string(block_) + ", thread " + std::to_string(thread) +
         " of " + kernel_.name + ": " + kernel_.code[threads_[thread].at].text);
  }

  bool AllDone() const {
    return std::all_of(threads_.begin(), threads_.end(),
                       [](const Thread& t) { return t.state == State::kDone; });
  }

  void PassBarrier() {
    if (AllDone()) return;
    for (uint32_t t = 0; t < grid_.threads; ++t) {
      if (threads_[t].state != State::kAtBarrier || threads_[t].at != threads_[0].at) {
        Wrong("threads at different barriers", t);
      }
    }
    for (Thread& t : threads_) {
      t.state = State::kRuns;
      ++t.at;
    }
    ++epoch_;
  }

  // To the next barrier.
  void RunWarp(uint32_t first) {
    const uint32_t lanes = std::min(kLanes, grid_.threads - first);
    for (;;) {
      uint32_t at_product = 0;
      for (uint32_t lane : AnyOrder(lanes)) {
        if (threads_[first + lane].state == State::kRuns) RunThread(first + lane);
      }
      if (counter_ != nullptr) counter_->EndSegment();
      for (uint32_t t = first; t < first + lanes; ++t) {
        if (threads_[t].state != State::kAtProduct) continue;
        ++at_product;
        if (threads_[t].at != threads_[first].at) Wrong("lanes at different products", t);
      }
      if (at_product == 0) return;
      if (at_product != kLanes) Wrong("a product without all lanes", first);
      Multiply(first);
    }
  }

  void Multiply(uint32_t first) {
    const Instruction& i = kernel_.code[threads_[first].at];
    uint64_t* registers[kLanes];
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      registers[lane] = threads_[first + lane].registers;
    MultiplyMatrices(i, registers);
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      threads_[first + lane].state = State::kRuns;
      ++threads_[first + lane].at;
    }
  }

  void RunThread(uint32_t t) {
    Thread& thread = threads_[t];
    const int end = static_cast<int>(kernel_.code.size());
    for (;; ++thread.at) {
      if (thread.at >= end) Stop("past the end of " + kernel_.name);
      const Instruction& i = kernel_.code[thread.at];
      uint64_t* const r = thread.registers;
      if (counter_ != nullptr) counter_->Execute(t % kLanes, thread.at);
      if (i.predicate >= 0 && ((r[i.predicate] & 1) != 0) == i.unless) continue;
      switch (i.op) {
        case Op::kThread:
          r[i.results[0].value] = t;
          break;
        case Op::kBlock:
          r[i.results[0].value] = block_;
          break;
        case Op::kLoad:
          Load(i, t, r);
          break;
        case Op::kStore:
          Store(i, t, r);
          break;
        case Op::kBranch:
          thread.at = i.target - 1;
          break;
        case Op::kWaitForBefore:
          thread.waited = true;
          break;
        case Op::kLetNextBegin:
          break;
        case Op::kReturn:
          if (grid_.early && !thread.waited) Wrong("a launch that may end before its turn", t);
          thread.state = State::kDone;
          return;
        case Op::kBarrier:
          thread.state = State::kAtBarrier;
          return;
        case Op::kMmaTf32:
        case Op::kMmaBfloat16:
          thread.state = State::kAtProduct;
          return;
        default:
          Compute(i, r);
      }
    }
  }

  void Load(const Instruction& i, uint32_t t, uint64_t* r) {
    const int size = BytesOf(i.type), bytes = size * i.width;
    const uint64_t address = ValueOf(i.address, r) + static_cast<uint64_t>(i.offset);
    const char* from = nullptr;
    switch (i.space) {
      case Space::kParameters:
        if (address + bytes > parameters_.size()) Wrong("no such parameter", t);
        from = parameters_.data() + address;
        break;
      case Space::kShared:
        from = SharedAt(static_cast<uint32_t>(address), bytes, nullptr, t);
        break;
      case Space::kGlobal:
        if (grid_.early && i.read_only) Wrong("memory that others write, read as read-only", t);
        from = GlobalAt(address, bytes, nullptr, t);
        break;
    }
    for (int k = 0; k < i.width; ++k) {
      uint64_t& result = r[i.results[k].value];
      result = 0;
      std::memcpy(&result, from + k * size, size);
      // Signed ones keep their sign in a longer register.
      const int above = 64 - 8 * size;
      if (i.type == Type::kS16 || i.type == Type::kS32) {
        result = static_cast<uint64_t>(static_cast<int64_t>(result << above) >> above);
      }
    }
  }

  void Store(const Instruction& i, uint32_t t, const uint64_t* r) {
    const int size = BytesOf(i.type), bytes = size * i.width;
    const uint64_t address = ValueOf(i.address, r) + static_cast<uint64_t>(i.offset);
    char values[32];
    for (int k = 0; k < i.width; ++k) {
      const uint64_t value = ValueOf(i.sources[k], r);
      std::memcpy(values + k * size, &value, size);
    }
    char* const to = i.space == Space::kShared
                         ? SharedAt(static_cast<uint32_t>(address), bytes, values, t)
                         : GlobalAt(address, bytes, values, t);
    std::memcpy(to, values, bytes);
  }

  // `values` are what is to be written; null for a read.
  char* SharedAt(uint32_t address, int bytes, const char* values, uint32_t t) {
    if (counter_ != nullptr) counter_->Access(t % kLanes, threads_[t].at, address);
    if (address % bytes != 0) Wrong("a misaligned address of shared memory", t);
    if (size_t{address} + bytes > shared_.size()) Wrong("past the end of shared memory", t);
    Note("shared memory", shared_.data(), address, bytes, values, epoch_, t, t, &written_,
         &access_);
    return shared_.data() + address;
  }

  char* GlobalAt(uint64_t address, int bytes, const char* values, uint32_t t) {
    if (address % bytes != 0) Wrong("a misaligned address", t);
    if (grid_.early && !threads_[t].waited) Wrong("memory that the launch before may use", t);
    DeviceMemory::Block* const block = memory_->Find(reinterpret_cast<const void*>(address), bytes);
    if (block == nullptr) Wrong("an address outside all memory", t);
    if (counter_ != nullptr) {
      counter_->Access(t % kLanes, threads_[t].at, address);
      return reinterpret_cast<char*>(address);
    }
    if (block->access.empty()) block->access.resize(block->bytes / 4 + 1);
    Note("memory", block->data, address - reinterpret_cast<uintptr_t>(block->data), bytes, values,
         launch_, block_ * grid_.threads + t, t, &block->written, &block->access);
    return reinterpret_cast<char*>(address);
  }

  // Bytes are noted as the words that hold them: our kernels write none.
  void Note(const char* where, const char* data, size_t offset, int bytes, const char* values,
            uint32_t epoch, uint32_t who, uint32_t t, std::vector<bool>* written,
            std::vector<Accesses>* access) const {
    for (size_t word = offset / 4; word * 4 < offset + bytes; ++word) {
      const char* wrong = nullptr;
      if (values == nullptr) {
        if (!(*written)[word]) wrong = "nobody has written what is read";
        if (wrong == nullptr) wrong = (*access)[word].Read(epoch, who);
      } else {
        const bool same =
            (*written)[word] && std::memcmp(data + word * 4, values + (word * 4 - offset), 4) == 0;
        wrong = (*access)[word].Write(epoch, who, same);
        (*written)[word] = true;
      }
      if (wrong != nullptr) Wrong(std::string(where) + ": " + wrong, t);
    }
  }

  const Kernel& kernel_;
  const Grid& grid_;
  const std::vector<char>& parameters_;
  const uint32_t launch_;
  DeviceMemory* const memory_;
  Counter* const counter_;  // or null
  uint32_t block_ = 0;
  uint32_t epoch_ = 0;
  std::vector<char> shared_;
  std::vector<bool> written_;
  std::vector<Accesses> access_;
  std::vector<uint64_t> registers_;
  std::vector<Thread> threads_;
};

}  // namespace

const char* Accesses::Read(uint32_t epoch, uint32_t thread) {
  if (write_epoch == epoch && writer != thread) return "one thread reads what another writes";
  if (read_epoch != epoch) {
    read_epoch = epoch;
    reader = thread;
  } else if (reader != thread) {
    reader = kSeveral;
  }
  return nullptr;
}

const char* Accesses::Write(uint32_t epoch, uint32_t thread, bool same) {
  if (!same && write_epoch == epoch && writer != thread) return "two threads write";
  if (!same && read_epoch == epoch && reader != thread) {
    return "one thread writes what another reads";
  }
  write_epoch = epoch;
  writer = thread;
  return nullptr;
}

void DeviceMemory::Add(void* data, size_t bytes, bool written) {
  auto block = std::make_unique<Block>();
  block->data = static_cast<char*>(data);
  block->bytes = bytes;
  block->written.resize(bytes / 4 + 1, written);
  if (!written) std::memset(data, kPoison, bytes);
  blocks_[reinterpret_cast<uintptr_t>(data)] = std::move(block);
}

void DeviceMemory::Remove(void* data) {
  latest_ = nullptr;
  blocks_.erase(reinterpret_cast<uintptr_t>(data));
}

DeviceMemory::Block* DeviceMemory::Find(const void* data, size_t bytes) {
  const char* const begin = static_cast<const char*>(data);
  const auto holds = [&](const Block* block) {
    return block->data <= begin && begin + bytes <= block->data + block->bytes;
  };
  if (latest_ != nullptr && holds(latest_)) return latest_;
  auto next = blocks_.upper_bound(reinterpret_cast<uintptr_t>(data));
  if (next == blocks_.begin() || !holds(std::prev(next)->second.get())) return nullptr;
  return latest_ = std::prev(next)->second.get();
}

size_t DeviceMemory::BytesAt(const void* data) const {
  const auto found = blocks_.find(reinterpret_cast<uintptr_t>(data));
  return found == blocks_.end() ? 0 : found->second->bytes;
}

void DeviceMemory::MarkWritten(const void* data, size_t bytes) {
  Block* const block = Find(data, bytes);
  const size_t offset = static_cast<const char*>(data) - block->data;
  for (size_t word = offset / 4; word * 4 < offset + bytes; ++word) block->written[word] = true;
}

bool DeviceMemory::IsWritten(const void* data, size_t bytes) {
  const Block* const block = Find(data, bytes);
  const size_t offset = static_cast<const char*>(data) - block->data;
  for (size_t word = offset / 4; word * 4 < offset + bytes; ++word) {
    if (!block->written[word]) return false;
  }
  return true;
}

void Run(const Kernel& kernel, const Grid& grid, const std::vector<char>& parameters,
         DeviceMemory* memory) {
  static uint32_t launch = 0;
  Block block(kernel, grid, parameters, ++launch, memory);
  for (uint32_t b : AnyOrder(grid.blocks)) block.Run(b);
}

Counts CountSome(const Kernel& kernel, const Grid& grid, const std::vector<char>& parameters,
                 uint32_t stretch, DeviceMemory* memory) {
  Counter counter(kernel);
  Block block(kernel, grid, parameters, 1, memory, &counter);
  const bool all = grid.blocks <= 2 * stretch;
  const std::vector<uint32_t> begins =
      all ? std::vector<uint32_t>{0}
          : std::vector<uint32_t>{(grid.blocks - 2 * stretch) / 3, (2 * grid.blocks - stretch) / 3};
  for (uint32_t begin : begins) {
    counter.BeginStretch();
    for (uint32_t b = begin; b < begin + (all ? grid.blocks : stretch); ++b) {
      block.Run(b);
      counter.EndBlock();
    }
  }
  return counter.Finish();
}

}  // namespace csc::test::ptx
