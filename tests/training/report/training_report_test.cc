// Reports and event files as a training writes them.

#include "training/report/training_report.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/training/report/event_reader.h"
#include "tests/training/small_training.h"
#include "tests/training/temporary_folder.h"
#include "training/run_training.h"

namespace csc::test {
namespace {

// Stops after so many questions.
RunOptions StopAfter(const std::string& out, int steps) {
  RunOptions options;
  options.out = out;
  options.command = "train --out 'a b'";
  options.stop = [steps]() mutable { return steps-- <= 0; };
  return options;
}

// What TensorBoard keeps of a folder's events: a start of a session drops
// points at its step and behind, of all tags.
std::map<std::string, std::vector<int64_t>> StepsByTag(const std::string& folder) {
  std::map<std::string, std::vector<int64_t>> steps;
  for (const std::string& path : EventFiles(folder)) {
    for (const events::Event& event : ReadEvents(path)) {
      if (event.has_session_log()) {
        for (auto& [tag, list] : steps) {
          while (!list.empty() && list.back() >= event.step()) list.pop_back();
        }
      }
      for (const auto& value : event.summary().value()) steps[value.tag()].push_back(event.step());
    }
  }
  return steps;
}

class TrainingReportTest : public ::testing::Test {
 protected:
  // Three steps an epoch, three epochs.
  TrainingReportTest() : options_(TinyOptions()), data_(DataOf(options_)) {}

  bool Run(const RunOptions& run, bool resume) {
    Trainer trainer(options_, data_, FindEngine(), nullptr);
    if (resume) trainer.Restore(ReadCheckpoint(CheckpointPath(run.out)));
    Progress progress;
    return RunTraining(run, &trainer, &progress);
  }

  const TrainingOptions options_;
  const DataSet data_;
};

TEST_F(TrainingReportTest, WritesAllFiguresOfEachEpochAtItsLastStep) {
  const TemporaryFolder out("report_events");
  ASSERT_TRUE(Run(StopAfter(out.path(), 1000), false));
  const auto files = EventFiles(out / "events");
  ASSERT_EQ(files.size(), 1u);
  const auto list = ReadEvents(files[0]);
  ASSERT_EQ(list.size(), 2u + 3u);
  EXPECT_EQ(list[1].step(), 1);
  for (int epoch = 1; epoch <= 3; ++epoch) EXPECT_EQ(list[1 + epoch].step(), 3 * epoch);
  const auto steps = StepsByTag(out / "events");
  for (const char* tag : {"train/loss", "train/accuracy", "test/loss", "test/accuracy",
                          "learning_rate", "images_per_second"}) {
    ASSERT_EQ(steps.count(tag), 1u) << tag;
    EXPECT_EQ(steps.at(tag), (std::vector<int64_t>{3, 6, 9})) << tag;
  }
}

TEST_F(TrainingReportTest, APointIsThereOnceHoweverOftenATrainingIsResumed) {
  // Interrupted after any step, and in evaluations too, which ask as well.
  for (int first = 0; first < 12; ++first) {
    SCOPED_TRACE(first);
    const TemporaryFolder out("report_resume");
    ASSERT_FALSE(Run(StopAfter(out.path(), first), false));
    while (!Run(StopAfter(out.path(), 5), true)) {
    }
    EXPECT_GE(EventFiles(out / "events").size(), 2u);
    for (const auto& [tag, steps] : StepsByTag(out / "events")) {
      if (tag == "images_per_second") continue;  // not of runs that only evaluated
      EXPECT_EQ(steps, (std::vector<int64_t>{3, 6, 9})) << tag;
    }
  }
}

TEST_F(TrainingReportTest, PointsThatACheckpointDoesNotKnowAreDropped) {
  const TemporaryFolder out("report_killed");
  ASSERT_FALSE(Run(StopAfter(out.path(), 5), false));
  const std::string checkpoint = ReadFile(CheckpointPath(out.path()));
  ASSERT_TRUE(Run(StopAfter(out.path(), 1000), true));
  // As if that run had been killed before it saved any checkpoint.
  WriteFile(CheckpointPath(out.path()), checkpoint);
  ASSERT_TRUE(Run(StopAfter(out.path(), 1000), true));
  EXPECT_EQ(StepsByTag(out / "events").at("test/loss"), (std::vector<int64_t>{3, 6, 9}));
}

TEST_F(TrainingReportTest, TheReportShowsTheTraining) {
  const TemporaryFolder out("report_page");
  ASSERT_FALSE(Run(StopAfter(out.path(), 6), false));
  std::string page = ReadFile(out / "report.html");
  EXPECT_NE(page.find("after epoch 1 of 3"), std::string::npos);
  ASSERT_TRUE(Run(StopAfter(out.path(), 1000), true));
  page = ReadFile(out / "report.html");
  for (const char* part :
       {"msd_csc on digits", "after epoch 3 of 3", "Loss", "Accuracy", "Learning rate",
        "Confusion on the test images", "Measured after epoch 3 on 20 test images", "[I, Fᵀ]",
        "layer 0, MsdCsc: F", "<dt>batch-size</dt><dd>16</dd>", "images per second",
        "train --out &#39;a b&#39;"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
}

// Declines programs with more than one output, as those that look into layers.
class NarrowEngine : public Engine {
 public:
  const std::string& name() const override { return FindEngine().name(); }
  std::unique_ptr<Executable> Prepare(const Program& program,
                                      const PrepareOptions& options) const override {
    if (program.outputs().size() > 1) throw EngineDeclined("too many <outputs>");
    return FindEngine().Prepare(program, options);
  }
};

TEST_F(TrainingReportTest, AnEngineThatCannotLookIntoLayersStillTrains) {
  const TemporaryFolder out("report_narrow");
  const NarrowEngine engine;
  Trainer trainer(options_, data_, engine, nullptr);
  Progress progress;
  ASSERT_TRUE(RunTraining(StopAfter(out.path(), 1000), &trainer, &progress));
  const std::string page = ReadFile(out / "report.html");
  EXPECT_NE(page.find("Not measured: too many &lt;outputs&gt;"), std::string::npos);
  EXPECT_NE(page.find("after epoch 3 of 3"), std::string::npos);
}

TEST_F(TrainingReportTest, ATrainingThatIsOverIsReportedAgainWithoutEvents) {
  const TemporaryFolder out("report_over");
  ASSERT_TRUE(Run(StopAfter(out.path(), 1000), false));
  const std::string page = ReadFile(out / "report.html");
  std::filesystem::remove(out / "report.html");
  ASSERT_TRUE(Run(StopAfter(out.path(), 1000), true));
  const std::string again = ReadFile(out / "report.html");
  // All but the speed: confusion matrix and layers included.
  EXPECT_EQ(again.find("images per second"), std::string::npos);
  EXPECT_EQ(again.substr(again.find("<h2>")), page.substr(page.find("<h2>")));
  EXPECT_EQ(EventFiles(out / "events").size(), 1u);
}

}  // namespace
}  // namespace csc::test
