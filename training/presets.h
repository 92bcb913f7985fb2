// The cells of the paper's Tables II and III as options.

#ifndef CSC_TRAINING_PRESETS_H_
#define CSC_TRAINING_PRESETS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace csc {

// A network with its schedule, on one data set. The two recipes:
//
//   A (Table III): SGD with momentum 0.9, 150 epochs, batches of 128, rate 0.05,
//     a tenth of it after epochs 75 and 115.
//   B (Table II): Nesterov's momentum 0.9, 200 epochs, batches of 128, rate 0.1,
//     a tenth of it after epochs 100 and 150, augmentation.
//
// What the paper leaves open has this project's defaults.
struct Preset {
  std::string name;                // "paper-table2-res_csc-20-cifar10"
  int64_t classes;                 // of its data set
  double accuracy;                 // the paper's, in percent of the test images
  nlohmann::ordered_json options;  // as ApplyJson takes them; without the data
};

const std::vector<Preset>& Presets();

// Throws Error for an unknown name.
const Preset& FindPreset(const std::string& name);

}  // namespace csc

#endif  // CSC_TRAINING_PRESETS_H_
