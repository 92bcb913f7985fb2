// The operators of the layer contract as data: names, attributes, ranges.
//
// One table serves every reader and writer (OpenCV's LayerParams, ONNX nodes,
// the network spec), so that an attribute is defined and checked once.

#ifndef CSC_SOLVERS_NETWORK_OPERATOR_H_
#define CSC_SOLVERS_NETWORK_OPERATOR_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "solvers/geometry.h"
#include "solvers/tensor.h"

namespace csc {

using AttributeValue = std::variant<int64_t, double, std::string, std::vector<int64_t>>;

enum class AttributeType { kInt, kFloat, kString, kInts };

struct AttributeSchema {
  std::string name;   // as in the contract, ONNX's spelling
  std::string alias;  // what OpenCV's importer renames it to, or empty
  AttributeType type;
  // Value of an attribute left out; `required` ones have none, `optional`
  // ones stay out (pads, kernel_shape, output_size).
  AttributeValue default_value;
  bool required = false;
  bool optional = false;
  double min = 0;  // of a number, or of each of a list
  double max = 0;
  std::vector<std::string> allowed;     // strings only
  std::vector<size_t> allowed_lengths;  // lists only
};

// Where operators are known. Those of kSpecDomain are this project's own: they
// appear in the spec of a csc.Network, never as nodes.
inline constexpr char kCscDomain[] = "csc";
inline constexpr char kStandardDomain[] = "";
inline constexpr char kSpecDomain[] = "csc.Network";

struct OperatorSchema {
  std::string name;    // "MsdCsc"; OpenCV's type is "csc.MsdCsc"
  std::string domain;  // one of the three above
  int min_parameters;  // constants after x
  int max_parameters;
  std::vector<AttributeSchema> attributes;
  int spec_version = 1;  // the first version of the network spec that has it
};

// All operators a model file or a network spec may name: those of the contract
// but Network itself, the standard MaxPool, GlobalAveragePool and Gemm, and
// DenseCsc, which only specs have.
const std::vector<OperatorSchema>& AllOperators();

// The operator `name`; throws Error when there is none.
const OperatorSchema& FindOperator(const std::string& name);

// One layer of a network: an operator, its attributes, and how many constants
// it takes. Made by MakeLayerSpec, so its attributes are checked and complete.
struct LayerSpec {
  std::string op;
  std::map<std::string, AttributeValue> attributes;
  int num_parameters = 0;

  bool Has(const std::string& name) const { return attributes.count(name) > 0; }
  // Requires that the attribute is present and of that type.
  int64_t Int(const std::string& name) const;
  double Float(const std::string& name) const;  // an int will do
  const std::string& String(const std::string& name) const;
  const std::vector<int64_t>& Ints(const std::string& name) const;
};

// Constants of each of the layers that MlCsc or DenseCsc pursues together: F, b,
// c and, where DenseCsc has scales, a.
int ConstantsPerLayer(const LayerSpec& layer);

// Checks names, types and ranges, resolves OpenCV's spellings and fills in
// defaults. Throws Error naming the attribute, the value found and what was
// expected; also for a wrong number of constants, an attribute given twice,
// auto_pad other than NOTSET and group other than 1.
LayerSpec MakeLayerSpec(const std::string& op,
                        const std::map<std::string, AttributeValue>& attributes,
                        int num_parameters);

// The geometries of a layer's filters, in order: one for most operators, two
// for ResCsc, `layers` for MlCsc and DenseCsc, none without filters. `parameters` are the
// sizes of its constants (those of filters suffice for one-filter layers).
// Pads left out are "same". Throws Error for a kernel_shape that disagrees.
std::vector<Geometry> LayerGeometries(const LayerSpec& layer, const std::vector<Dims>& parameters);

}  // namespace csc

#endif  // CSC_SOLVERS_NETWORK_OPERATOR_H_
