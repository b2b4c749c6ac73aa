// SPDX-License-Identifier: Apache-2.0
//
// What every launch of a step has to move and to compute, counted from a plan's metadata.
#ifndef YUPANA_TOOLS_SUPPORT_STEPWORK_H
#define YUPANA_TOOLS_SUPPORT_STEPWORK_H

#include "runtime/schema/plan_generated.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace yupana {

/// The tokens that a step adds to one sequence.
struct SequenceSpan {
  uint64_t position; ///< Of the first of them.
  uint64_t tokens;
};

/// A step as far as its work depends on it.
struct StepShape {
  double tokens = 0, rows = 0;
  std::vector<SequenceSpan> spans;

  /// One sequence, `tokens` tokens behind `position` earlier ones, logits of the last.
  static StepShape of(uint64_t tokens, uint64_t position) {
    return {static_cast<double>(tokens), 1, {{position, tokens}}};
  }
  /// `positions` [starts[sequences]] and `starts` [sequences + 1] as a step's inputs have them.
  static StepShape of(uint32_t sequences, uint32_t rows, const uint32_t *positions, const uint32_t *starts);
};

/// Bytes are the least that memory must give and take: each weight, page and activation once. FLOPs are those of
/// matrices and of attention, two per multiply-add; what norms, rotations and softmax add is not counted.
struct Work {
  double bytes = 0, flops = 0;

  Work &operator+=(const Work &other) {
    bytes += other.bytes;
    flops += other.flops;
    return *this;
  }
};

/// The launches of all programs of one target, numbered in order. Linear in the size of the plan.
///
/// What a launch does shows in its arguments. A weight of rank 3 holds a matrix per expert, of which a step of T tokens
/// meets E (1 - (1 - k/E)^T) on average for even routing, with k from the plan's active parameters; of rank 2 one
/// matrix, multiplied with every token, or with the rows that logits are wanted for where the grid says so; tables, and
/// every weight of a launch that reads the ids of tokens, give one row per token. A launch with a cache and no matrix
/// attends over it, another one appends to it.
class StepWork {
public:
  StepWork(const schema::Plan &plan, const schema::Target &target);

  uint32_t launches() const { return static_cast<uint32_t>(list.size()); }
  /// The first launch of a program.
  uint32_t firstOf(uint32_t program) const { return firsts[program]; }
  /// The program that a step of `tokens` tokens runs, by number.
  uint32_t programFor(uint64_t tokens) const;
  /// The one that samples; nothing where the target has none.
  std::optional<uint32_t> samplingProgram() const;

  const std::string &kernel(uint32_t launch) const { return symbols[list[launch].kernel]; }
  std::optional<uint32_t> layer(uint32_t launch) const { return list[launch].layer; }
  /// What it works on, in a few words: "q, k, v", "experts.gate+up, shared.gate+up", "cache full".
  std::string purpose(uint32_t launch) const;
  /// The weights that it multiplies with, in the order it takes them.
  std::vector<uint32_t> matrices(uint32_t launch) const;
  Work of(uint32_t launch, const StepShape &shape) const;
  /// Experts that a token is sent to.
  double expertsPerToken() const { return chosen; }

private:
  enum class Role : uint8_t { Whole, Gathered, Matrix, Experts };
  struct WeightUse {
    uint32_t index;
    Role role;
  };
  struct BufferUse {
    double bytes; ///< At the compiled maxima of its program.
    bool isOfRows;
  };
  struct Launch {
    uint32_t kernel;
    std::optional<uint32_t> layer;
    std::vector<WeightUse> weights;
    std::vector<BufferUse> buffers;
    std::optional<uint32_t> group; ///< Of the cache.
    bool attends = false, overRows = false, writesHistory = false;
    uint32_t inputs = 0; ///< That the host writes for a step.
    double maxTokens = 0;
    double width = 0; ///< Values of all query heads together, where it attends.
  };

  void countExperts(const schema::Target &target);
  void addLaunch(const schema::Target &target, const schema::StepProgram &program, const schema::Launch &launch,
                 std::optional<uint32_t> layer);
  void addWeight(Launch &to, uint32_t index, bool gathers) const;
  double queryWidth(const Launch &of) const;
  double expertsHit(double tokens) const;
  Work ofWeight(const WeightUse &use, const Launch &launch, const StepShape &shape) const;
  Work ofCache(const Launch &launch, const StepShape &shape) const;

  const schema::Plan &plan;
  std::vector<std::string> symbols; ///< By kernel.
  std::vector<double> widths;       ///< By layer: values of all query heads together; 0 where no weight tells.
  std::vector<uint32_t> firsts;     ///< By program.
  std::vector<uint64_t> limits;     ///< By program, its most tokens; 0 of one that samples.
  std::vector<Launch> list;
  double chosen = 0, experts = 0;
};

} // namespace yupana

#endif // YUPANA_TOOLS_SUPPORT_STEPWORK_H
