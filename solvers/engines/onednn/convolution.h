// One oneDNN convolution on blocked values: analysis or synthesis for a tile of a
// fixed number of images, on one thread; or a filter gradient, which the engine
// leaves to its own kernels and benchmarks compare with them.
//
// oneDNN primitives are created and run at one thread: the engine owns the
// parallelism. (A backward-weights primitive made for two threads and run where
// OpenMP grants one waits for ever.)

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_CONVOLUTION_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_CONVOLUTION_H_

#include <cstdint>
#include <dnnl.hpp>
#include <string>
#include <vector>

#include "solvers/engines/onednn/layout.h"
#include "solvers/program/program.h"

namespace csc::onednn {

// Makes OpenMP, and with it oneDNN, use one thread in the calling thread for as
// long as it lives.
class OneOmpThread {
 public:
  OneOmpThread();
  ~OneOmpThread();
  OneOmpThread(const OneOmpThread&) = delete;
  OneOmpThread& operator=(const OneOmpThread&) = delete;

 private:
  int before_;
};

// The process's oneDNN engine.
const dnnl::engine& CpuEngine();

enum class ConvolutionKind { kAnalysis, kSynthesis, kFilterGradient };

struct ConvolutionShape {
  ConvolutionKind kind;
  Geometry geometry;
  Layout image_layout, code_layout;
  Shape image, code;
  int64_t images = 0;
  // The part of the output's lanes that is computed; all for 0 lanes. Not for
  // filter gradients and strided synthesis.
  int64_t first_lane = 0;
  int64_t part_lanes = 0;
};

// Whether oneDNN computes it as a forward convolution, whose output lanes can be
// computed in parts.
bool IsForward(const ConvolutionShape& shape);

class Convolution {
 public:
  // Requires a OneOmpThread alive. Throws EngineDeclined where oneDNN has no
  // implementation. With `bf16`, products of factors rounded to bfloat16 where that
  // has a fast kernel (forward convolutions); implementation() tells.
  explicit Convolution(const ConvolutionShape& shape, bool bf16 = false);

  // Layout of the filters, or of their gradient, as this primitive wants them.
  const dnnl::memory::desc& filters_desc() const { return filters_desc_; }
  // Plain layout that is reordered into it: [out][in][kh][kw], all lanes.
  dnnl::memory::desc plain_filters_desc() const;
  // Whether plain filters are [image][code], flipped: a synthesis at stride 1
  // is a forward convolution.
  bool transposed() const { return transposed_; }
  int64_t scratchpad_floats() const;
  const std::string& implementation() const { return implementation_; }

  // `filters` in filters_desc(). Analysis reads the image and writes the code,
  // synthesis the reverse; a filter gradient reads both and overwrites
  // `filters`.
  void Run(const dnnl::stream& stream, float* image, float* filters, float* code,
           float* scratchpad) const;

 private:
  void MakeForward(const ConvolutionShape& shape, dnnl::memory::data_type factors);
  bool MakeBf16(const ConvolutionShape& shape);
  void MakeBackward(const ConvolutionShape& shape);
  void Make(const ConvolutionShape& shape);
  void Execute(const dnnl::stream& stream, float* image, float* filters, float* code,
               float* scratchpad) const;
  template <typename PrimitiveDesc>
  void Describe(const PrimitiveDesc& desc);

  bool transposed_ = false;
  dnnl::memory::dims plain_filter_dims_;
  bool reorders_ = false;  // works on plain copies of image and code
  dnnl::reorder round_;    // of the source to bfloat16, if it works on such a copy
  dnnl::memory::desc rounded_desc_;
  dnnl::memory::desc blocked_image_desc_, blocked_code_desc_;
  dnnl::memory::desc image_desc_, code_desc_, filters_desc_, scratchpad_desc_;
  std::string implementation_;
  dnnl::primitive primitive_;
  std::vector<int> arguments_;  // DNNL_ARG_* of image, filters, code
};

// Spreads filters [w, C, kh, kw] times `scale` over all lanes, as the
// convolution's plain layout wants them (a part wants some of its first rows).
std::vector<float> SpreadFilters(const float* filters, const Dims& dims,
                                 const ConvolutionShape& shape, bool transposed, float scale);

// Copies between layouts with the calling thread.
void Reorder(const dnnl::stream& stream, const dnnl::memory::desc& from_desc, const float* from,
             const dnnl::memory::desc& to_desc, float* to);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_CONVOLUTION_H_
