// A program: the one description of a model that every engine runs.
//
// A program is a straight list of typed instructions over values. A value is
// an array of shape [C, H, W] per sample; the batch size is free at run time.
// Values are single-assignment and are numbered in the order of definition.
// Parameters (filters, thresholds, steps) live outside, in one flat float
// array; instructions refer to them by number and offset, so that an optimiser
// or a file sees a single vector. A Program owns no parameter data.

#ifndef CSC_SOLVERS_PROGRAM_PROGRAM_H_
#define CSC_SOLVERS_PROGRAM_PROGRAM_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "solvers/geometry.h"
#include "solvers/tensor.h"

namespace csc {

using ValueId = int32_t;

// constant * parameters[parameter][offset]; just the constant without one.
struct Coefficient {
  double constant = 1;
  int parameter = -1;
  int64_t offset = 0;

  bool IsOne() const { return constant == 1 && parameter < 0; }
};

// coefficient * value.
struct Term {
  ValueId value = -1;
  Coefficient coefficient;
};

// `constant` times `count` consecutive entries of a parameter, one per channel;
// a count of 1 is shared by all channels. Absent when `parameter` < 0.
struct ChannelVector {
  int parameter = -1;
  int64_t offset = 0;
  int64_t count = 0;
  double constant = 1;  // -1 makes a bias of a threshold

  bool present() const { return parameter >= 0; }
};

// The proximal map at the end of a pointwise instruction (b >= 0 expected of
// kSoft): kNone z - b; kSoft sign(z) max(|z| - b, 0), the prox of b ||.||_1;
// kNonnegative max(z - b, 0), the same restricted to g >= 0.
enum class Shrink { kNone, kSoft, kNonnegative };

// What a channel gradient sums over batch and positions, for each channel.
enum class ChannelSum { kPlain, kTimesSecond, kTimesSignOfSecond };

enum class Opcode {
  // --- linear maps, <F x, g> = <x, F^T g> ---
  kAnalysis,   // y = F (s x): cross-correlation, ONNX Conv without bias
  kSynthesis,  // y = F^T (s g), in the height and width of `result`
  // --- pointwise ---
  kPointwise,  // y = P_b(a * sum of terms), a and b per channel, optional
  kMask,       // y = terms[0] where terms[1] != 0, else 0
  // --- batch statistics: the only barriers between samples ---
  kMoments,           // statistic := (mean, biased variance) per channel
  kNormalise,         // y = (x - mean) / sqrt(variance + epsilon)
  kNormaliseSums,     // statistic := (mean(dy), mean(dy * y)); terms dy, y
  kNormaliseAdjoint,  // dx; terms dy, y; both statistics above
  // --- channels and positions ---
  kJoin,                // concatenation along the channels
  kView,                // channels [first_channel, first_channel + C)
  kMaxPool,             // geometry: kernel and strides only
  kMaxPoolAdjoint,      // terms dy, x, y; ties go to the first position
  kAveragePool,         // geometry: kernel and strides only
  kAveragePoolAdjoint,  // terms dy
  kShortcut,            // y[c] = x[c, ::stride, ::stride], zero past x's C
  kShortcutAdjoint,     // terms dy
  // --- loss ---
  kSoftmaxLoss,  // mean cross-entropy over the batch; y = its gradient
  // --- parameter gradients: sums over the batch, added to `target` ---
  kFilterGradient,   // terms image, code: <dF, F'> = <code, F' image>
  kScalarGradient,   // constant * <terms[0], terms[1]>
  kChannelGradient,  // constant * sum of terms[0] (* terms[1]), per channel
};

const char* Name(Opcode op);
inline bool IsConvolution(Opcode op) { return op == Opcode::kAnalysis || op == Opcode::kSynthesis; }

struct Instruction {
  Opcode op;
  std::vector<Term> terms;  // only linear maps and kPointwise use coefficients
  ValueId result = -1;      // -1: gradients and statistics have none
  Geometry geometry;        // linear maps, pools; strides of kShortcut
  int filters = -1;         // parameter [w, C, kh, kw] of linear maps
  ChannelVector scale;      // a of kPointwise
  ChannelVector threshold;  // b of kPointwise
  Shrink shrink = Shrink::kNone;
  int64_t first_channel = 0;     // kView
  int statistic = -1;            // read or written
  int sums_statistic = -1;       // kNormaliseAdjoint
  double epsilon = 0;            // kNormalise, kNormaliseAdjoint
  Coefficient scalar_target;     // kScalarGradient: constant and target
  ChannelVector channel_target;  // kChannelGradient
  double gradient_constant = 1;  // kChannelGradient, target's included
  ChannelSum channel_sum = ChannelSum::kPlain;
  double smoothing = 0;  // kSoftmaxLoss
};

struct ParameterInfo {
  std::string name;
  Dims dims;
  int64_t offset = 0;  // of its first entry in the flat array
  bool trainable = true;

  int64_t size() const { return NumElements(dims); }
};

class Program {
 public:
  // ---- building; every function checks shapes and throws Error ----

  ValueId AddInput(const Shape& shape);
  // Returns the parameter's number. Requires all sizes >= 1.
  int AddParameter(const std::string& name, const Dims& dims, bool trainable = true);

  // F (s x). x [C, H, W], filters [w, C, kh, kw] -> [w, H', W'].
  ValueId Analysis(ValueId x, int filters, const Geometry& geometry, const Coefficient& scale = {});
  // F^T (s g). g [w, H', W'] -> [C, height, width], where analysis of that
  // size must give H' and W'. Positions that no window reaches are zero.
  ValueId Synthesis(ValueId g, int filters, const Geometry& geometry, int64_t height, int64_t width,
                    const Coefficient& scale = {});
  // P_b(a * sum of terms); all terms have one shape. a and b hold 1 or C.
  ValueId Pointwise(std::vector<Term> terms, Shrink shrink, const ChannelVector& threshold = {},
                    const ChannelVector& scale = {});
  // The sum of terms; terms of constant 0 are left out.
  ValueId Combine(std::vector<Term> terms);
  ValueId Mask(ValueId x, ValueId where_nonzero);
  // Batch normalisation without affine part, with batch statistics.
  ValueId Normalise(ValueId x, double epsilon);
  ValueId Join(const std::vector<ValueId>& values);
  ValueId View(ValueId x, int64_t first_channel, int64_t channels);
  ValueId MaxPool(ValueId x, const Geometry& geometry);
  ValueId AveragePool(ValueId x, const Geometry& geometry);
  // x subsampled by `strides`, zero channels appended up to `channels`.
  ValueId Shortcut(ValueId x, std::array<int64_t, 2> strides, int64_t channels);
  // Mean over the batch of the cross-entropy between softmax(logits) and a
  // target that gives the label 1 - smoothing and every class smoothing / K
  // more (label smoothing, Szegedy et al. 2016); logits [K, 1, 1], smoothing
  // in [0, 1). Returns the value holding its gradient with respect to the
  // logits.
  ValueId SoftmaxLoss(ValueId logits, double smoothing = 0);
  void MarkOutput(ValueId value);

  // Appends an instruction derived elsewhere (the adjoint); `shape` is of its
  // result, which is created unless `has_result` is false.
  ValueId Append(Instruction instruction, const Shape& shape, bool has_result = true);
  int AddStatistic(int64_t channels);
  // States that two values order their channels alike (a gradient and its
  // primal), which lets an engine lay them out alike.
  void MarkSameChannels(ValueId a, ValueId b);

  // ---- reading ----

  const std::vector<Instruction>& instructions() const { return instructions_; }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  const std::vector<ParameterInfo>& parameters() const { return parameters_; }
  int64_t num_values() const { return static_cast<int64_t>(shapes_.size()); }
  const Shape& shape(ValueId value) const;
  // Entries of the flat parameter (and gradient) array.
  int64_t parameter_size() const { return parameter_size_; }
  // Channels of each statistic; a statistic holds two rows of that length.
  const std::vector<int64_t>& statistics() const { return statistics_; }
  const std::vector<std::pair<ValueId, ValueId>>& same_channels() const { return same_channels_; }

  // One instruction a line, for people.
  std::string ToString() const;

 private:
  const Dims& FilterDims(int filters) const;
  void CheckVector(const ChannelVector& vector, int64_t channels, const char* what) const;
  void CheckCoefficient(const Coefficient& coefficient) const;

  std::vector<Instruction> instructions_;
  std::vector<Shape> shapes_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<ParameterInfo> parameters_;
  int64_t parameter_size_ = 0;
  std::vector<int64_t> statistics_;
  std::vector<std::pair<ValueId, ValueId>> same_channels_;
};

}  // namespace csc

#endif  // CSC_SOLVERS_PROGRAM_PROGRAM_H_
