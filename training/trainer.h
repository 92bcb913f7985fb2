// One training: its state, and the steps that advance it.
//
// The state after any number of steps is a function of the options, the data
// and the engine alone, not of threads, time or interruptions. While it steps, the
// state may be the engine's: Settle fetches it.

#ifndef CSC_TRAINING_TRAINER_H_
#define CSC_TRAINING_TRAINER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "training/checkpoint/checkpoint.h"
#include "training/data/dataset.h"
#include "training/data/loader.h"
#include "training/evaluation.h"
#include "training/models/model.h"
#include "training/models/training_program.h"
#include "training/options.h"
#include "training/parallel/communicator.h"
#include "training/session.h"

namespace csc {

// One line of metrics.csv.
struct EpochResult {
  int64_t epoch = 0;         // from 1
  double learning_rate = 0;  // of its last step
  double train_loss = 0;     // means over the epoch, while it was trained
  double train_accuracy = 0;
  double test_loss = 0;  // of the frozen network after the epoch
  double test_accuracy = 0;
  double validation_loss = 0;  // likewise; 0 where nothing is held out
  double validation_accuracy = 0;
};

class Trainer {
 public:
  // `options` resolved; `data` prepared (PrepareData). All but the options must
  // outlive the trainer. With a communicator its processes train one network
  // together: each takes its share of every batch and normalises it by the
  // moments of its share, and gradients are summed.
  // Throws Error.
  Trainer(const TrainingOptions& options, const DataSet& data, const Engine& engine,
          Executor* executor, Communicator* communicator = nullptr);

  // Continues from a checkpoint that Save made for equal options. Throws Error
  // for one of another model or other data.
  void Restore(const Checkpoint& checkpoint);
  // Settles first.
  Checkpoint Save();

  bool Finished() const { return epoch_ >= options_.epochs; }
  // All steps of this epoch are done; EndEpoch is due.
  bool EpochTrained() const { return step_ >= num_steps(); }

  // Trains on one batch, which may go on after it returns: its loss counts by the
  // end of the next step. Returns how many images it holds. Throws Error when the loss
  // or parameters stop being finite, then or in the step after: the state is then not
  // worth saving.
  int64_t Step();
  // Waits until all steps are done. Throws as Step.
  void Settle();
  double last_loss() const { return last_loss_; }  // of the last step that is done

  // Settles, measures the moments of batch normalisation, evaluates on the test set and on
  // what is held out, selects the parameters
  // of the best epoch so far on the latter, and starts the next epoch. Returns
  // false, and changes nothing, when `stop` returned true meanwhile.
  bool EndEpoch(const std::function<bool()>& stop = nullptr);

  // The network as it was when last settled, with the moments of the last epoch's end.
  Network Frozen() const;

  // The result to deliver: with held-out images the first epoch of the best
  // accuracy on them, never chosen by the test set; else the last.
  const EpochResult& selected() const { return history_.at(selected_); }
  Network Selected() const;

  // Seconds spent in forward, backward, update and evaluation so far.
  double compute_seconds() const { return compute_seconds_; }

  bool holds_out() const { return data_.validation.size() > 0; }
  Communicator* communicator() const { return communicator_; }
  const TrainingOptions& options() const { return options_; }
  const Model& model() const { return model_; }
  const std::vector<float>& parameters() const { return parameters_; }  // when last settled
  const std::vector<EpochResult>& history() const { return history_; }
  // On the test set, by the last EndEpoch; empty before it.
  const Evaluation& last_evaluation() const { return last_evaluation_; }
  const DataSet& data() const { return data_; }
  const Engine& engine() const { return engine_; }
  Executor* executor() const { return executor_; }
  int64_t epoch() const { return epoch_; }  // from 0
  int64_t step() const { return step_; }    // of the epoch, from 0
  int64_t num_steps() const { return loader_.NumBatches(); }
  int64_t num_images() const { return data_.train.size(); }
  int64_t images_seen() const { return seen_; }  // in this epoch, by steps that are done
  double epoch_loss() const;                     // mean so far
  double epoch_accuracy() const;

 private:
  std::string ModelDescription() const;
  void FinishStep();
  std::vector<float> MeasureMoments();
  Evaluation EvaluateOn(const Network& network, const Images& images,
                        const std::function<bool()>& stop);

  const TrainingOptions options_;
  const DataSet& data_;
  const std::string fingerprint_;  // of the data: slow, so taken once
  const Engine& engine_;
  Executor* const executor_;
  Communicator* const communicator_;
  const Model model_;
  const TrainingProgram training_;
  const ScheduleOptions schedule_;
  std::unique_ptr<Executable> executable_;
  std::unique_ptr<TrainingSession> session_;  // of it
  std::unique_ptr<Executable> measurer_;      // where something is normalised
  std::unique_ptr<Evaluator> evaluator_;
  Loader loader_;

  // What a checkpoint holds.
  std::vector<float> parameters_;
  std::vector<float> velocity_;
  std::vector<float> moments_;  // of batch normalisation, as of the last epoch's end
  int64_t epoch_ = 0;
  int64_t step_ = 0;
  double loss_sum_ = 0;
  int64_t correct_ = 0;
  int64_t seen_ = 0;
  std::vector<EpochResult> history_;
  size_t selected_ = 0;                     // in history_
  std::vector<float> selected_parameters_;  // kept where something is held out
  std::vector<float> selected_moments_;

  // Steps that the session has not finished, the oldest first.
  struct StepOnItsWay {
    int64_t step;
    int64_t images;
  };
  std::deque<StepOnItsWay> on_their_way_;
  bool fetched_ = true;  // parameters and velocity are those of the session

  Evaluation last_evaluation_;
  double last_loss_ = 0;
  double compute_seconds_ = 0;
};

// Engine, arithmetic, memory and algorithms: what a training's bits depend on beside its
// options and data.
std::string ComputedBy(const Engine& engine);

// The options a checkpoint was made with, and what it ran on.
struct CheckpointOrigin {
  TrainingOptions options;
  int64_t epochs = 0;  // done
  std::string engine;
  std::string arithmetic;
  std::string memory;
  std::string computed_by;
};
CheckpointOrigin OriginOf(const Checkpoint& checkpoint);

// Keeps what `options` say of the data set as it was read: limits it and holds
// out the images for validation.
void PrepareData(const TrainingOptions& options, DataSet* data);

// metrics.csv: a header and one line for each epoch, with two more columns where
// images are held out.
std::string MetricsCsv(const std::vector<EpochResult>& history, bool holds_out);

}  // namespace csc

#endif  // CSC_TRAINING_TRAINER_H_
