// SPDX-License-Identifier: Apache-2.0
//
// tune.json, which ties results to kernels by what a plan is and not by what its file is called, and the script that
// takes the times. The script interleaves: a machine that becomes warm or busy slows all candidates of a round alike.

#include "compiler/Support/File.h"
#include "compiler/Support/Json.h"
#include "compiler/Support/TimingFile.h"
#include "tools/yupana/Tune.h"

#include <nlohmann/json.hpp>

using namespace yupana;
using nlohmann::json;

namespace {

constexpr const char *formatName = "yupana tuning folder";
constexpr uint64_t formatVersion = 1;
constexpr uint64_t largestFile = uint64_t{256} << 20;

constexpr const char *scriptHead = R"sh(#!/bin/sh
# Times the kernels of the candidates beside this file on this machine, and needs yupana-bench alone: that of the
# variable YUPANA_BENCH, else the one beside this file, else the one on the PATH. Arguments go to every run of it, such
# as --device cuda:1. Each round runs every candidate once; `yupana tune --merge` takes what is there, also of rounds
# that did not come to their end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=${YUPANA_BENCH:-}
if [ -z "$bench" ]; then
  bench=yupana-bench
  if [ -x "$here/yupana-bench" ]; then bench=$here/yupana-bench; fi
fi
mkdir -p "$here/results"
device=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1) || device=
echo "${device:-unnamed device}${1:+, yupana-bench $*}" > "$here/results/device.txt"
# measure CANDIDATE SHAPE ROUND, then what yupana-bench is told
measure() {
  out=$here/results/candidate-$1.shape-$2.round-$3.json
  plan=$here/candidate-$1.yplan
  shift 3
  "$bench" "$plan" --random-weights --per-kernel --json --repetitions 1 --warmup 1 "$@" > "$out.part"
  mv "$out.part" "$out"
}
)sh";

Result<CandidateKernel> readKernel(const json &object, const std::string &where) {
  CandidateKernel kernel;
  YUPANA_ASSIGN_OR_RETURN(kernel.symbol, stringMember(object, "kernel", where));
  YUPANA_ASSIGN_OR_RETURN(kernel.signature, stringMember(object, "signature", where));
  YUPANA_ASSIGN_OR_RETURN(kernel.tokens, wholeMember(object, "tokens", where));
  YUPANA_ASSIGN_OR_RETURN(const json *configs, childMember(object, "configs", "a list", where));
  for (const json &config : *configs) {
    if (!config.is_string())
      return makeError(ExitCode::InvalidInput, "{}.configs: found {}, expected strings", where, jsonTypeName(config));
    kernel.configs.push_back(config.get<std::string>());
  }
  return kernel;
}

} // namespace

std::string yupana::resultName(size_t candidate, size_t shape, uint64_t round) {
  return fmt::format("results/candidate-{:02}.shape-{}.round-{}.json", candidate, shape, round);
}

Result<TuneFolder> TuneFolder::read(const std::string &folder) {
  std::string path = folder + "/tune.json";
  YUPANA_ASSIGN_OR_RETURN(std::string text, readWholeFile(path, largestFile));
  YUPANA_ASSIGN_OR_RETURN(json root, parseJson(text, path));
  YUPANA_RETURN_IF_ERROR(checkFormat(root, formatName, formatVersion, path));
  TuneFolder read;
  YUPANA_ASSIGN_OR_RETURN(read.compiler, stringMember(root, "compiler", path));
  YUPANA_ASSIGN_OR_RETURN(read.target, stringMember(root, "target", path));
  YUPANA_ASSIGN_OR_RETURN(std::string device, stringMember(root, "device", path));
  read.isGpu = device == "gpu";
  YUPANA_ASSIGN_OR_RETURN(read.rounds, wholeMember(root, "rounds", path));
  YUPANA_ASSIGN_OR_RETURN(const json *shapes, childMember(root, "shapes", "a list", path));
  for (const json &object : *shapes) {
    TuneShape shape;
    YUPANA_ASSIGN_OR_RETURN(shape.promptTokens, wholeMember(object, "prompt_tokens", path + ": shapes"));
    YUPANA_ASSIGN_OR_RETURN(shape.batch, wholeMember(object, "batch", path + ": shapes"));
    YUPANA_ASSIGN_OR_RETURN(shape.newTokens, wholeMember(object, "max_new_tokens", path + ": shapes"));
    read.shapes.push_back(shape);
  }
  YUPANA_ASSIGN_OR_RETURN(const json *candidates, childMember(root, "candidates", "a list", path));
  for (size_t i = 0; i < candidates->size(); ++i) {
    const json &object = (*candidates)[i];
    std::string where = fmt::format("{}: candidates[{}]", path, i);
    TuneCandidate candidate;
    YUPANA_ASSIGN_OR_RETURN(candidate.plan, stringMember(object, "plan", where));
    YUPANA_ASSIGN_OR_RETURN(candidate.identity, stringMember(object, "plan_id", where));
    YUPANA_ASSIGN_OR_RETURN(const json *kernels, childMember(object, "kernels", "a list", where));
    for (size_t k = 0; k < kernels->size(); ++k) {
      YUPANA_ASSIGN_OR_RETURN(CandidateKernel kernel,
                              readKernel((*kernels)[k], fmt::format("{}.kernels[{}]", where, k)));
      candidate.kernels.push_back(std::move(kernel));
    }
    read.candidates.push_back(std::move(candidate));
  }
  if (read.candidates.empty() || read.shapes.empty())
    return makeError(ExitCode::InvalidInput, "{}: has {} candidates and {} shapes, expected some of each", path,
                     read.candidates.size(), read.shapes.size());
  return read;
}

std::string TuneFolder::text() const {
  using Json = nlohmann::ordered_json;
  Json root = {{"format", formatName}, {"version", formatVersion},        {"compiler", compiler},
               {"target", target},     {"device", isGpu ? "gpu" : "cpu"}, {"rounds", rounds}};
  for (const TuneShape &shape : shapes)
    root["shapes"].push_back(
        {{"prompt_tokens", shape.promptTokens}, {"batch", shape.batch}, {"max_new_tokens", shape.newTokens}});
  for (const TuneCandidate &candidate : candidates) {
    Json kernels = Json::array();
    for (const CandidateKernel &kernel : candidate.kernels)
      kernels.push_back({{"kernel", kernel.symbol},
                         {"signature", kernel.signature},
                         {"tokens", kernel.tokens},
                         {"configs", kernel.configs}});
    root["candidates"].push_back({{"plan", candidate.plan}, {"plan_id", candidate.identity}, {"kernels", kernels}});
  }
  return root.dump(1) + "\n";
}

std::string TuneFolder::script() const {
  std::string text = scriptHead;
  for (uint64_t round = 0; round < rounds; ++round) {
    for (size_t shape = 0; shape < shapes.size(); ++shape)
      for (size_t candidate = 0; candidate < candidates.size(); ++candidate)
        text += fmt::format("measure {:02} {} {} --for {} --prompt-tokens {} --batch {} --max-new-tokens {} \"$@\"\n",
                            candidate, shape, round, target, shapes[shape].promptTokens, shapes[shape].batch,
                            shapes[shape].newTokens);
    text += fmt::format("echo \"round {} of {} is done\"\n", round + 1, rounds);
  }
  return text;
}
