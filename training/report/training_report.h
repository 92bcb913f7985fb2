// Keeps OUT/report.html and OUT/events/ up to date while a trainer trains.

#ifndef CSC_TRAINING_REPORT_TRAINING_REPORT_H_
#define CSC_TRAINING_REPORT_TRAINING_REPORT_H_

#include <memory>
#include <string>
#include <vector>

#include "training/report/event_file.h"
#include "training/report/white_box.h"
#include "training/trainer.h"

namespace csc {

class TrainingReport {
 public:
  // Starts an event file at the trainer's next step, counted over all epochs
  // from 1. `command` is shown in the report. `trainer` must outlive this.
  TrainingReport(const std::string& out, const std::string& command, const Trainer& trainer);

  // Adds the last epoch to the event file. To be called before the checkpoint
  // after that epoch is saved: then a training that is killed between the two
  // writes these points again, and never misses one. `images_per_second` of 0,
  // where this run has made no step yet, is left out.
  void LogEpoch(double images_per_second);

  // Writes report.html from the trainer's history. The layers are looked into
  // after the first epoch, after the last, and after those between unless that
  // takes a second or more: the page says which epoch it shows.
  void Write(double images_per_second);

 private:
  void MeasureLayers(const Network& network);

  const std::string out_;
  const std::string command_;
  const Trainer& trainer_;
  std::unique_ptr<EventFile> events_;
  double white_box_seconds_ = 0;
  std::vector<DictionaryFigures> white_box_;
  std::string white_box_note_;
};

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_TRAINING_REPORT_H_
