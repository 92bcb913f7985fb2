#include "solvers/engines/cuda/device_program.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "solvers/engines/cuda/staging.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

// Batches whose graphs are kept: those of training, of its last step in an epoch
// and of evaluation, and a few more.
constexpr size_t kMaxGraphs = 8;

// What cudaMalloc gives memory out in.
constexpr int64_t kGranule = int64_t{2} << 20;

}  // namespace

DeviceProgram::DeviceProgram(const Program& program, Arithmetic arithmetic, const Tuning& tuning,
                             std::unique_ptr<Backend> backend)
    : program_(program),
      backend_(std::move(backend)),
      tuning_(tuning),
      plan_(
          MakePlan(program_, arithmetic,
                   PlanCudnn(program_, arithmetic, tuning.cudnn, tuning.cudnn_products,
                             [this](std::string* why_not) { return backend_->OpenCudnn(why_not); }),
                   tuning.pairs)),
      parameters_(backend_.get()),
      filters_(backend_.get()),
      values_(backend_.get()),
      statistics_(backend_.get()),
      sums_(backend_.get()),
      gradients_(backend_.get()),
      scratch_(backend_.get()),
      labels_(backend_.get()),
      results_(backend_.get()),
      velocity_(backend_.get()),
      rules_(backend_.get()),
      state_(backend_.get()) {
  tuning_.capability = backend_->Capability();
  for (int64_t channels : program_.statistics()) statistic_floats_ += 2 * channels;
  Hold(&parameters_, BytesFor<float>(program_.parameter_size()));
  Hold(&filters_, BytesFor<float>(plan_.filter_floats));
  Hold(&statistics_, BytesFor<float>(statistic_floats_));
  if (plan_.has_gradients) {
    Hold(&sums_, BytesFor<double>(program_.parameter_size()));
    Hold(&gradients_, BytesFor<float>(program_.parameter_size()));
  }
  const std::vector<Launch> pack = BindFilters(program_, plan_, AddressesOf(0));
  if (!pack.empty()) pack_ = backend_->MakeGraph(pack);
  // As the other engines: all parameters are zero until they are set.
  SetParameters(std::vector<float>(program_.parameter_size()).data());
}

void DeviceProgram::Hold(DeviceBuffer* buffer, int64_t bytes) {
  Require(buffer->Grow(bytes), "the parameters need {} bytes of GPU memory: {} are free", bytes,
          backend_->FreeBytes());
}

void DeviceProgram::SetParameters(const float* parameters) {
  if (program_.parameter_size() == 0) return;
  backend_->Upload(parameters_.as<float>(), parameters, BytesFor<float>(program_.parameter_size()));
  if (pack_ != nullptr) backend_->Run(*pack_);
}

void DeviceProgram::PrepareSgd(const SgdOptions& options, const std::vector<SgdGroup>& groups) {
  std::vector<uint8_t> rules;
  for (const SgdGroup& group : groups) {
    const int rule = (group.trainable ? kTrains : 0) | (group.decay ? kDecays : 0) |
                     (group.nonnegative ? kStaysNonnegative : 0);
    rules.insert(rules.end(), group.size, static_cast<uint8_t>(rule));
  }
  const auto size = static_cast<int64_t>(rules.size());
  Require(size == program_.parameter_size(), "groups of {} parameters: {} expected", size,
          program_.parameter_size());
  Hold(&velocity_, BytesFor<float>(size));
  Hold(&rules_, size);
  Require(state_.Grow(2 * BytesFor<float>(size)), "there is no pinned memory of {} bytes",
          2 * BytesFor<float>(size));
  backend_->Upload(rules_.as<uint8_t>(), rules.data(), size);
  SetVelocity(std::vector<float>(size).data());
  bound_.clear();  // graphs of other options
  sgd_ = options;
}

void DeviceProgram::SetVelocity(const float* velocity) {
  backend_->Upload(velocity_.as<float>(), velocity, BytesFor<float>(program_.parameter_size()));
}

void DeviceProgram::GetState(float* parameters, float* velocity) {
  const int64_t size = program_.parameter_size();
  float* const staged = state_.as<float>();
  backend_->Download(staged, parameters_.as<float>(), BytesFor<float>(size));
  backend_->Download(staged + size, velocity_.as<float>(), BytesFor<float>(size));
  backend_->Synchronise();
  std::memcpy(parameters, staged, BytesFor<float>(size));
  std::memcpy(velocity, staged + size, BytesFor<float>(size));
}

Addresses DeviceProgram::AddressesOf(int64_t batch) const {
  Addresses addresses;
  addresses.values = values_.as<float>();
  addresses.parameters = parameters_.as<float>();
  addresses.filters = filters_.as<float>();
  addresses.statistics = statistics_.as<float>();
  addresses.sums = sums_.as<double>();
  addresses.gradients = gradients_.as<float>();
  addresses.scratch = scratch_.as<void>();
  addresses.labels = labels_.as<int32_t>();
  addresses.results = results_.as<void>();
  addresses.velocity = velocity_.as<float>();
  addresses.rules = rules_.as<uint8_t>();
  addresses.rate = reinterpret_cast<const float*>(labels_.as<int32_t>() + batch);
  return addresses;
}

const SgdOptions* DeviceProgram::StepOf(Work work) const {
  return work == Work::kStep ? &sgd_.value() : nullptr;
}

std::vector<DeviceProgram::Need> DeviceProgram::NeedsOf(int64_t batch) {
  BoundRun counted;
  BindRun(program_, plan_, tuning_, batch, {}, sgd_ ? &*sgd_ : nullptr, &counted);
  std::vector<Need> needs = {{&values_, BytesFor<float>(plan_.floats_per_image * batch)},
                             {&scratch_, counted.scratch_bytes}};
  if (plan_.has_loss) {
    needs.push_back({&labels_, BytesFor<int32_t>(batch) + BytesFor<float>(1)});
    needs.push_back({&results_, LossResults::Bytes(batch)});
  }
  return needs;
}

void DeviceProgram::GrowFor(int64_t batch) {
  for (const Need& need : NeedsOf(batch)) {
    if (need.bytes <= need.buffer->bytes()) continue;
    bound_.clear();  // their graphs hold addresses that end here
    if (!need.buffer->Grow(need.bytes)) FailForMemory(batch);
  }
}

void DeviceProgram::FailForMemory(int64_t batch) {
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
  throw EngineDeclined(fmt::format(
      "a batch of {} needs {} bytes of GPU memory, and {} are free: {}", batch, needed, available,
      largest > 0 ? fmt::format("the largest batch that fits is {}", largest)
                  : "not even one image fits"));
}

const LaunchGraph& DeviceProgram::Bind(int64_t batch, Work work) {
  for (const BoundBatch& bound : bound_) {
    if (bound.batch == batch && bound.work == work) return *bound.graph;
  }
  CheckBatch(program_, batch);
  GrowFor(batch);
  BindRun(program_, plan_, tuning_, batch, AddressesOf(batch), StepOf(work), &launches_);
  Require(launches_.scratch_bytes <= scratch_.bytes(), "{} bytes of scratch bound, {} counted",
          launches_.scratch_bytes, scratch_.bytes());
  if (bound_.size() == kMaxGraphs) bound_.erase(bound_.begin());
  bound_.push_back({batch, work, backend_->MakeGraph(launches_.launches)});
  return *bound_.back().graph;
}

int64_t DeviceProgram::Bytes() const {
  return ParameterBytes() + values_.bytes() + statistics_.bytes() + scratch_.bytes() +
         labels_.bytes() + results_.bytes();
}

int64_t DeviceProgram::ParameterBytes() const {
  return parameters_.bytes() + filters_.bytes() + sums_.bytes() + gradients_.bytes() +
         velocity_.bytes() + rules_.bytes();
}

}  // namespace csc::cuda
