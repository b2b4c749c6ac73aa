// SPDX-License-Identifier: Apache-2.0
//
// A kernel is compared with itself alone: the time of a config at a shape is held against that of the usual config at
// the same shape, and shapes count alike, as ratios. Of the rounds the median counts, since a round that the machine
// spent on something else is slow and no round is too fast. Configs that several candidates share are one, and share
// their samples.

#include "compiler/Support/File.h"
#include "compiler/Support/Json.h"
#include "compiler/Support/TemporaryFile.h"
#include "compiler/Support/TimingFile.h"
#include "tools/yupana/Tune.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <tuple>
#include <unistd.h>

using namespace yupana;
using nlohmann::json;

namespace {

/// The usual configs stay unless others are faster by more than what medians of a few rounds differ by themselves.
constexpr double worthRatio = 0.99;
constexpr uint64_t largestResult = uint64_t{64} << 20;

/// Where a time was taken.
struct Shape {
  std::string phase;
  uint64_t promptTokens = 0, batch = 0;
  bool operator<(const Shape &other) const {
    return std::tie(phase, promptTokens, batch) < std::tie(other.phase, other.promptTokens, other.batch);
  }
};

using Configs = std::vector<std::string>;
using Samples = std::map<Shape, std::vector<double>>; ///< Microseconds of a launch.

struct TimedKernel {
  uint64_t tokens = 0;
  std::string on, device, date;
  Configs usual;
  std::map<Configs, Samples> configs;
};

/// By target and signature.
using TimedKernels = std::map<std::pair<std::string, std::string>, TimedKernel>;

double medianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// What one symbol took in a phase of one run.
struct Taken {
  double seconds = 0, launches = 0;
  std::string on;
};

/// Reads the results of one folder.
class FolderReader {
public:
  FolderReader(std::string folder, TuneFolder described, TimedKernels &kernels)
      : folder(std::move(folder)), described(std::move(described)), kernels(kernels) {}

  /// How many results there are, of how many that the folder's script takes.
  Result<std::pair<size_t, size_t>> read();

private:
  Result<void> readResult(const std::string &path, size_t candidate, const TuneShape &shape);
  Result<void> check(const json &root, const std::string &path, size_t candidate, const TuneShape &shape) const;
  Result<void> readPhase(const json &object, const std::string &where, size_t candidate, const Shape &shape);

  std::string folder;
  TuneFolder described;
  TimedKernels &kernels;
  std::string device, date;
};

Result<std::pair<size_t, size_t>> FolderReader::read() {
  std::string gpu;
  if (described.isGpu) {
    YUPANA_ASSIGN_OR_RETURN(gpu, readWholeFile(folder + "/results/device.txt", 1 << 16));
    gpu = gpu.substr(0, gpu.find('\n'));
  }
  size_t found = 0, all = 0;
  for (uint64_t round = 0; round < described.rounds; ++round)
    for (size_t shape = 0; shape < described.shapes.size(); ++shape)
      for (size_t candidate = 0; candidate < described.candidates.size(); ++candidate) {
        std::string path = folder + "/" + resultName(candidate, shape, round);
        ++all;
        if (!pathExists(path))
          continue;
        ++found;
        device = gpu;
        YUPANA_RETURN_IF_ERROR(readResult(path, candidate, described.shapes[shape]));
      }
  if (!found)
    return makeError(ExitCode::MissingFile, "{}: has no results, which its time.sh takes", folder);
  return std::pair(found, all);
}

Result<void> FolderReader::check(const json &root, const std::string &path, size_t candidate,
                                 const TuneShape &shape) const {
  const TuneCandidate &expected = described.candidates[candidate];
  YUPANA_ASSIGN_OR_RETURN(std::string identity, stringMember(root, "plan_id", path));
  if (identity != expected.identity)
    return makeError(ExitCode::InvalidInput,
                     "{}: was taken of a plan with the id {}, {} has {}: remove {}/results and run time.sh again", path,
                     inQuotes(identity), expected.plan, expected.identity, folder);
  YUPANA_ASSIGN_OR_RETURN(std::string target, stringMember(root, "target", path));
  if (target != described.target)
    return makeError(ExitCode::InvalidInput, "{}: was taken of code for {}, expected {}", path, inQuotes(target),
                     described.target);
  for (auto [name, value] : {std::pair("prompt_tokens", shape.promptTokens), std::pair("batch", shape.batch),
                             std::pair("max_new_tokens", shape.newTokens)}) {
    YUPANA_ASSIGN_OR_RETURN(uint64_t found, wholeMember(root, name, path));
    if (found != value)
      return makeError(ExitCode::InvalidInput, "{}.{}: found {}, expected {} as tune.json has it", path, name, found,
                       value);
  }
  return {};
}

Result<void> FolderReader::readResult(const std::string &path, size_t candidate, const TuneShape &shape) {
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, largestResult));
  YUPANA_ASSIGN_OR_RETURN(json root, parseJson(text, path));
  YUPANA_RETURN_IF_ERROR(check(root, path, candidate, shape));
  YUPANA_ASSIGN_OR_RETURN(date, stringMember(root, "date", path));
  if (!described.isGpu) {
    YUPANA_ASSIGN_OR_RETURN(const json *machine, childMember(root, "machine", "an object", path));
    YUPANA_ASSIGN_OR_RETURN(device, stringMember(*machine, "cpu", path + ".machine"));
  }
  YUPANA_ASSIGN_OR_RETURN(const json *phases, childMember(root, "kernels", "an object", path));
  for (const auto &[phase, object] : phases->items()) {
    if (phase != "prefill" && phase != "decode")
      return makeError(ExitCode::InvalidInput, "{}.kernels: found {}, expected prefill and decode", path,
                       inQuotes(phase));
    YUPANA_RETURN_IF_ERROR(
        readPhase(object, path + ".kernels." + phase, candidate, {phase, shape.promptTokens, shape.batch}));
  }
  return {};
}

/// A symbol may stand for several layers' work, which is one kernel.
Result<void> FolderReader::readPhase(const json &object, const std::string &where, size_t candidate,
                                     const Shape &shape) {
  YUPANA_ASSIGN_OR_RETURN(const json *list, childMember(object, "kernels", "a list", where));
  std::map<std::string, Taken> taken;
  for (const json &timed : *list) {
    YUPANA_ASSIGN_OR_RETURN(std::string symbol, stringMember(timed, "kernel", where));
    YUPANA_ASSIGN_OR_RETURN(std::string on, stringMember(timed, "on", where));
    YUPANA_ASSIGN_OR_RETURN(double launches, timeMember(timed, "launches", where));
    YUPANA_ASSIGN_OR_RETURN(double seconds, timeMember(timed, "seconds", where));
    Taken &sum = taken[symbol];
    sum.seconds += seconds;
    sum.launches += launches;
    if (sum.on.empty())
      sum.on = on;
  }
  const TuneCandidate &expected = described.candidates[candidate];
  for (const auto &one : taken) {
    const std::string &symbol = one.first;
    const Taken &sum = one.second;
    auto kernel = std::find_if(expected.kernels.begin(), expected.kernels.end(),
                               [&symbol](const CandidateKernel &known) { return known.symbol == symbol; });
    if (kernel == expected.kernels.end())
      return makeError(ExitCode::InvalidInput, "{}: times a kernel {}, which tune.json does not have", where,
                       inQuotes(symbol));
    TimedKernel &timed = kernels[{described.target, kernel->signature}];
    timed.tokens = kernel->tokens;
    timed.on = sum.on;
    timed.device = device;
    timed.date = std::max(timed.date, date);
    for (const CandidateKernel &usual : described.candidates.front().kernels)
      if (usual.signature == kernel->signature)
        timed.usual = usual.configs;
    timed.configs[kernel->configs][shape].push_back(sum.seconds / sum.launches * 1e6);
  }
  return {};
}

/// How much of the usual time the samples take, as the mean of ratios over the shapes; nothing where a shape is missing
/// that the usual configs were timed at.
std::optional<double> ratioOf(const Samples &samples, const Samples &usual) {
  double logarithms = 0;
  for (const auto &[shape, times] : usual) {
    auto found = samples.find(shape);
    if (found == samples.end())
      return std::nullopt;
    logarithms += std::log(medianOf(found->second) / medianOf(times));
  }
  return std::exp(logarithms / static_cast<double>(usual.size()));
}

/// Nothing where the usual configs were not timed.
std::optional<TimingEntry> entryOf(const std::string &target, const std::string &signature, const TimedKernel &kernel) {
  auto usual = kernel.configs.find(kernel.usual);
  if (usual == kernel.configs.end())
    return std::nullopt;
  auto best = usual;
  double bestRatio = worthRatio;
  for (auto candidate = kernel.configs.begin(); candidate != kernel.configs.end(); ++candidate) {
    std::optional<double> ratio = ratioOf(candidate->second, usual->second);
    if (candidate != usual && ratio && *ratio < bestRatio) {
      best = candidate;
      bestRatio = *ratio;
    }
  }
  TimingEntry entry;
  entry.target = target;
  entry.signature = signature;
  entry.tokens = kernel.tokens;
  entry.on = kernel.on;
  entry.configs = best->first;
  entry.candidates = kernel.configs.size();
  entry.device = kernel.device;
  entry.date = kernel.date;
  // Nanoseconds are what clocks have.
  auto rounded = [](double microseconds) { return std::max(0.001, std::round(microseconds * 1000) / 1000); };
  for (const auto &[shape, times] : usual->second) {
    const std::vector<double> &chosen = best->second.at(shape);
    entry.measured.push_back({shape.phase, shape.promptTokens, shape.batch, rounded(medianOf(chosen)),
                              rounded(medianOf(times)), chosen.size()});
  }
  return entry;
}

Result<void> replaceFile(const std::string &path, const std::string &text) {
  TemporaryPath file = TemporaryPath::create(path, TemporaryPath::File);
  if (file.path().empty())
    return makeError(ExitCode::MissingFile, "{}: cannot be created: {}", path, std::strerror(errno));
  for (size_t done = 0; done < text.size();) {
    ssize_t wrote = ::write(file.descriptor(), text.data() + done, text.size() - done);
    if (wrote < 0)
      return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path, std::strerror(errno));
    done += static_cast<size_t>(wrote);
  }
  if (file.close() != 0 || file.renameTo(path) != 0)
    return makeError(ExitCode::OutOfSpace, "{}: cannot be written: {}", path, std::strerror(errno));
  return {};
}

} // namespace

Result<MergeSummary> yupana::mergeTimings(const std::vector<std::string> &folders, const std::string &output,
                                          const Observer &observer) {
  std::vector<TimingEntry> entries;
  if (pathExists(output)) {
    YUPANA_ASSIGN_OR_RETURN(entries, readTimingFile(output));
  }
  TimedKernels kernels;
  for (const std::string &folder : folders) {
    YUPANA_ASSIGN_OR_RETURN(TuneFolder described, TuneFolder::read(folder));
    YUPANA_ASSIGN_OR_RETURN(auto counts, FolderReader(folder, std::move(described), kernels).read());
    if (counts.first < counts.second && observer.note)
      observer.note(fmt::format("{}: {} of {} results are there", folder, counts.first, counts.second));
  }
  MergeSummary summary;
  for (const auto &[name, kernel] : kernels) {
    std::optional<TimingEntry> entry = entryOf(name.first, name.second, kernel);
    if (!entry)
      continue;
    ++summary.kernels;
    summary.faster += entry->configs != kernel.usual;
    entries.erase(std::remove_if(entries.begin(), entries.end(),
                                 [&](const TimingEntry &old) {
                                   return old.target == entry->target && old.signature == entry->signature;
                                 }),
                  entries.end());
    entries.push_back(std::move(*entry));
  }
  YUPANA_RETURN_IF_ERROR(replaceFile(output, timingText(std::move(entries))));
  return summary;
}
