// A bad file is refused in the same words whichever program reads it, through OpenCV or
// not.

#include "training/read_net.h"

#include <cmath>
#include <opencv2/core/utils/logger.hpp>

#include "layers/csc_opencv.h"
#include "tests/training/onnx/model_edit.h"

namespace csc {
namespace {

constexpr char kFilters[] = "layer0_MsdCsc_F";

class ReadNetTest : public testing::TestWithParam<OnnxForm> {
 protected:
  void SetUp() override {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    ASSERT_EQ(csc_register_layers(), 0) << csc_last_error();
  }

  static void ExpectSameWords(const std::string& path, const std::string& part) {
    const std::string message = ErrorOf([&] { ReadNet(path); });
    EXPECT_EQ(message, ErrorOf([&] { ReadOnnx(path); }));
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.rfind(path, 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  static void ExpectSameWords(const Change& change, const std::string& part) {
    onnx::ModelProto model = Written(SmallClassifier(), GetParam());
    change(&model);
    ExpectSameWords(WriteTemporary("read_net", model.SerializeAsString()), part);
  }
};

TEST_P(ReadNetTest, ReadsWhatIsGood) {
  Written(SmallClassifier(), GetParam());
  EXPECT_FALSE(ReadNet(TemporaryPath("written_" + SmallClassifier().name)).empty());
}

TEST_P(ReadNetTest, RefusesFilesInTheReadersWords) {
  const std::string bytes = Written(SmallClassifier(), GetParam()).SerializeAsString();
  ExpectSameWords(TemporaryPath("nowhere"), "No such file");
  ExpectSameWords(testing::TempDir(), "is a folder");
  ExpectSameWords(WriteTemporary("read_net", ""), "not an ONNX model, or cut short");
  for (size_t size : {bytes.size() - 1, bytes.size() / 2, size_t{10}}) {
    ExpectSameWords(WriteTemporary("read_net", bytes.substr(0, size)), "cut short");
  }
}

TEST_P(ReadNetTest, RefusesModelsInTheReadersWords) {
  const auto first_size = [](int64_t size) {
    return [size](Model* m) { ConstantOf(m, kFilters)->set_dims(0, size); };
  };
  ExpectSameWords([](Model* m) { m->mutable_opset_import(1)->set_version(99); }, "version 99");
  ExpectSameWords([](Model* m) { m->mutable_opset_import()->RemoveLast(); }, "domain csc");
  ExpectSameWords([](Model* m) { ConstantOf(m, kFilters)->set_name("gone"); }, "no initialiser");
  ExpectSameWords([](Model* m) { SetFirst(ConstantOf(m, kFilters), NAN); }, "F contains nan");
  ExpectSameWords([](Model* m) { SetFirst(ConstantOf(m, kFilters), INFINITY); }, "F contains inf");
  ExpectSameWords([](Model* m) { ConstantOf(m, kFilters)->mutable_raw_data()->pop_back(); },
                  "647 bytes of data");
  ExpectSameWords([](Model* m) { ConstantOf(m, kFilters)->clear_raw_data(); }, "has 0 values");
  ExpectSameWords(first_size(-6), "[-6, 3, 3, 3]");
  ExpectSameWords(first_size(7), "[7, 3, 3, 3]");
  ExpectSameWords(first_size(int64_t{1} << 40), "[1099511627776, 3, 3, 3]");
}

// OpenCV's reason where a file has operators that networks of ours have not.
TEST(ReadNetPortableTest, LeavesTheWordToOpenCv) {
  onnx::ModelProto model = Written(SmallClassifier(), OnnxForm::kPortable);
  NodeOf(&model, "Relu")->set_op_type("Rely");
  const std::string path = WriteTemporary("read_net", model.SerializeAsString());
  const std::string message = ErrorOf([&] { ReadNet(path); });
  EXPECT_EQ(message.rfind(path + ": OpenCV: ", 0), 0u) << message;
  EXPECT_NE(message.find("Rely"), std::string::npos) << message;
}

TEST(ReadNetPortableTest, RefusesConstantsWithBytesMissing) {
  onnx::ModelProto model = Written(SmallClassifier(), OnnxForm::kPortable);
  auto& constants = *model.mutable_graph()->mutable_initializer();
  onnx::TensorProto* const last = constants.Mutable(constants.size() - 1);
  last->mutable_raw_data()->pop_back();
  const std::string path = WriteTemporary("read_net", model.SerializeAsString());
  const std::string message = ErrorOf([&] { ReadNet(path); });
  EXPECT_EQ(message.rfind(path + ": constant " + last->name() + " has ", 0), 0u) << message;
  EXPECT_NE(message.find(" bytes of data: "), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(, ReadNetTest, testing::Values(OnnxForm::kFused, OnnxForm::kLayered),
                         [](const auto& form) { return ToString(form.param); });

}  // namespace
}  // namespace csc
