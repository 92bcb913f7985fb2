// What the driver of build_bare.sh has in place of OpenCV and oneDNN.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "solvers/engines/onednn/onednn_engine.h"
#include "solvers/error.h"
#include "training/data/folder.h"

namespace csc::test {
namespace {

TEST(StandInsTest, SayWhatIsMissing) {
  EXPECT_EQ(MakeOneDnnEngine(), nullptr);
  EXPECT_THAT(OneDnnVersion(), ::testing::HasSubstr("without oneDNN"));
  try {
    LoadFolder("pictures", nullptr);
    ADD_FAILURE() << "read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("pictures: this program was built without"));
  }
}

}  // namespace
}  // namespace csc::test
