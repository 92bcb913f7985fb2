// Files of other programs are read as the layer contract says; what is no
// model, or no longer one, never does harm.

#include "tests/training/onnx/model_edit.h"

namespace csc {
namespace {

constexpr OnnxForm kLayered = OnnxForm::kLayered;
constexpr OnnxForm kFused = OnnxForm::kFused;

TEST(ReadOnnxTest, WhatIsNoModelIsRefusedByName) {
  EXPECT_NE(ErrorOf([] { ReadOnnx("/nowhere/model.onnx"); }).find("/nowhere/model.onnx"),
            std::string::npos);
  EXPECT_NE(ErrorOf([] { ReadOnnx(testing::TempDir()); }), "");
  EXPECT_NE(ErrorOf([] { ReadOnnx(WriteTemporary("empty", "")); }).find("not an ONNX"),
            std::string::npos);
  EXPECT_NE(ErrorOf([] {
              ReadOnnx(WriteTemporary("text", "# a text, not a model\n"));
            }).find("not an ONNX"),
            std::string::npos);
}

TEST(ReadOnnxTest, EveryFileCutShortIsRefused) {
  const TestNetwork test = OneLayer("cut", "MsdCsc", {}, {{1, 1, 3, 3}, {2}, {1}}, {1, 4, 4});
  for (OnnxForm form : {kFused, kLayered}) {
    const std::string bytes = Written(test, form).SerializeAsString();
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_NE(ErrorOf([&] { ReadOnnx(WriteTemporary("cut", bytes.substr(0, size))); }), "")
          << "the first " << size << " of " << bytes.size() << " bytes";
    }
  }
}

TEST(ReadOnnxTest, DamagedFilesGiveErrorsOrModelsNeverCrashes) {
  const TestNetwork test = SmallClassifier();
  for (OnnxForm form : {kFused, kLayered}) {
    const std::string bytes = Written(test, form).SerializeAsString();
    TestRandom random(3);
    for (int round = 0; round < 1000; ++round) {
      std::string damaged = bytes;
      for (int i = 0; i < 3; ++i) {
        const size_t at = static_cast<size_t>(random.Next(0, static_cast<float>(bytes.size())));
        damaged[at % bytes.size()] = static_cast<char>(random.Next(0, 256));
      }
      ErrorOf([&] { ReadOnnx(WriteTemporary("damaged", damaged)); });
    }
  }
}

// `change` must not change what the file means.
void ExpectSameAfter(const TestNetwork& test, const Change& change) {
  onnx::ModelProto model = Written(test, kLayered);
  change(&model);
  const Network network = Read(model).network;
  EXPECT_EQ(BuildProgram(network, test.input).ToString(),
            BuildProgram(test.network, test.input).ToString());
  EXPECT_EQ(FlattenParameters(network), FlattenParameters(test.network));
}

TEST(ReadOnnxTest, AttributesLeftOutTakeDefaults) {
  const TestNetwork plain = OneLayer("plain", "MsdCsc", {}, {{5, 3, 3, 3}, {8}, {1}}, {3, 6, 7});
  ExpectSameAfter(plain, [](Model* m) { NodeOf(m, "MsdCsc")->clear_attribute(); });
  const TestNetwork pursuit =
      OneLayer("pursuit", "LayeredPursuit", {}, {{5, 3, 3, 3}, {5}, {1}}, {3, 6, 7});
  ExpectSameAfter(pursuit, [](Model* m) { NodeOf(m, "LayeredPursuit")->clear_attribute(); });
}

TEST(ReadOnnxTest, ConstantsMayBeTyped) {
  ExpectSameAfter(SmallClassifier(), [](Model* m) {
    for (onnx::TensorProto& tensor : *m->mutable_graph()->mutable_initializer()) {
      const std::string raw = tensor.raw_data();
      tensor.clear_raw_data();
      for (size_t i = 0; i < raw.size(); i += sizeof(float)) {
        float value;
        std::memcpy(&value, raw.data() + i, sizeof(value));
        tensor.add_float_data(value);
      }
    }
  });
}

TEST(ReadOnnxTest, ConstantsMayBeListedAmongTheInputs) {
  ExpectSameAfter(SmallClassifier(), [](Model* m) {
    for (const onnx::TensorProto& tensor : m->graph().initializer()) {
      m->mutable_graph()->add_input()->set_name(tensor.name());
    }
  });
}

TEST(ReadOnnxTest, ConstantsMayBeNodes) {
  ExpectSameAfter(SmallClassifier(), [](Model* m) {
    onnx::GraphProto* graph = m->mutable_graph();
    std::vector<onnx::NodeProto> nodes;
    for (const onnx::TensorProto& tensor : graph->initializer()) {
      onnx::NodeProto node;
      node.set_op_type("Constant");
      node.add_output(tensor.name());
      onnx::AttributeProto* value = node.add_attribute();
      value->set_name("value");
      value->set_type(onnx::AttributeProto::TENSOR);
      *value->mutable_t() = tensor;
      nodes.push_back(node);
    }
    nodes.insert(nodes.end(), graph->node().begin(), graph->node().end());
    graph->clear_initializer();
    graph->mutable_node()->Assign(nodes.begin(), nodes.end());
  });
}

TEST(ReadOnnxTest, StepsMayHaveAnyRank) {
  ExpectSameAfter(SmallClassifier(),
                  [](Model* m) { ConstantOf(m, "layer0_MsdCsc_c")->clear_dims(); });
  ExpectSameAfter(SmallClassifier(), [](Model* m) {
    for (int i = 0; i < 3; ++i) ConstantOf(m, "layer0_MsdCsc_c")->add_dims(1);
  });
}

TEST(ReadOnnxTest, DenseWeightsMayBeTransposed) {
  ExpectSameAfter(SmallClassifier(), [](Model* m) {
    AttributeOf(NodeOf(m, "Gemm"), "transB")->set_i(0);
    onnx::TensorProto* w = ConstantOf(m, "layer4_Gemm_W");  // [4, 12]
    const std::string raw = w->raw_data();
    for (int k = 0; k < 4; ++k) {
      for (int j = 0; j < 12; ++j) {
        std::memcpy(w->mutable_raw_data()->data() + 4 * (j * 4 + k), raw.data() + 4 * (k * 12 + j),
                    4);
      }
    }
    w->set_dims(0, 12);
    w->set_dims(1, 4);
  });
}

TEST(ReadOnnxTest, FlattenMayBeAReshape) {
  ExpectSameAfter(SmallClassifier(), [](Model* m) {
    onnx::NodeProto* node = NodeOf(m, "Flatten");
    node->set_op_type("Reshape");
    node->clear_attribute();
    node->add_input("sizes");
    onnx::TensorProto* sizes = m->mutable_graph()->add_initializer();
    sizes->set_name("sizes");
    sizes->set_data_type(onnx::TensorProto::INT64);
    sizes->add_dims(2);
    sizes->add_int64_data(0);
    sizes->add_int64_data(-1);
  });
}

TEST(ReadOnnxTest, DenseLayerWithoutBiasHasZeros) {
  onnx::ModelProto model = Written(SmallClassifier(), kLayered);
  NodeOf(&model, "Gemm")->mutable_input()->RemoveLast();
  const Network network = Read(model).network;
  EXPECT_EQ(network.parameters.back().data, std::vector<float>(4, 0.0f));
}

}  // namespace
}  // namespace csc
