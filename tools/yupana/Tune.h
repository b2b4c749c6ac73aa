// SPDX-License-Identifier: Apache-2.0
//
// Tuning where there is no compiler: one machine makes a folder of plans, another one times their kernels with the
// runtime's programs alone, and the first one reads what came back.
//
//   FOLDER/tune.json           what is in the folder: TuneFolder
//   FOLDER/candidate-NN.yplan  plans without weights; every kernel of NN has its NN-th config, or its last
//   FOLDER/time.sh             runs yupana-bench on each of them
//   FOLDER/results/            what it wrote: resultName(), and device.txt
#ifndef YUPANA_TOOLS_YUPANA_TUNE_H
#define YUPANA_TOOLS_YUPANA_TUNE_H

#include "compiler/Driver/Driver.h"

namespace yupana {

/// What one run of yupana-bench does: reads `batch` prompts, then decodes.
struct TuneShape {
  uint64_t promptTokens = 0, batch = 0, newTokens = 0;
};

struct TuneCandidate {
  std::string plan;     ///< The name of its file.
  std::string identity; ///< planIdentity() of it.
  std::vector<CandidateKernel> kernels;
};

struct TuneFolder {
  std::string compiler, target;
  bool isGpu = false;
  uint64_t rounds = 0;
  std::vector<TuneShape> shapes;
  std::vector<TuneCandidate> candidates; ///< The first has the configs that the target chooses by itself.

  /// Reads FOLDER/tune.json. ExitCode::MissingFile, ExitCode::InvalidInput.
  static Result<TuneFolder> read(const std::string &folder);
  /// tune.json.
  std::string text() const;
  /// time.sh.
  std::string script() const;
};

/// "results/candidate-03.shape-0.round-1.json".
std::string resultName(size_t candidate, size_t shape, uint64_t round);

struct PrepareOptions {
  CompileOptions compile;  ///< With one target; `output` and weights are not looked at.
  std::string folder;      ///< Must not exist, or be empty: ExitCode::Usage.
  uint64_t candidates = 0; ///< At most so many; 0: all that the target lists.
  uint64_t rounds = 3;
};

struct PrepareSummary {
  size_t candidates = 0, kernels = 0, shapes = 0;
};

/// Makes the folder. A candidate whose code cannot be generated, such as one that spills registers, is left out with a
/// note; else the codes of compile().
Result<PrepareSummary> prepareTuning(const PrepareOptions &options);

struct MergeSummary {
  size_t kernels = 0, faster = 0; ///< Of those that were timed, how many have other configs than the usual ones.
};

/// Reads the results of the folders and writes the file `output` of timings, whose entries for other kernels stay.
/// ExitCode::MissingFile where a folder has no results; ExitCode::InvalidInput for results that were taken of other
/// plans than tune.json describes, or at another shape.
Result<MergeSummary> mergeTimings(const std::vector<std::string> &folders, const std::string &output,
                                  const Observer &observer);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_TUNE_H
