#include "solvers/engines/cuda/executable.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "solvers/error.h"

namespace csc::cuda {

namespace {

template <typename T>
int64_t Bytes(int64_t count) {
  return count * static_cast<int64_t>(sizeof(T));
}

}  // namespace

CudaExecutable::CudaExecutable(const Program& program, const Tuning& tuning,
                               std::unique_ptr<Backend> backend)
    : program_(program),
      plan_(MakePlan(program)),
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
      rows_(backend_.get()) {
  for (int64_t channels : program_.statistics()) statistic_floats_ += 2 * channels;
  parameters_.Grow(Bytes<float>(program_.parameter_size()));
  filters_.Grow(Bytes<float>(plan_.filter_floats));
  statistics_.Grow(Bytes<float>(statistic_floats_));
  if (plan_.has_gradients) {
    sums_.Grow(Bytes<double>(program_.parameter_size()));
    gradients_.Grow(Bytes<float>(program_.parameter_size()));
  }
  Addresses addresses;
  addresses.parameters = parameters_.as<float>();
  addresses.filters = filters_.as<float>();
  pack_ = BindFilters(program_, plan_, addresses);
  // As the other engines: all parameters are zero until they are set.
  SetParameters(std::vector<float>(program_.parameter_size()).data());
}

void CudaExecutable::SetParameters(const float* parameters) {
  if (program_.parameter_size() == 0) return;
  backend_->Upload(parameters_.as<float>(), parameters, Bytes<float>(program_.parameter_size()));
  for (const Launch& launch : pack_) backend_->Run(launch);
}

void CudaExecutable::Reserve(int64_t batch, int) {
  if (batch == bound_batch_) return;
  CheckBatch(program_, batch);
  bound_batch_ = 0;  // nothing is bound if a buffer cannot grow
  Addresses addresses;
  addresses.parameters = parameters_.as<float>();
  addresses.filters = filters_.as<float>();
  addresses.statistics = statistics_.as<float>();
  addresses.sums = sums_.as<double>();
  addresses.gradients = gradients_.as<float>();
  values_.Grow(Bytes<float>(plan_.floats_per_image * batch));
  addresses.values = values_.as<float>();
  if (plan_.has_loss) {
    labels_.Grow(Bytes<int32_t>(batch));
    loss_.Grow(Bytes<double>(batch));
    correct_.Grow(Bytes<int32_t>(batch));
    host_loss_.resize(batch);
    host_correct_.resize(batch);
    addresses.labels = labels_.as<int32_t>();
    addresses.loss = loss_.as<double>();
    addresses.correct = correct_.as<int32_t>();
  }
  addresses.scratch = scratch_.as<void>();
  BindRun(program_, plan_, tuning_, batch, addresses, &bound_);
  if (bound_.scratch_bytes > scratch_.bytes()) {
    scratch_.Grow(bound_.scratch_bytes);
    addresses.scratch = scratch_.as<void>();
    BindRun(program_, plan_, tuning_, batch, addresses, &bound_);
  }
  bound_batch_ = batch;
}

void CudaExecutable::Upload(const RunArguments& arguments) {
  for (size_t k = 0; k < arguments.inputs.size(); ++k) {
    const ValueId value = program_.inputs()[k];
    if (plan_.offsets[value] < 0) continue;  // nobody reads it
    backend_->Upload(ValueAt(value, arguments.batch), arguments.inputs[k],
                     Bytes<float>(arguments.batch * program_.shape(value).size()));
  }
  if (plan_.has_loss) {
    backend_->Upload(labels_.as<int32_t>(), arguments.labels, Bytes<int32_t>(arguments.batch));
  }
}

void CudaExecutable::Download(const RunArguments& arguments) {
  const int64_t batch = arguments.batch;
  for (size_t k = 0; k < arguments.outputs.size(); ++k) {
    if (arguments.outputs[k] == nullptr) continue;
    const ValueId value = program_.outputs()[k];
    backend_->Download(arguments.outputs[k], ValueAt(value, batch),
                       Bytes<float>(batch * program_.shape(value).size()));
  }
  if (plan_.has_gradients && arguments.gradients != nullptr) {
    backend_->Download(arguments.gradients, gradients_.as<float>(),
                       Bytes<float>(program_.parameter_size()));
  }
  if (statistic_floats_ > 0 && arguments.statistics != nullptr) {
    backend_->Download(arguments.statistics, statistics_.as<float>(),
                       Bytes<float>(statistic_floats_));
  }
  if (plan_.has_loss) {
    backend_->Download(host_loss_.data(), loss_.as<double>(), Bytes<double>(batch));
    backend_->Download(host_correct_.data(), correct_.as<int32_t>(), Bytes<int32_t>(batch));
  }
}

void CudaExecutable::Run(const RunArguments& arguments) {
  CheckRunArguments(program_, arguments);
  Reserve(arguments.batch, 1);
  Upload(arguments);
  for (const Launch& launch : bound_.launches) backend_->Run(launch);
  Download(arguments);
  backend_->Synchronise();

  if (!plan_.has_gradients && arguments.gradients != nullptr) {
    std::fill_n(arguments.gradients, program_.parameter_size(), 0.0f);
  }
  double loss = 0;
  int64_t correct = 0;
  for (int64_t n = 0; plan_.has_loss && n < arguments.batch; ++n) {
    loss += host_loss_[n];
    correct += host_correct_[n];
  }
  if (arguments.loss != nullptr) *arguments.loss = loss;
  if (arguments.correct != nullptr) *arguments.correct = correct;
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
  Reserve(batch, 1);
  const auto bytes = [&](ValueId value) {
    return Bytes<float>(batch * program_.shape(value).size());
  };
  backend_->BeginAfter(stream);
  for (size_t k = 0; k < inputs.size(); ++k) {
    const ValueId value = program_.inputs()[k];
    if (plan_.offsets[value] < 0) continue;  // nobody reads it
    backend_->Copy(ValueAt(value, batch), inputs[k], bytes(value));
  }
  for (const Launch& launch : bound_.launches) backend_->Run(launch);
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (outputs[k] == nullptr) continue;
    const ValueId value = program_.outputs()[k];
    backend_->Copy(outputs[k], ValueAt(value, batch), bytes(value));
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

std::string CudaExecutable::Describe() const {
  std::string text;
  for (const Step& step : plan_.steps) {
    const Instruction& i = program_.instructions()[step.instruction];
    text += Name(i.op);
    if (step.convolution >= 0) {
      text += fmt::format(" at the end of {}", Name(program_.instructions()[step.convolution].op));
    }
    if (i.op == Opcode::kAnalysis || i.op == Opcode::kSynthesis || step.convolution >= 0) {
      text += ": direct convolution, float32";
    } else if (i.op == Opcode::kFilterGradient) {
      text += ": direct sums over fixed ranges, float32";
    } else if (i.result < 0) {
      text += ": sums over fixed ranges, float64";
    } else {
      text += ": own kernel, float32";
    }
    text += "\n";
  }
  return text;
}

}  // namespace csc::cuda
