#include "training/trainer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/training/small_training.h"
#include "tests/training/temporary_folder.h"
#include "training/file.h"
#include "training/run_training.h"

namespace csc::test {
namespace {

// Every test on every engine present.
class TrainerTest : public ::testing::TestWithParam<std::string> {
 protected:
  const Engine& engine() const { return FindEngine(GetParam()); }

  // Trains to the end; the state then.
  Checkpoint Finish(Trainer* trainer) const {
    while (!trainer->Finished()) {
      while (!trainer->EpochTrained()) trainer->Step();
      EXPECT_TRUE(trainer->EndEpoch());
    }
    return trainer->Save();
  }

  Checkpoint TrainToTheEnd(const TrainingOptions& options, Executor* executor = nullptr) const {
    const DataSet data = DataOf(options);
    Trainer trainer(options, data, engine(), executor);
    return Finish(&trainer);
  }
};

void ExpectSameState(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.description, b.description);
  EXPECT_EQ(a.arrays, b.arrays);
}

TEST_P(TrainerTest, OneSeedGivesTheSameBitsWhateverTheThreads) {
  const TrainingOptions options = TinyOptions();
  const Checkpoint first = TrainToTheEnd(options);
  ExpectSameState(first, TrainToTheEnd(options));
  for (int threads : {2, 3}) {
    ExpectSameState(first, TrainToTheEnd(options, MakeThreadPool(threads).get()));
  }
  TrainingOptions other = options;
  other.seed += 1;
  EXPECT_NE(first.arrays.at("parameters"), TrainToTheEnd(other).arrays.at("parameters"));
}

TEST_P(TrainerTest, ResumingAfterAnyStepGivesTheSameBits) {
  const TemporaryFolder folder("trainer_resume_" + GetParam());
  const TrainingOptions options = TinyOptions();
  const DataSet data = DataOf(options);
  const Checkpoint expected = TrainToTheEnd(options);
  Trainer trainer(options, data, engine(), nullptr);
  for (int done = 0; !trainer.Finished(); ++done) {
    SCOPED_TRACE("after " + std::to_string(done) + " steps");
    WriteCheckpoint(folder / "c", trainer.Save());
    Trainer resumed(options, data, engine(), nullptr);
    resumed.Restore(ReadCheckpoint(folder / "c"));
    ExpectSameState(Finish(&resumed), expected);
    if (trainer.EpochTrained()) {
      ASSERT_TRUE(trainer.EndEpoch());
    } else {
      trainer.Step();
    }
  }
}

TEST_P(TrainerTest, SelectsTheEpochThatIsBestOnTheImagesHeldOut) {
  TrainingOptions options = TinyOptions();
  options.epochs = 6;
  options.validation = 16;
  options = ResolveOptions(options);
  const DataSet data = DataOf(options);
  ASSERT_EQ(data.validation.size(), 16);
  ASSERT_EQ(data.train.size(), 24);
  Trainer trainer(options, data, engine(), nullptr);
  size_t best = 0;
  Network expected;
  while (!trainer.Finished()) {
    while (!trainer.EpochTrained()) trainer.Step();
    ASSERT_TRUE(trainer.EndEpoch());
    const std::vector<EpochResult>& history = trainer.history();
    if (history.size() == 1 ||
        history.back().validation_accuracy > history[best].validation_accuracy) {
      best = history.size() - 1;
      expected = trainer.Frozen();
    }
    EXPECT_EQ(trainer.selected().epoch, history[best].epoch);
    EXPECT_EQ(FlattenParameters(trainer.Selected()), FlattenParameters(expected));
    // It survives a checkpoint.
    Trainer again(options, data, engine(), nullptr);
    again.Restore(trainer.Save());
    EXPECT_EQ(again.selected().epoch, history[best].epoch);
    EXPECT_EQ(FlattenParameters(again.Selected()), FlattenParameters(expected));
  }
  Evaluator evaluator(engine(), nullptr, expected, data.test.shape, 16);
  EXPECT_EQ(evaluator.Evaluate(expected, data, data.validation).accuracy,
            trainer.selected().validation_accuracy);
}

TEST_P(TrainerTest, EvaluationThatIsStoppedLeavesTheStateAlone) {
  const TrainingOptions options = TinyOptions();
  const DataSet data = DataOf(options);
  Trainer trainer(options, data, engine(), nullptr);
  while (!trainer.EpochTrained()) trainer.Step();
  const Checkpoint before = trainer.Save();
  EXPECT_FALSE(trainer.EndEpoch([] { return true; }));
  ExpectSameState(trainer.Save(), before);
}

// A frozen network leaves out what a step of 0 multiplies, as long as it is 0.
TEST_P(TrainerTest, AStepThatStartsAtZeroIsEvaluatedAsItHasBecome) {
  TrainingOptions options = TinyOptions();
  options.model = {};
  options.model.model = "res_csc";
  options.model.depth = 8;
  options.model.width = 3;
  options.model.step = 0;
  options = ResolveOptions(options);
  const DataSet data = DataOf(options);
  Trainer trainer(options, data, engine(), nullptr);
  while (!trainer.EpochTrained()) trainer.Step();
  ASSERT_TRUE(trainer.EndEpoch());
  const Network network = trainer.Frozen();
  EXPECT_EQ(ZeroSteps(network), std::vector<bool>(network.layers.size(), false));
  Evaluator afresh(engine(), nullptr, network, data.test.shape, data.test.size());
  const Evaluation expected = afresh.Evaluate(network, data, data.test);
  EXPECT_EQ(trainer.history()[0].test_loss, expected.loss);
  EXPECT_EQ(trainer.history()[0].test_accuracy, expected.accuracy);
}

// Runs a training in a process of its own that kills itself when asked for the
// `calls`-th time whether to stop; with `while_writing` it dies in the middle
// of writing its next checkpoint instead.
void TrainAndDie(const TrainingOptions& options, const Engine& engine, const std::string& out,
                 int calls, bool while_writing) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const DataSet data = DataOf(options);
    Trainer trainer(options, data, engine, nullptr);
    Progress progress;
    RunTraining({out, 2,
                 [&] {
                   if (--calls > 0) return false;
                   if (!while_writing) raise(SIGKILL);
                   // A file that grows past the limit ends the process.
                   const rlimit no_core = {0, 0};
                   setrlimit(RLIMIT_CORE, &no_core);
                   const rlimit limit = {1000, 1000};
                   setrlimit(RLIMIT_FSIZE, &limit);
                   return false;
                 }},
                &trainer, &progress);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "status " << status;
  EXPECT_EQ(WTERMSIG(status), while_writing ? SIGXFSZ : SIGKILL);
}

TEST_P(TrainerTest, ResumingAfterAKillGivesTheSameBits) {
  TrainingOptions options = TinyOptions();
  options.model.depth = 1;  // many runs
  const DataSet data = DataOf(options);
  const auto run = [&](const std::string& out, bool resume) {
    Trainer trainer(options, data, engine(), nullptr);
    if (resume) trainer.Restore(ReadCheckpoint(CheckpointPath(out)));
    Progress progress;
    EXPECT_TRUE(RunTraining({out, 2, nullptr}, &trainer, &progress));
  };
  const TemporaryFolder whole("trainer_whole_" + GetParam());
  run(whole.path(), false);
  const std::string checkpoint = ReadFile(CheckpointPath(whole.path()));
  const std::string metrics = ReadFile(whole / "metrics.csv");
  for (bool while_writing : {false, true}) {
    for (int calls = 1; calls <= 12; ++calls) {
      SCOPED_TRACE("killed at call " + std::to_string(calls) + (while_writing ? ", writing" : ""));
      const TemporaryFolder out("trainer_killed_" + GetParam());
      TrainAndDie(options, engine(), out.path(), calls, while_writing);
      run(out.path(), true);
      EXPECT_EQ(ReadFile(CheckpointPath(out.path())), checkpoint);
      EXPECT_EQ(ReadFile(out / "metrics.csv"), metrics);
    }
  }
}

TEST_P(TrainerTest, StopsAtALossThatIsNotFiniteAndKeepsTheLastCheckpoint) {
  const TemporaryFolder out("trainer_nan_" + GetParam());
  TrainingOptions options = TinyOptions();
  options.model.normalisation = "none";
  options.learning_rate = 1e25;
  options = ResolveOptions(options);
  const DataSet data = DataOf(options);
  Trainer trainer(options, data, engine(), nullptr);
  Progress progress;
  CSC_EXPECT_ERROR(RunTraining({out.path(), 1, nullptr}, &trainer, &progress), "epoch 1",
                   "--learning-rate");
  Trainer again(options, data, engine(), nullptr);
  again.Restore(ReadCheckpoint(CheckpointPath(out.path())));
  for (float p : again.parameters()) ASSERT_TRUE(std::isfinite(p));
}

TEST_P(TrainerTest, RefusesACheckpointOfAnotherModelOrOtherData) {
  const TrainingOptions options = TinyOptions();
  const DataSet data = DataOf(options);
  const Checkpoint checkpoint = Trainer(options, data, engine(), nullptr).Save();

  TrainingOptions other = options;
  other.model.depth = 2;
  Trainer smaller(other, data, engine(), nullptr);
  CSC_EXPECT_ERROR(smaller.Restore(checkpoint), "another model");
  // As many parameters, but not the same network.
  other = options;
  other.model.algorithm = "ista";
  Trainer ista(other, data, engine(), nullptr);
  CSC_EXPECT_ERROR(ista.Restore(checkpoint), "another model");

  DataSet more = data;
  more.test.labels[0] ^= 1;
  Trainer elsewhere(options, more, engine(), nullptr);
  CSC_EXPECT_ERROR(elsewhere.Restore(checkpoint), "other images");

  Trainer same(options, data, engine(), nullptr);
  Checkpoint damaged = checkpoint;
  damaged.arrays.erase("velocity");
  CSC_EXPECT_ERROR(same.Restore(damaged), "no velocity");
  damaged = checkpoint;
  damaged.arrays["moments"].pop_back();
  CSC_EXPECT_ERROR(same.Restore(damaged), "moments");
  damaged = checkpoint;
  damaged.description = "[]";
  CSC_EXPECT_ERROR(same.Restore(damaged), "JSON");
}

TEST_P(TrainerTest, TellsItsOriginInACheckpoint) {
  const TrainingOptions options = TinyOptions();
  const DataSet data = DataOf(options);
  const CheckpointOrigin origin = OriginOf(Trainer(options, data, engine(), nullptr).Save());
  EXPECT_EQ(origin.engine, GetParam());
  EXPECT_EQ(ToJson(origin.options), ToJson(options));
  EXPECT_EQ(origin.computed_by, ComputedBy(engine()));
  EXPECT_EQ(origin.computed_by.rfind(GetParam() + ", float32", 0), 0) << origin.computed_by;
}

TEST(MetricsTest, AreOneLineAnEpoch) {
  const std::vector<EpochResult> history = {{1, 0.05, 2.5, 0.25, 2, 0.5, 1, 0.75}};
  const std::string header =
      "epoch,learning_rate,train_loss,train_accuracy,test_loss,test_accuracy";
  const std::string line = "1,0.05,2.500000,0.250000,2.000000,0.500000";
  EXPECT_EQ(MetricsCsv(history, false), header + "\n" + line + "\n");
  EXPECT_EQ(MetricsCsv(history, true),
            header + ",validation_loss,validation_accuracy\n" + line + ",1.000000,0.750000\n");
}

std::vector<std::string> Engines() {
  std::vector<std::string> names;
  for (const EngineInfo& info : KnownEngines()) {
    if (info.present) names.push_back(info.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(, TrainerTest, ::testing::ValuesIn(Engines()),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace csc::test
