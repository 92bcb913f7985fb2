#include "solvers/engines/onednn/onednn_engine.h"

#include <fmt/format.h>

#include <dnnl.hpp>

#include "solvers/engines/onednn/banded_set.h"
#include "solvers/engines/onednn/executable.h"
#include "solvers/engines/onednn/kernels.h"
#include "solvers/error.h"

namespace csc {

namespace {

// Lanes of a block: what oneDNN's fastest kernels of this machine want.
int BlockLanes() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
    case dnnl::cpu_isa::avx:
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx2_vnni:
      return 8;
    default:
      return 16;
  }
}

bool HasBf16() {
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
}

class OneDnnEngine : public Engine {
 public:
  const std::string& name() const override { return name_; }
  std::string algorithms() const override {
    return fmt::format("rules {}, {}", onednn::kAlgorithmVersion, OneDnnVersion());
  }

  std::unique_ptr<Executable> Prepare(const Program& program,
                                      const PrepareOptions& options) const override {
    if (options.arithmetic == Arithmetic::kTf32) {
      throw EngineDeclined("arithmetic is \"tf32\": \"direct\", \"float32\" or \"bf16\" expected");
    }
    if (options.arithmetic == Arithmetic::kBfloat16 && !HasBf16()) {
      throw EngineDeclined(
          "arithmetic \"bf16\" on engine \"onednn\": this processor, or the instruction set that "
          "oneDNN is limited to, has no bfloat16 products (AVX512_BF16)");
    }
    try {
      return std::make_unique<onednn::OneDnnExecutable>(program, options, BlockLanes());
    } catch (const dnnl::error& error) {
      throw EngineDeclined(fmt::format("oneDNN: {}", error.what()));
    }
  }

 private:
  const std::string name_ = "onednn";
};

const char* IsaName() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2";
    default:
      return "AVX-512";
  }
}

}  // namespace

std::unique_ptr<Engine> MakeOneDnnEngine() { return std::make_unique<OneDnnEngine>(); }

std::string OneDnnVersion() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{} ({}), SIMD kernels for {}", version->major, version->minor,
                     version->patch, IsaName(), onednn::SimdTarget());
}

}  // namespace csc
