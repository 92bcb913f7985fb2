#include "solvers/engines/cuda/executable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "solvers/engines/cuda/staging.h"
#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/engines/cuda/training_session.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

// What a worker copies at a time, in some 20 us.
constexpr int64_t kShare = 256 << 10;
// What travels while the next is copied.
constexpr int64_t kPiece = 16 * kShare;

// Between arrays of the host, on all workers: one alone copies slower than the device
// computes on what it copied.
void CopyOnHost(Executor* executor, char* to, const char* from, int64_t bytes) {
  const int64_t shares = (bytes + kShare - 1) / kShare;
  if (executor == nullptr || shares < 2) {
    std::memcpy(to, from, bytes);
    return;
  }
  executor->ParallelFor(shares, [&](int64_t k, int) {
    std::memcpy(to + k * kShare, from + k * kShare, std::min(kShare, bytes - k * kShare));
  });
}

}  // namespace

CudaExecutable::CudaExecutable(const Program& program, Arithmetic arithmetic, const Tuning& tuning,
                               std::unique_ptr<Backend> backend)
    : device_(program, arithmetic, tuning, std::move(backend)),
      program_(device_.program()),
      plan_(device_.plan()),
      backend_(device_.backend()),
      converted_(backend_),
      rows_(backend_),
      to_device_(backend_),
      to_host_(backend_) {}

void CudaExecutable::Reserve(int64_t batch, int) {
  device_.Bind(batch, Work::kRun);
  if (batch <= staged_batch_) return;
  staged_batch_ = 0;
  const auto hold = [](PinnedBuffer* buffer, const std::vector<int64_t>& sizes) {
    int64_t bytes = 0;
    for (int64_t size : sizes) bytes += Padded(size);
    Require(buffer->Grow(bytes), "there is no pinned memory of {} bytes", bytes);
  };
  std::vector<int64_t> up, down;
  for (ValueId value : program_.inputs()) up.push_back(device_.BytesOf(value, batch));
  for (ValueId value : program_.outputs()) down.push_back(device_.BytesOf(value, batch));
  if (plan_.has_gradients) down.push_back(BytesFor<float>(program_.parameter_size()));
  down.push_back(BytesFor<float>(device_.statistic_floats()));
  if (plan_.has_loss) {
    up.push_back(BytesFor<int32_t>(batch));
    down.push_back(LossResults::Bytes(batch));
  }
  hold(&to_device_, up);
  hold(&to_host_, down);
  staged_batch_ = batch;
}

void CudaExecutable::Upload(const RunArguments& arguments) {
  char* staged = to_device_.as<char>();
  const auto send = [&](void* device, const void* host, int64_t bytes) {
    for (int64_t first = 0; first < bytes; first += kPiece) {
      const int64_t piece = std::min(kPiece, bytes - first);
      CopyOnHost(arguments.executor, staged + first, static_cast<const char*>(host) + first, piece);
      backend_->UploadPinned(static_cast<char*>(device) + first, staged + first, piece,
                             Queue::kCompute);
    }
    staged += Padded(bytes);
  };
  const int64_t batch = arguments.batch;
  for (size_t k = 0; k < arguments.inputs.size(); ++k) {
    const ValueId value = program_.inputs()[k];
    if (plan_.offsets[value] < 0) continue;  // nobody reads it
    send(device_.ValueAt(value, batch), arguments.inputs[k], device_.BytesOf(value, batch));
  }
  if (plan_.has_loss) send(device_.labels(), arguments.labels, BytesFor<int32_t>(batch));
}

LossTotals CudaExecutable::Download(const RunArguments& arguments) {
  const int64_t batch = arguments.batch;
  char* staged = to_host_.as<char>();
  arrivals_.clear();
  const auto receive = [&](void* host, const void* device, int64_t bytes) {
    char* const pinned = staged;
    backend_->Download(pinned, device, bytes);
    if (host != nullptr) arrivals_.push_back({static_cast<char*>(host), pinned, bytes});
    staged += Padded(bytes);
    return pinned;
  };
  for (size_t k = 0; k < arguments.outputs.size(); ++k) {
    if (arguments.outputs[k] == nullptr) continue;
    const ValueId value = program_.outputs()[k];
    receive(arguments.outputs[k], device_.ValueAt(value, batch), device_.BytesOf(value, batch));
  }
  if (plan_.has_gradients && arguments.gradients != nullptr) {
    receive(arguments.gradients, device_.gradients(), BytesFor<float>(program_.parameter_size()));
  }
  if (device_.statistic_floats() > 0 && arguments.statistics != nullptr) {
    receive(arguments.statistics, device_.statistics(),
            BytesFor<float>(device_.statistic_floats()));
  }
  void* const results =
      plan_.has_loss ? receive(nullptr, device_.results(), LossResults::Bytes(batch)) : nullptr;
  backend_->Synchronise();
  for (const Arrival& arrival : arrivals_) {
    CopyOnHost(arguments.executor, arrival.host, arrival.pinned, arrival.bytes);
  }
  if (results == nullptr) return {};
  return TotalsOf(LossResults(results, batch), batch);
}

void CudaExecutable::Run(const RunArguments& arguments) {
  CheckRunArguments(program_, arguments);
  Reserve(arguments.batch, 1);
  Upload(arguments);
  backend_->Run(device_.Bind(arguments.batch, Work::kRun));
  const LossTotals totals = Download(arguments);
  if (!plan_.has_gradients && arguments.gradients != nullptr) {
    std::fill_n(arguments.gradients, program_.parameter_size(), 0.0f);
  }
  if (arguments.loss != nullptr) *arguments.loss = totals.loss;
  if (arguments.correct != nullptr) *arguments.correct = totals.correct;
}

void CudaExecutable::RunOnDevice(int64_t batch, const std::vector<const float*>& inputs,
                                 const std::vector<float*>& outputs, void* stream) {
  Require(!plan_.has_loss && !plan_.has_gradients,
          "a program with a loss or gradients cannot run on device memory: its labels and results "
          "are the host's");
  RunArguments arguments;
  arguments.batch = batch;
  arguments.inputs = inputs;
  arguments.outputs = outputs;
  CheckRunArguments(program_, arguments);
  const LaunchGraph& graph = device_.Bind(batch, Work::kRun);
  backend_->BeginAfter(stream);
  for (size_t k = 0; k < inputs.size(); ++k) {
    const ValueId value = program_.inputs()[k];
    if (plan_.offsets[value] < 0) continue;  // nobody reads it
    backend_->Copy(device_.ValueAt(value, batch), inputs[k], device_.BytesOf(value, batch));
  }
  backend_->Run(graph);
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (outputs[k] == nullptr) continue;
    const ValueId value = program_.outputs()[k];
    backend_->Copy(outputs[k], device_.ValueAt(value, batch), device_.BytesOf(value, batch));
  }
  backend_->LetBeginAfter(stream);
}

std::unique_ptr<TrainingSession> CudaExecutable::BeginTraining(const SgdOptions& options,
                                                               const std::vector<SgdGroup>& groups,
                                                               int64_t batch) {
  return std::make_unique<CudaTrainingSession>(&device_, options, groups, batch);
}

int64_t CudaExecutable::WorkspaceBytes() const {
  return device_.Bytes() + converted_.bytes() + rows_.bytes();
}

// As it runs at the batch reserved last.
std::string CudaExecutable::DescribeConvolution(const Instruction& i, ValueId result) const {
  if (plan_.cudnn.Serves(program_, i)) return DescribeCudnn(i);
  const PackedFilters& filters = *plan_.FindFilters(i);
  const Shape& shape = program_.shape(result);
  const int64_t batch = std::max<int64_t>(device_.LatestBatch(), 1);
  const auto describe = [](const TensorTile& tile, int64_t channels) {
    return fmt::format(
        "{} blocks of {} channels x {} images x {} x {} pixels, {} warps (row {} of table {}){}",
        tile.blocks, channels, tile.images, tile.size[0], tile.size[1], tile.rule->warps,
        tile.rule - kTensorTable + 1, kTensorTableVersion,
        tile.parts > 1 ? fmt::format(", their sums in {} parts", tile.parts) : "");
  };
  if (filters.tensor) {
    const TensorTile tile = TensorTileOf(device_.tuning(), filters, i, shape, batch);
    return fmt::format(": tensor cores, {}: {}{}", Name(plan_.arithmetic),
                       describe(tile, filters.group), NotByCudnn(i));
  }
  const auto tile = ChooseFloat32Tile(device_.tuning().capability, FactorsOf(device_.tuning()), i,
                                      program_.shape(i.terms[0].value), shape, batch);
  const int64_t ranges = RangesOf(device_.tuning(), filters, shape, batch);
  std::string how = tile ? ": tiles in shared memory, float32: " + describe(*tile, 32)
                         : ": direct convolution, float32";
  if (!tile && ranges > 1) {
    how += fmt::format(", its sums in {} ranges (table {})", ranges, kTensorTableVersion);
  }
  return how + NotReduced(WhyNotOnTensorCores(i)) + NotByCudnn(i);
}

std::string CudaExecutable::DescribeGradient(const Instruction& i) const {
  const Shape& code = program_.shape(i.terms[1].value);
  if (plan_.cudnn.Serves(program_, i)) return DescribeCudnn(i);
  const auto tile =
      GradientTileOf(plan_, device_.tuning(), i, program_.shape(i.terms[0].value), code);
  if (!tile) {
    return ": direct sums over fixed ranges, float32" + NotReduced(WhyNoTensorGradient(i, code)) +
           NotByCudnn(i);
  }
  return fmt::format(": {}, {}: tiles of {} x {} positions{}",
                     plan_.tensor_cores() ? "tensor cores" : "tiles in shared memory",
                     plan_.tensor_cores() ? Name(plan_.arithmetic) : "float32", tile->size[0],
                     tile->size[1], NotByCudnn(i));
}

// Why something is done in float32 though another arithmetic was asked for.
std::string CudaExecutable::NotReduced(const char* why) const {
  if (why == nullptr || !plan_.tensor_cores()) return "";
  return fmt::format(" (not {}: {})", Name(plan_.arithmetic), why);
}

std::string CudaExecutable::DescribeCudnn(const Instruction& i) const {
  const CudnnPlan::Choice& choice = plan_.cudnn.Find(program_, i);
  return fmt::format(": cuDNN, {}: {} ({})", plan_.tensor_cores() ? "tf32" : "float32",
                     choice.algorithm->name, choice.reason);
}

// Why cuDNN does not do what it was asked for.
std::string CudaExecutable::NotByCudnn(const Instruction& i) const {
  const char* const why = plan_.cudnn.Find(program_, i).reason;
  return why == nullptr ? "" : fmt::format(" (not by cuDNN: {})", why);
}

std::string CudaExecutable::Describe() const {
  std::string text;
  for (const Step& step : plan_.steps.list) {
    const Instruction& i = program_.instructions()[step.instruction()];
    std::vector<int> together;
    for (const Link& link : step.links) together.push_back(link.instruction);
    for (const Sums& sums : step.sums) {
      together.insert(together.end(), sums.instructions.begin(), sums.instructions.end());
    }
    for (int k : together) {
      if (k != together[0]) text += ", ";
      const Instruction& one = program_.instructions()[k];
      text += Name(one.op);
      if (one.result >= 0 && plan_.pairs[one.result]) text += " kept in bfloat16";
    }
    if (step.convolution >= 0) {
      text += fmt::format(" at the end of {}", Name(program_.instructions()[step.convolution].op));
    }
    if (step.convolution >= 0) {
      text += DescribeConvolution(program_.instructions()[step.convolution], i.result);
    } else if (IsConvolution(i.op)) {
      text += DescribeConvolution(i, i.result);
    } else if (i.op == Opcode::kFilterGradient) {
      text += DescribeGradient(i);
    }
    text += "\n";
  }
  if (!plan_.cudnn.summary.empty()) text += plan_.cudnn.summary + "\n";
  text += fmt::format(
      "{} bytes of GPU memory, {} for parameters and {} for values, of which a run reads and "
      "writes {} an image",
      WorkspaceBytes(), device_.ParameterBytes(), device_.ValueBytes(),
      BytesFor<float>(plan_.WordsMoved(program_)));
  if (device_.LatestBatch() > 0) {
    text += fmt::format("; a graph of {} launches at batch {}", device_.LatestLaunches(),
                        device_.LatestBatch());
  }
  return text + "\n";
}

}  // namespace csc::cuda
