#include "solvers/engines/cuda/executable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

// Batches whose graphs are kept: those of training, of its last step in an epoch
// and of evaluation, and a few more.
constexpr size_t kMaxGraphs = 8;

// What cudaMalloc gives memory out in.
constexpr int64_t kGranule = int64_t{2} << 20;

template <typename T>
int64_t Bytes(int64_t count) {
  return count * static_cast<int64_t>(sizeof(T));
}

// What an array takes of a staging buffer, so that the next begins on a cache line.
constexpr int64_t Padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

CudaExecutable::CudaExecutable(const Program& program, Arithmetic arithmetic, const Tuning& tuning,
                               std::unique_ptr<Backend> backend)
    : program_(program),
      plan_(MakePlan(program, arithmetic)),
      tuning_(tuning),
      backend_(std::move(backend)),
      parameters_(backend_.get()),
      filters_(backend_.get()),
      values_(backend_.get()),
      statistics_(backend_.get()),
      sums_(backend_.get()),
      gradients_(backend_.get()),
      scratch_(backend_.get()),
      labels_(backend_.get()),
      loss_(backend_.get()),
      correct_(backend_.get()),
      converted_(backend_.get()),
      rows_(backend_.get()),
      to_device_(backend_.get()),
      to_host_(backend_.get()) {
  tuning_.capability = backend_->Capability();
  for (int64_t channels : program_.statistics()) statistic_floats_ += 2 * channels;
  const auto hold = [&](DeviceBuffer* buffer, int64_t bytes) {
    Require(buffer->Grow(bytes), "the parameters need {} bytes of GPU memory: {} are free", bytes,
            backend_->FreeBytes());
  };
  hold(&parameters_, Bytes<float>(program_.parameter_size()));
  hold(&filters_, Bytes<float>(plan_.filter_floats));
  hold(&statistics_, Bytes<float>(statistic_floats_));
  if (plan_.has_gradients) {
    hold(&sums_, Bytes<double>(program_.parameter_size()));
    hold(&gradients_, Bytes<float>(program_.parameter_size()));
  }
  const std::vector<Launch> pack = BindFilters(program_, plan_, AddressesNow());
  if (!pack.empty()) pack_ = backend_->MakeGraph(pack);
  // As the other engines: all parameters are zero until they are set.
  SetParameters(std::vector<float>(program_.parameter_size()).data());
}

void CudaExecutable::SetParameters(const float* parameters) {
  if (program_.parameter_size() == 0) return;
  backend_->Upload(parameters_.as<float>(), parameters, Bytes<float>(program_.parameter_size()));
  if (pack_ != nullptr) backend_->Run(*pack_);
}

Addresses CudaExecutable::AddressesNow() const {
  Addresses addresses;
  addresses.values = values_.as<float>();
  addresses.parameters = parameters_.as<float>();
  addresses.filters = filters_.as<float>();
  addresses.statistics = statistics_.as<float>();
  addresses.sums = sums_.as<double>();
  addresses.gradients = gradients_.as<float>();
  addresses.scratch = scratch_.as<void>();
  addresses.labels = labels_.as<int32_t>();
  addresses.loss = loss_.as<double>();
  addresses.correct = correct_.as<int32_t>();
  return addresses;
}

std::vector<CudaExecutable::Need> CudaExecutable::NeedsOf(int64_t batch) {
  BoundRun counted;
  BindRun(program_, plan_, tuning_, batch, {}, &counted);
  std::vector<Need> needs = {{&values_, Bytes<float>(plan_.floats_per_image * batch)},
                             {&scratch_, counted.scratch_bytes}};
  if (plan_.has_loss) {
    needs.push_back({&labels_, Bytes<int32_t>(batch)});
    needs.push_back({&loss_, Bytes<double>(batch)});
    needs.push_back({&correct_, Bytes<int32_t>(batch)});
  }
  return needs;
}

void CudaExecutable::GrowFor(int64_t batch) {
  for (const Need& need : NeedsOf(batch)) {
    if (need.bytes <= need.buffer->bytes()) continue;
    bound_.clear();  // their graphs hold addresses that end here
    if (!need.buffer->Grow(need.bytes)) FailForMemory(batch);
  }
}

void CudaExecutable::FailForMemory(int64_t batch) {
  // All of these buffers can be had again.
  int64_t available = backend_->FreeBytes();
  int64_t needed = 0;
  for (const Need& need : NeedsOf(batch)) {
    available += need.buffer->bytes();
    needed += need.bytes;
  }
  const auto fits = [&](int64_t smaller) {
    int64_t bytes = 0;
    for (const Need& need : NeedsOf(smaller)) {
      bytes += (need.bytes + kGranule - 1) / kGranule * kGranule;
    }
    return bytes <= available;
  };
  int64_t largest = 0;
  for (int64_t end = batch; end - largest > 1;) {
    const int64_t middle = largest + (end - largest) / 2;
    (fits(middle) ? largest : end) = middle;
  }
  Fail("a batch of {} needs {} bytes of GPU memory, and {} are free: {}", batch, needed, available,
       largest > 0 ? fmt::format("the largest batch that fits is {}", largest)
                   : "not even one image fits");
}

const LaunchGraph* CudaExecutable::GraphOf(int64_t batch) const {
  for (const BoundBatch& bound : bound_) {
    if (bound.batch == batch) return bound.graph.get();
  }
  return nullptr;
}

void CudaExecutable::Bind(int64_t batch) {
  if (GraphOf(batch) != nullptr) return;
  CheckBatch(program_, batch);
  GrowFor(batch);
  BindRun(program_, plan_, tuning_, batch, AddressesNow(), &launches_);
  if (bound_.size() == kMaxGraphs) bound_.erase(bound_.begin());
  bound_.push_back({batch, backend_->MakeGraph(launches_.launches)});
}

void CudaExecutable::Reserve(int64_t batch, int) {
  Bind(batch);
  if (batch <= staged_batch_) return;
  staged_batch_ = 0;
  const auto hold = [](PinnedBuffer* buffer, const std::vector<int64_t>& sizes) {
    int64_t bytes = 0;
    for (int64_t size : sizes) bytes += Padded(size);
    Require(buffer->Grow(bytes), "there is no pinned memory of {} bytes", bytes);
  };
  std::vector<int64_t> up, down;
  for (ValueId value : program_.inputs()) up.push_back(BytesOf(value, batch));
  for (ValueId value : program_.outputs()) down.push_back(BytesOf(value, batch));
  if (plan_.has_gradients) down.push_back(Bytes<float>(program_.parameter_size()));
  down.push_back(Bytes<float>(statistic_floats_));
  if (plan_.has_loss) {
    up.push_back(Bytes<int32_t>(batch));
    down.push_back(Bytes<double>(batch));
    down.push_back(Bytes<int32_t>(batch));
  }
  hold(&to_device_, up);
  hold(&to_host_, down);
  staged_batch_ = batch;
}

void CudaExecutable::Upload(const RunArguments& arguments) {
  char* staged = to_device_.as<char>();
  const auto send = [&](void* device, const void* host, int64_t bytes) {
    std::memcpy(staged, host, bytes);
    backend_->UploadPinned(device, staged, bytes);
    staged += Padded(bytes);
  };
  for (size_t k = 0; k < arguments.inputs.size(); ++k) {
    const ValueId value = program_.inputs()[k];
    if (plan_.offsets[value] < 0) continue;  // nobody reads it
    send(ValueAt(value, arguments.batch), arguments.inputs[k], BytesOf(value, arguments.batch));
  }
  if (plan_.has_loss) {
    send(labels_.as<int32_t>(), arguments.labels, Bytes<int32_t>(arguments.batch));
  }
}

CudaExecutable::Totals CudaExecutable::Download(const RunArguments& arguments) {
  const int64_t batch = arguments.batch;
  char* staged = to_host_.as<char>();
  arrivals_.clear();
  const auto receive = [&](void* host, const void* device, int64_t bytes) {
    void* const pinned = staged;
    backend_->Download(pinned, device, bytes);
    if (host != nullptr) arrivals_.push_back({host, pinned, bytes});
    staged += Padded(bytes);
    return pinned;
  };
  for (size_t k = 0; k < arguments.outputs.size(); ++k) {
    if (arguments.outputs[k] == nullptr) continue;
    const ValueId value = program_.outputs()[k];
    receive(arguments.outputs[k], ValueAt(value, batch), BytesOf(value, batch));
  }
  if (plan_.has_gradients && arguments.gradients != nullptr) {
    receive(arguments.gradients, gradients_.as<float>(), Bytes<float>(program_.parameter_size()));
  }
  if (statistic_floats_ > 0 && arguments.statistics != nullptr) {
    receive(arguments.statistics, statistics_.as<float>(), Bytes<float>(statistic_floats_));
  }
  const double* losses = nullptr;
  const int32_t* corrects = nullptr;
  if (plan_.has_loss) {
    losses = static_cast<double*>(receive(nullptr, loss_.as<double>(), Bytes<double>(batch)));
    corrects =
        static_cast<int32_t*>(receive(nullptr, correct_.as<int32_t>(), Bytes<int32_t>(batch)));
  }
  backend_->Synchronise();
  for (const Arrival& arrival : arrivals_) {
    std::memcpy(arrival.host, arrival.pinned, arrival.bytes);
  }
  Totals totals;
  for (int64_t n = 0; plan_.has_loss && n < batch; ++n) {
    totals.loss += losses[n];
    totals.correct += corrects[n];
  }
  return totals;
}

void CudaExecutable::Run(const RunArguments& arguments) {
  CheckRunArguments(program_, arguments);
  Reserve(arguments.batch, 1);
  Upload(arguments);
  backend_->Run(*GraphOf(arguments.batch));
  const Totals totals = Download(arguments);
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
  Bind(batch);
  backend_->BeginAfter(stream);
  for (size_t k = 0; k < inputs.size(); ++k) {
    const ValueId value = program_.inputs()[k];
    if (plan_.offsets[value] < 0) continue;  // nobody reads it
    backend_->Copy(ValueAt(value, batch), inputs[k], BytesOf(value, batch));
  }
  backend_->Run(*GraphOf(batch));
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (outputs[k] == nullptr) continue;
    const ValueId value = program_.outputs()[k];
    backend_->Copy(outputs[k], ValueAt(value, batch), BytesOf(value, batch));
  }
  backend_->LetBeginAfter(stream);
}

int64_t CudaExecutable::WorkspaceBytes() const {
  int64_t bytes = 0;
  for (const DeviceBuffer* buffer :
       {&parameters_, &filters_, &values_, &statistics_, &sums_, &gradients_, &scratch_, &labels_,
        &loss_, &correct_, &converted_, &rows_}) {
    bytes += buffer->bytes();
  }
  return bytes;
}

// As it runs at the batch reserved last.
std::string CudaExecutable::DescribeConvolution(const Instruction& i, ValueId result) const {
  const PackedFilters& filters = *plan_.FindFilters(i);
  const Shape& shape = program_.shape(result);
  const int64_t batch = bound_.empty() ? 1 : bound_.back().batch;
  const auto describe = [](const TensorTile& tile, int64_t channels) {
    return fmt::format(
        "{} blocks of {} channels x {} images x {} x {} pixels, {} warps (row {} of table {})",
        tile.blocks, channels, tile.images, tile.size[0], tile.size[1], tile.rule->warps,
        tile.rule - kTensorTable + 1, kTensorTableVersion);
  };
  if (filters.tensor) {
    return fmt::format(
        ": tensor cores, {}: {}", Name(plan_.arithmetic),
        describe(ChooseTensorTile(tuning_.capability, tuning_.tensor_blocks, i.geometry, shape,
                                  filters.padded_channels / filters.group, batch),
                 filters.group));
  }
  const auto tile = ChooseFloat32Tile(tuning_.capability, tuning_.tensor_blocks, i, shape, batch);
  return (tile ? ": tiles in shared memory, float32: " + describe(*tile, 32)
               : ": direct convolution, float32") +
         NotReduced(WhyNotOnTensorCores(i));
}

std::string CudaExecutable::DescribeGradient(const Instruction& i) const {
  const Shape& code = program_.shape(i.terms[1].value);
  const char* why = plan_.tensor_cores() ? WhyNoTensorGradient(i, code) : nullptr;
  if (!plan_.tensor_cores() || why != nullptr) {
    return ": direct sums over fixed ranges, float32" + NotReduced(why);
  }
  const TensorGradientTile tile = ChooseTensorGradientTile(tuning_.capability, i.geometry, code);
  return fmt::format(": tensor cores, {}: tiles of {} x {} positions", Name(plan_.arithmetic),
                     tile.size[0], tile.size[1]);
}

// Why something is done in float32 though another arithmetic was asked for.
std::string CudaExecutable::NotReduced(const char* why) const {
  if (why == nullptr || !plan_.tensor_cores()) return "";
  return fmt::format(" (not {}: {})", Name(plan_.arithmetic), why);
}

std::string CudaExecutable::Describe() const {
  std::string text;
  for (const Step& step : plan_.steps) {
    const Instruction& i = program_.instructions()[step.instruction];
    text += Name(i.op);
    if (step.convolution >= 0) {
      text += fmt::format(" at the end of {}", Name(program_.instructions()[step.convolution].op));
    }
    if (step.convolution >= 0) {
      text += DescribeConvolution(program_.instructions()[step.convolution], i.result);
    } else if (i.op == Opcode::kAnalysis || i.op == Opcode::kSynthesis) {
      text += DescribeConvolution(i, i.result);
    } else if (i.op == Opcode::kFilterGradient) {
      text += DescribeGradient(i);
    } else if (i.result < 0) {
      text += ": sums over fixed ranges, float64";
    } else {
      text += ": own kernel, float32";
    }
    text += "\n";
  }
  text += fmt::format("{} bytes of GPU memory: {} for parameters, {} for values", WorkspaceBytes(),
                      parameters_.bytes() + filters_.bytes() + sums_.bytes() + gradients_.bytes(),
                      values_.bytes());
  if (!bound_.empty()) {
    text += fmt::format("; a graph of {} kernels at batch {}", launches_.launches.size(),
                        bound_.back().batch);
  }
  return text + "\n";
}

}  // namespace csc::cuda
