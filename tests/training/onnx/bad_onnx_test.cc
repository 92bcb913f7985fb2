// Bad files are refused with a message that tells what is wrong.

#include <cmath>

#include "tests/training/onnx/model_edit.h"

namespace csc {
namespace {

void SetSpec(onnx::ModelProto* model, const std::string& from, const std::string& to) {
  std::string* spec = AttributeOf(NodeOf(model, "Network"), "spec")->mutable_s();
  const size_t at = spec->find(from);
  ASSERT_NE(at, std::string::npos) << *spec;
  spec->replace(at, from.size(), to);
}

struct BadFile {
  std::string name;
  OnnxForm form;
  Change change;
  std::vector<std::string> expected;  // parts of the message
};

void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

class BadFileTest : public testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, IsRefusedWithAReason) {
  onnx::ModelProto model = Written(SmallClassifier(), GetParam().form);
  GetParam().change(&model);
  const std::string message = ErrorOf([&] { Read(model); });
  for (const std::string& part : GetParam().expected) {
    EXPECT_NE(message.find(part), std::string::npos) << "message: \"" << message << "\"";
  }
}

TEST(NewerFileTest, IsRefusedInTheWordsOfThePythonReader) {
  onnx::ModelProto model = Written(SmallClassifier(), OnnxForm::kLayered);
  model.mutable_opset_import(1)->set_version(2);
  EXPECT_EQ(ErrorOf([&] { Read(model); }),
            TemporaryPath("changed") + ": written for version 2 of the csc operators; this program "
                                       "reads version 1: a newer one may read it");
}

constexpr OnnxForm kLayered = OnnxForm::kLayered;
constexpr OnnxForm kFused = OnnxForm::kFused;
constexpr char kFilters[] = "layer0_MsdCsc_F";

std::vector<BadFile> BadGraphs() {
  return {
      {"no_graph", kLayered, [](Model* m) { m->clear_graph(); }, {"no graph"}},
      {"no_opsets", kLayered, [](Model* m) { m->clear_opset_import(); }, {"opset_import"}},
      {"no_csc_opset",
       kLayered,
       [](Model* m) { m->mutable_opset_import()->RemoveLast(); },
       {"opset_import", "csc"}},
      {"no_nodes", kLayered, [](Model* m) { m->mutable_graph()->clear_node(); }, {"no layers"}},
      {"two_inputs",
       kLayered,
       [](Model* m) { m->mutable_graph()->add_input()->set_name("other"); },
       {"2 inputs"}},
      {"flat_input",
       kLayered,
       [](Model* m) {
         m->mutable_graph()
             ->mutable_input(0)
             ->mutable_type()
             ->mutable_tensor_type()
             ->mutable_shape()
             ->mutable_dim()
             ->RemoveLast();
       },
       {"3 axes"}},
      {"giant_input",
       kLayered,
       [](Model* m) {
         m->mutable_graph()
             ->mutable_input(0)
             ->mutable_type()
             ->mutable_tensor_type()
             ->mutable_shape()
             ->mutable_dim(2)
             ->set_dim_value(INT64_MAX);
       },
       {"9223372036854775807"}},
      {"two_outputs",
       kLayered,
       [](Model* m) { m->mutable_graph()->add_output()->set_name("other"); },
       {"2 outputs"}},
      {"output_of_another_node",
       kLayered,
       [](Model* m) { m->mutable_graph()->mutable_output(0)->set_name("layer1_MaxPool"); },
       {"layer1_MaxPool", "output"}},
      {"broken_chain",
       kLayered,
       [](Model* m) { NodeOf(m, "ResCsc")->set_input(0, "input"); },
       {"ResCsc", "first input is input"}},
      {"unknown_operator",
       kLayered,
       [](Model* m) { NodeOf(m, "MsdCsc")->set_op_type("MsdCsk"); },
       {"MsdCsk", "unknown"}},
      {"unknown_domain",
       kLayered,
       [](Model* m) { NodeOf(m, "MsdCsc")->set_domain("acme"); },
       {"acme"}},
      {"standard_in_our_domain",
       kLayered,
       [](Model* m) { NodeOf(m, "MaxPool")->set_domain("csc"); },
       {"MaxPool", "domain csc"}},
      {"operator_of_specs_only",
       kLayered,
       [](Model* m) { NodeOf(m, "MsdCsc")->set_op_type("DenseCsc"); },
       {"DenseCsc", "domain csc", "spec of a csc.Network"}},
      {"our_operator_in_onnx_domain",
       kLayered,
       [](Model* m) { NodeOf(m, "MsdCsc")->clear_domain(); },
       {"portable"}},
      {"convolution",
       kLayered,
       [](Model* m) { NodeOf(m, "MaxPool")->set_op_type("Conv"); },
       {"Conv", "portable"}},
  };
}

std::vector<BadFile> BadConstants() {
  return {
      {"missing_constant",
       kLayered,
       [](Model* m) { ConstantOf(m, kFilters)->set_name("gone"); },
       {kFilters, "no initialiser"}},
      {"constant_twice",
       kLayered,
       [](Model* m) { ConstantOf(m, "layer0_MsdCsc_b")->set_name(kFilters); },
       {"given twice"}},
      {"empty_input_name",
       kLayered,
       [](Model* m) { NodeOf(m, "MsdCsc")->set_input(4, ""); },
       {"input 4 is empty"}},
      {"half_floats",
       kLayered,
       [](Model* m) { ConstantOf(m, kFilters)->set_data_type(onnx::TensorProto::FLOAT16); },
       {"FLOAT16", "FLOAT expected"}},
      {"odd_type",
       kLayered,
       [](Model* m) { ConstantOf(m, kFilters)->set_data_type(12345); },
       {kFilters}},
      {"in_another_file",
       kLayered,
       [](Model* m) { ConstantOf(m, kFilters)->set_data_location(onnx::TensorProto::EXTERNAL); },
       {"another file"}},
      {"too_few_bytes",
       kLayered,
       [](Model* m) { ConstantOf(m, kFilters)->mutable_raw_data()->resize(40); },
       {"40 bytes", "162 values"}},
      {"no_data",
       kLayered,
       [](Model* m) { ConstantOf(m, kFilters)->clear_raw_data(); },
       {"0 values", "162 expected"}},
      {"negative_size",
       kLayered,
       [](Model* m) { ConstantOf(m, kFilters)->set_dims(0, -6); },
       {"[-6, 3, 3, 3]"}},
      {"size_overflow",
       kLayered,
       [](Model* m) {
         for (int i = 0; i < 4; ++i) ConstantOf(m, kFilters)->set_dims(i, int64_t{1} << 40);
       },
       {"overflow"}},
      {"filters_of_other_channels",
       kLayered,
       [](Model* m) {
         ConstantOf(m, kFilters)->set_dims(0, 3);
         ConstantOf(m, kFilters)->set_dims(1, 6);
       },
       {"MsdCsc", "6"}},
      {"thresholds_of_other_length",
       kLayered,
       [](Model* m) {
         ConstantOf(m, "layer0_MsdCsc_b")->set_dims(0, 8);
         ConstantOf(m, "layer0_MsdCsc_b")->mutable_raw_data()->resize(32);
       },
       {"b has sizes [8]", "[9]"}},
      {"not_a_number",
       kLayered,
       [](Model* m) { SetFirst(ConstantOf(m, kFilters), NAN); },
       {"F contains nan"}},
      {"infinite_step",
       kFused,
       [](Model* m) { SetFirst(ConstantOf(m, "layer0_MsdCsc_c"), INFINITY); },
       {"c contains inf"}},
      {"one_scale_of_two",
       kLayered,
       [](Model* m) { NodeOf(m, "ResCsc")->mutable_input()->RemoveLast(); },
       {"6 constant", "both or not at all"}},
      {"dense_weights_of_other_inputs",
       kLayered,
       [](Model* m) {
         ConstantOf(m, "layer4_Gemm_W")->set_dims(0, 8);
         ConstantOf(m, "layer4_Gemm_W")->set_dims(1, 6);
       },
       {"[8, 6]", "12 inputs"}},
  };
}

std::vector<BadFile> BadAttributes() {
  return {
      {"attribute_twice",
       kLayered,
       [](Model* m) {
         onnx::NodeProto* node = NodeOf(m, "MsdCsc");
         *node->add_attribute() = onnx::AttributeProto(*AttributeOf(node, "unfolding"));
       },
       {"unfolding", "twice"}},
      {"unknown_attribute",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "MsdCsc"), "colour"); },
       {"colour"}},
      {"unfolding_of_floats",
       kLayered,
       [](Model* m) {
         AttributeOf(NodeOf(m, "MsdCsc"), "unfolding")->set_type(onnx::AttributeProto::FLOATS);
       },
       {"unfolding", "FLOATS"}},
      {"negative_unfolding",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "MsdCsc"), "unfolding")->set_i(-1); },
       {"unfolding is -1"}},
      {"groups",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "MsdCsc"), "group")->set_i(3); },
       {"group is 3"}},
      {"unknown_algorithm",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "MsdCsc"), "algorithm")->set_s("fast"); },
       {"fast"}},
      {"padded_pool",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "MaxPool"), "pads")->set_ints(0, 1); },
       {"pads"}},
      {"pool_that_rounds_up",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "MaxPool"), "ceil_mode")->set_i(1); },
       {"ceil_mode"}},
      {"scaled_dense_layer",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "Gemm"), "alpha")->set_f(2); },
       {"alpha"}},
      {"flattened_elsewhere",
       kLayered,
       [](Model* m) { AttributeOf(NodeOf(m, "Flatten"), "axis")->set_i(2); },
       {"axis"}},
      {"no_spec", kFused, [](Model* m) { NodeOf(m, "Network")->clear_attribute(); }, {"spec"}},
      {"newer_spec",
       kFused,
       [](Model* m) { SetSpec(m, "\"version\":1", "\"version\":3"); },
       {"version 3", "newer"}},
      {"another_spec",
       kFused,
       [](Model* m) { SetSpec(m, "csc-network", "csv-network"); },
       {"csv-network"}},
      {"spec_cut_short", kFused, [](Model* m) { SetSpec(m, "]}", ""); }, {"JSON"}},
      {"spec_of_unknown_operator",
       kFused,
       [](Model* m) { SetSpec(m, "MaxPool", "MinPool"); },
       {"layer 1", "MinPool"}},
      {"constants_of_other_number",
       kFused,
       [](Model* m) { NodeOf(m, "Network")->mutable_input()->RemoveLast(); },
       {"12", "13"}},
      {"labels_of_other_number",
       kFused,
       [](Model* m) {
         auto* entry = m->add_metadata_props();
         entry->set_key("labels");
         entry->set_value("[\"a\", \"b\"]");
       },
       {"2 labels", "4 expected"}},
      {"labels_no_list",
       kFused,
       [](Model* m) {
         auto* entry = m->add_metadata_props();
         entry->set_key("labels");
         entry->set_value("a,b,c,d");
       },
       {"labels", "JSON"}},
  };
}

const auto kName = [](const testing::TestParamInfo<BadFile>& p) { return p.param.name; };
INSTANTIATE_TEST_SUITE_P(Graphs, BadFileTest, testing::ValuesIn(BadGraphs()), kName);
INSTANTIATE_TEST_SUITE_P(Constants, BadFileTest, testing::ValuesIn(BadConstants()), kName);
INSTANTIATE_TEST_SUITE_P(Attributes, BadFileTest, testing::ValuesIn(BadAttributes()), kName);

}  // namespace
}  // namespace csc
