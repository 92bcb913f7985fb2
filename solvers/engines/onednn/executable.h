// A program prepared for the oneDNN engine.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_EXECUTABLE_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_EXECUTABLE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/engines/onednn/banded_set.h"
#include "solvers/engines/onednn/batch_gradients.h"
#include "solvers/engines/onednn/buffer.h"
#include "solvers/engines/onednn/gradient_sums.h"
#include "solvers/engines/onednn/kernels.h"
#include "solvers/engines/onednn/plan.h"
#include "solvers/engines/onednn/stopwatch.h"
#include "solvers/engines/onednn/tile_set.h"

namespace csc::onednn {

// Parts into which workers that compute one image together split a convolution of
// oneDNN's. Not the number of workers, which must not matter to the result.
constexpr int kTogetherParts = 4;

class OneDnnExecutable : public Executable {
 public:
  OneDnnExecutable(const Program& program, const PrepareOptions& options, int block);

  void SetParameters(const float* parameters) override;
  void Reserve(int64_t batch, int workers) override;
  void Run(const RunArguments& arguments) override;
  int64_t WorkspaceBytes() const override;
  const Times* times() const override { return keep_times_ ? &times_ : nullptr; }
  std::string Describe() const override;

 private:
  // What one worker needs for itself.
  struct Worker {
    Buffer arena;
    Buffer scratchpad;
    Buffer gradient_sums;  // of the filters of a stage, over a tile
    std::vector<double> sums;
    Stopwatch stopwatch;
  };

  // Some images of a tile on their way through a group, or one worker's share of
  // them where several workers compute them together.
  struct Tile {
    int64_t index;
    int64_t tile_images;   // of the whole tile
    int64_t group_images;  // that the group takes at a time
    int64_t first_image;   // in the batch
    int64_t inner_image;   // in the tile
    int64_t images;
    const TileSet* set;
    float* arena;
    Worker* worker;
    const RunArguments* arguments;
  };

  // By instruction: what depends on the parameters.
  struct Packed {
    std::vector<float> a, b;  // by lane
    std::vector<float> coefficients;
    // a and b with the normalisation of the sum before them, once its statistic is there.
    std::vector<float> normalised_a, normalised_b;
  };

  // By statistic: lane vectors for the instructions that read it.
  struct Statistic {
    std::vector<double> partial;       // [tiles][2][lanes]
    std::vector<float> first, second;  // means; inverse deviations, or means
    std::vector<float> shift;          // mean * inverse deviation
    std::vector<int64_t> lane_of_channel;
    int64_t lanes = 0;
    int64_t pixels = 0;
    double epsilon = 0;
    bool moments = false;
  };

  // How far workers have come with a unit, a load or a store that they share; a line of the caches.
  struct alignas(64) Progress {
    std::atomic<uint64_t> claimed{0};  // a bit for each part
    std::atomic<int> done{0};
  };

  bool HasGradients() const { return !gradients_.empty() || !batch_gradients_.empty(); }
  int64_t TileImages(int64_t batch) const;
  // Whether the workers share each image of such a batch, unit by unit.
  bool Cooperates(int64_t batch) const;
  // Calls body(group, images) for each group and each number of images that it is
  // run on in tiles of `images`.
  template <typename Body>
  void ForEachGroup(int64_t images, const Body& body) const;
  void MakeTileSets(int64_t images, int max_parts);
  const TileSet* FindTileSet(int64_t images, int max_parts) const;
  void RunTiles(const RunArguments& arguments, Executor* executor);
  void RunBatchGradients(size_t stage, const RunArguments& arguments, Executor* executor);
  void RunTogether(const RunArguments& arguments, Executor* executor);
  // One worker's way through a group of a shared image.
  void Participate(const Group& group, Progress* progress, const Tile& tile, int worker,
                   int workers);
  // Into which so many workers split a unit.
  int PartsOf(const Unit& unit, const TileSet& set, int workers) const;
  Plane PlaneOf(ValueId value, const Tile& tile) const;
  Operand OperandOf(ValueId value, const Tile& tile) const;
  // To and fro: a stage begins with what the one before it left in the caches.
  static bool IsReversed(size_t stage) { return stage % 2 == 1; }
  void RunStage(size_t stage, Tile tile);
  // Part `part` of `parts`: of a unit some of its lanes or rows.
  void Load(const Group& group, const Tile& tile, int part, int parts);
  void Store(const Group& group, const Tile& tile, int part, int parts);
  void RunUnit(const Unit& unit, const Tile& tile, int part, int parts);
  void DispatchUnit(const Unit& unit, const Tile& tile, int part, int parts);
  // An analysis or synthesis and what finishes it.
  void RunLinearUnit(const Unit& unit, const Tile& tile, int part, int parts);
  void RunElementwiseUnit(const Unit& unit, const Tile& tile, int part, int parts);
  // The operations of a unit's elementwise instructions, and afterwards what sums
  // they leave.
  std::vector<ElementOp> MakeElementOps(const Unit& unit, const Tile& tile);
  void FinishElementOps(const Unit& unit, const std::vector<ElementOp>& ops, const Tile& tile);
  ElementOp MakeElementOp(int instruction, const Tile& tile) const;
  void AddGradients(const Instruction& i, const double* sums, int64_t lanes, const Tile& tile);
  void RunConvolution(int instruction, const Tile& tile, int part);
  void RunFilterGradient(int instruction, const Tile& tile);
  void RunJoin(int instruction, const Tile& tile) const;
  void RunView(const Instruction& i, const Tile& tile) const;
  void RunSoftmaxLoss(const Instruction& i, const Tile& tile);
  void FinishStatistics(int stage, int64_t tiles, const RunArguments& a);
  void FoldStatistic(int statistic);

  const Program program_;
  const Plan plan_;
  const Arithmetic arithmetic_;
  const bool keep_times_;
  Times times_;
  BandedSet banded_;
  GradientSums gradients_;
  BatchGradients batch_gradients_;
  bool has_loss_ = false;
  int64_t num_units_ = 0;  // and two for each group
  std::vector<float> parameters_;
  bool packed_any_ = false;
  std::vector<Packed> packed_;  // by instruction
  std::vector<std::unique_ptr<TileSet>> tile_sets_;
  std::vector<Worker> workers_;
  int64_t reserved_batch_ = 0;  // for which all workers have what they need
  Buffer batch_buffer_;
  std::vector<Statistic> statistics_;
  std::vector<int> statistic_stage_;  // by statistic: where it is written
  std::vector<Progress> progress_;    // by unit, with two for each group's loads and stores
  std::atomic<bool> failed_{false};   // a participant has thrown
  std::vector<double> tile_loss_;
  std::vector<int64_t> tile_correct_;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_EXECUTABLE_H_
