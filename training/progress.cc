#include "training/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace csc {

namespace {

constexpr int kBarWidth = 24;
constexpr double kBarInterval = 0.1;    // seconds between two redraws
constexpr double kLineInterval = 30.0;  // between two lines within an epoch

// That this cannot be written, on a full disk say, is no reason to end a
// training: fmt::print would throw.
void Print(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

std::string Position(const Trainer& trainer) {
  return fmt::format("epoch {}/{}", trainer.epoch() + 1, trainer.options().epochs);
}

}  // namespace

Progress::Progress(bool silent)
    : silent_(silent),
      terminal_(isatty(STDERR_FILENO) != 0),
      last_shown_(Clock::now()),
      started_(Clock::now()) {}

Progress::~Progress() { Clear(); }

void Progress::StartClock() { started_ = Clock::now(); }

double Progress::ImagesPerSecond() const {
  return seconds_ > 0 ? static_cast<double>(images_) / seconds_ : 0;
}

void Progress::Clear() {
  // Back to the line's start and erase it.
  if (bar_shown_) Print("\r\x1b[K");
  bar_shown_ = false;
}

std::string Progress::TimeLeft(const Trainer& trainer) const {
  const int64_t epochs = trainer.options().epochs - trainer.epoch();
  const int64_t images = epochs * trainer.num_images() - trainer.images_seen();
  const double rate = ImagesPerSecond();
  if (rate == 0) return "?";
  const int64_t seconds = std::llround(static_cast<double>(images) / rate);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

void Progress::Note(const std::string& text) {
  if (silent_) return;
  Clear();
  Print(text + "\n");
}

void Progress::Step(const Trainer& trainer, int64_t images) {
  const Clock::time_point now = Clock::now();
  seconds_ += std::chrono::duration<double>(now - started_).count();
  started_ = now;
  images_ += images;
  if (silent_ || trainer.images_seen() == 0) return;  // nothing to tell yet
  const double quiet = std::chrono::duration<double>(now - last_shown_).count();
  if (quiet < (terminal_ ? kBarInterval : kLineInterval)) return;
  last_shown_ = now;
  const std::string figures =
      fmt::format("step {}/{}: loss {:.4f}, accuracy {:.4f}, {:.0f} images/s, {} left",
                  trainer.step(), trainer.num_steps(), trainer.epoch_loss(),
                  trainer.epoch_accuracy(), ImagesPerSecond(), TimeLeft(trainer));
  if (!terminal_) {
    Print(fmt::format("{}, {}\n", Position(trainer), figures));
    return;
  }
  const int filled = static_cast<int>(kBarWidth * trainer.step() / trainer.num_steps());
  Print(fmt::format("\r\x1b[K{} [{:<{}}] {}", Position(trainer), std::string(filled, '='),
                    kBarWidth, figures));
  bar_shown_ = true;
}

void Progress::Epoch(const Trainer& trainer) {
  const EpochResult& r = trainer.history().back();
  const std::string validation =
      trainer.holds_out() ? fmt::format("validation accuracy {:.4f}, ", r.validation_accuracy) : "";
  Note(
      fmt::format("epoch {}/{}: train loss {:.4f}, train accuracy {:.4f}, {}test accuracy {:.4f}, "
                  "{:.0f} images/s, {} left",
                  r.epoch, trainer.options().epochs, r.train_loss, r.train_accuracy, validation,
                  r.test_accuracy, ImagesPerSecond(), TimeLeft(trainer)));
  last_shown_ = Clock::now();
}

}  // namespace csc
