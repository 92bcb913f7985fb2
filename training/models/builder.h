// How the model files of this folder put a Model together.

#ifndef CSC_TRAINING_MODELS_BUILDER_H_
#define CSC_TRAINING_MODELS_BUILDER_H_

#include <map>
#include <string>
#include <vector>

#include "training/models/model.h"

namespace csc {

// Adds layers to a model and keeps the shape between them.
class ModelBuilder {
 public:
  ModelBuilder(const ModelOptions& resolved, const Shape& input, int64_t classes);

  const ModelOptions& options() const { return model_.options; }
  const Shape& shape() const { return shape_; }  // of the last output
  bool normalise() const { return options().normalisation == "batch"; }

  using Attributes = std::map<std::string, AttributeValue>;

  // `scale` / sqrt(fan-in) is the standard deviation of new filters.
  void AddMsdCsc(int64_t width, int64_t dilation, double scale);
  void AddResCsc(int64_t width, int64_t stride, bool simplified, double scale);
  struct Convolution {
    int64_t width;
    int64_t kernel = 3;
    int64_t stride = 1;
    int64_t pad = 1;
    double scale = 1;
  };
  void AddLayeredThreshold(const Convolution& convolution);
  void AddLayeredPursuit(int64_t width, double scale);
  void AddMlCsc(const std::vector<Convolution>& convolutions);
  // A dense block whose layers, one for each dilation, are pursued together.
  void AddDenseCsc(int64_t width, const std::vector<int64_t>& dilations, double scale);
  // 2 x 2, unless the image is smaller.
  void AddMaxPool();
  void AddGlobalAveragePool();
  // Fully connected, to the classes.
  void AddClassifier();

  Model Finish();

 private:
  ModelParameter Filters(const Dims& dims, double scale) const;
  ModelParameter Vector(int64_t n, Role role, double constant) const;
  ModelParameter Step() const;
  // `parameters` named in order; those past the contract's are training's own.
  void AddLayer(const std::string& op, const Attributes& attributes,
                std::vector<ModelParameter> parameters, int frozen_count, bool normalise);

  Model model_;
  Shape shape_;
};

// One function for each layout.
void BuildMsdCsc(ModelBuilder* builder);          // msd_csc, msdnet
void BuildMsdCscJoint(ModelBuilder* builder);     // msd_csc_joint
void BuildLayeredPursuit(ModelBuilder* builder);  // layered_pursuit
void BuildResidual(ModelBuilder* builder);        // res_csc(_simplified),
                                                  // resnet, plain
void BuildMultiLayer(ModelBuilder* builder);      // ml_csc, feed_forward

}  // namespace csc

#endif  // CSC_TRAINING_MODELS_BUILDER_H_
