#include "solvers/engines/cuda/cudnn_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <type_traits>

#include "solvers/error.h"

namespace csc::cuda {

namespace {

constexpr char kFile[] = "libcudnn.so.9";
constexpr size_t kMajor = 9;

std::string Environment(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr ? value : "";
}

struct Version {
  // Those before 9 have thousands.
  explicit Version(size_t version)
      : major(version >= 10000 ? version / 10000 : version / 1000),
        minor(version >= 10000 ? version / 100 % 100 : version / 100 % 10),
        patch(version % 100) {}
  std::string text() const { return fmt::format("{}.{}.{}", major, minor, patch); }

  size_t major, minor, patch;
};

// Of a call, not of the library or the device. Codes of a kind have its thousand.
bool Declines(cudnn::Status status) {
  return status / 1000 == cudnn::kBadParam / 1000 || status / 1000 == cudnn::kNotSupported / 1000;
}

}  // namespace

std::vector<std::string> CudnnCandidates() {
  const std::string asked = Environment("CSC_CUDNN_LIBRARY");
  // A bare name means the working folder, as for CSC_CUDA_LIBRARY.
  if (!asked.empty()) return {asked.find('/') == std::string::npos ? "./" + asked : asked};
  std::vector<std::string> paths = {kFile};
  for (const std::string& toolkit : {Environment("CUDA_HOME"), std::string("/usr/local/cuda")}) {
    if (toolkit.empty()) continue;
    for (const char* folder : {"lib64", "lib"}) {
      paths.push_back(fmt::format("{}/{}/{}", toolkit, folder, kFile));
    }
  }
  return paths;
}

cudnn::Functions OpenCudnnLibrary(const std::vector<std::string>& candidates) {
  void* library = nullptr;
  std::string found;
  std::vector<std::string> failures;
  for (const std::string& path : candidates) {
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    found = path;
    if (library != nullptr) break;
    failures.push_back(dlerror());
  }
  // The loader's words begin with the path.
  Require(library != nullptr,
          "cuDNN 9 is not where it was looked for ({}); CSC_CUDNN_LIBRARY names it",
          fmt::join(failures, "; "));
  cudnn::Functions functions;
  const auto find = [&](auto* function, const char* name) {
    *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(dlsym(library, name));
    Require(*function != nullptr, "{} has no {}", found, name);
  };
  find(&functions.GetVersion, "cudnnGetVersion");
  const Version version(functions.GetVersion());
  Require(version.major == kMajor, "{} is cuDNN {}: cuDNN {} expected", found, version.text(),
          kMajor);
#define CSC_FIND(result, name, parameters) find(&functions.name, "cudnn" #name);
  CSC_CUDNN_FUNCTIONS(CSC_FIND)
#undef CSC_FIND
  return functions;
}

const cudnn::Functions* LoadCudnn(std::string* why_not) {
  struct Loaded {
    cudnn::Functions functions;
    std::string why_not;
  };
  static const Loaded loaded = [] {
    Loaded l;
    try {
      l.functions = OpenCudnnLibrary(CudnnCandidates());
    } catch (const Error& error) {
      l.why_not = error.what();
    }
    return l;
  }();
  if (loaded.why_not.empty()) return &loaded.functions;
  *why_not = loaded.why_not;
  return nullptr;
}

CudnnHandle::CudnnHandle(const cudnn::Functions& functions) : functions_(functions) {
  try {
    Check(functions_.Create(&context_), "it was started");
    Check(functions_.CreateTensorDescriptor(&image_), "a descriptor was made");
    Check(functions_.CreateTensorDescriptor(&code_), "a descriptor was made");
    Check(functions_.CreateFilterDescriptor(&filters_), "a descriptor was made");
    Check(functions_.CreateConvolutionDescriptor(&convolution_), "a descriptor was made");
  } catch (...) {
    Destroy();
    throw;
  }
}

CudnnHandle::~CudnnHandle() { Destroy(); }

void CudnnHandle::Destroy() {
  if (convolution_ != nullptr) functions_.DestroyConvolutionDescriptor(convolution_);
  if (filters_ != nullptr) functions_.DestroyFilterDescriptor(filters_);
  if (code_ != nullptr) functions_.DestroyTensorDescriptor(code_);
  if (image_ != nullptr) functions_.DestroyTensorDescriptor(image_);
  if (context_ != nullptr) functions_.Destroy(context_);
}

std::string CudnnHandle::version() const { return Version(functions_.GetVersion()).text(); }

void CudnnHandle::Check(cudnn::Status status, const char* doing) const {
  Require(status == cudnn::kSuccess, "cuDNN {} failed when {}: {}", version(), doing,
          functions_.GetErrorString(status));
}

cudnn::Status CudnnHandle::Describe(const CudnnConvolution& call) {
  cudnn::Status status = cudnn::kSuccess;
  const auto attempt = [&status](cudnn::Status next) {
    if (status == cudnn::kSuccess) status = next;
  };
  const auto describe = [&](cudnn::TensorDescriptor* descriptor, const CudnnTensor& tensor) {
    attempt(functions_.SetTensor4dDescriptorEx(
        descriptor, cudnn::kFloat, call.batch, tensor.channels, tensor.size[0], tensor.size[1],
        tensor.stride, tensor.size[0] * tensor.size[1], tensor.size[1], 1));
  };
  describe(image_, call.image);
  describe(code_, call.code);
  attempt(functions_.SetFilter4dDescriptor(filters_, cudnn::kFloat, cudnn::kNchw,
                                           call.code.channels, call.image.channels, call.kernel[0],
                                           call.kernel[1]));
  attempt(functions_.SetConvolution2dDescriptor(
      convolution_, call.pads[0], call.pads[1], call.strides[0], call.strides[1], call.dilations[0],
      call.dilations[1], cudnn::kCrossCorrelation, cudnn::kFloat));
  attempt(functions_.SetConvolutionMathType(convolution_,
                                            call.tf32 ? cudnn::kDefaultMath : cudnn::kFmaMath));
  return status;
}

int64_t CudnnHandle::WorkspaceBytes(const CudnnConvolution& call) {
  size_t bytes = 0;
  cudnn::Status status = Describe(call);
  if (Declines(status)) return -1;
  Check(status, "a convolution was described");
  switch (call.op) {
    case Opcode::kAnalysis:
      status = functions_.GetConvolutionForwardWorkspaceSize(
          context_, image_, filters_, convolution_, code_, call.algorithm, &bytes);
      break;
    case Opcode::kSynthesis:
      status = functions_.GetConvolutionBackwardDataWorkspaceSize(
          context_, filters_, code_, convolution_, image_, call.algorithm, &bytes);
      break;
    default:
      status = functions_.GetConvolutionBackwardFilterWorkspaceSize(
          context_, image_, code_, convolution_, filters_, call.algorithm, &bytes);
  }
  if (Declines(status)) return -1;
  Check(status, "a workspace was asked for");
  return static_cast<int64_t>(bytes);
}

void CudnnHandle::Run(const CudnnConvolution& call, void* stream) {
  constexpr float kNothing = 0;  // of what was there before
  Check(functions_.SetStream(context_, stream), "a stream was chosen");
  Check(Describe(call), "a convolution was described");
  switch (call.op) {
    case Opcode::kAnalysis:
      return Check(
          functions_.ConvolutionForward(context_, &call.scale, image_, call.image.data, filters_,
                                        call.filters, convolution_, call.algorithm, call.workspace,
                                        call.workspace_bytes, &kNothing, code_, call.code.data),
          "a convolution was queued");
    case Opcode::kSynthesis:
      return Check(functions_.ConvolutionBackwardData(
                       context_, &call.scale, filters_, call.filters, code_, call.code.data,
                       convolution_, call.algorithm, call.workspace, call.workspace_bytes,
                       &kNothing, image_, call.image.data),
                   "an adjoint convolution was queued");
    default:
      return Check(functions_.ConvolutionBackwardFilter(
                       context_, &call.scale, image_, call.image.data, code_, call.code.data,
                       convolution_, call.algorithm, call.workspace, call.workspace_bytes,
                       &kNothing, filters_, call.gradient),
                   "a filter gradient was queued");
  }
}

}  // namespace csc::cuda
