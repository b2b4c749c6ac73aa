// SPDX-License-Identifier: Apache-2.0
//
// Both reports come from one set of figures. Speeds are medians with their extremes, shares are medians of pairs: each
// repetition against the mean of the two measurements of the machine around it. Where the machine could not be measured
// a share is left out and not guessed.

#include "tools/yupana-bench/Report.h"

#include "tools/support/PlanIdentity.h"
#include "tools/support/ProgressBar.h"
#include "tools/yupana-bench/Cost.h"
#include "tools/yupana-bench/KernelReport.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string_view>

using namespace yupana;
using Json = nlohmann::ordered_json;

namespace {

/// Of speeds; the extremes show how steady the machine was.
struct Spread {
  double median, min, max;
};

/// Of at least one value.
Spread spreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  double median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

/// `amount` per second, of each repetition.
std::vector<double> ratesOf(const std::vector<double> &seconds, double amount) {
  std::vector<double> rates;
  for (double time : seconds)
    rates.push_back(amount / time);
  return rates;
}

/// One of the machine's speeds, in the order they were measured.
using Series = std::vector<double>;

/// Median share of `rates`, each held against the mean of what the machine did just before and just after: machines are
/// shared, and their speed changes from second to second. Nothing without a series.
std::optional<double> shareOf(const std::vector<double> &rates, const Series &ceiling) {
  if (ceiling.size() != rates.size() + 1)
    return std::nullopt;
  std::vector<double> shares;
  for (size_t i = 0; i < rates.size(); ++i)
    shares.push_back(rates[i] * 2 / (ceiling[i] + ceiling[i + 1]));
  return spreadOf(std::move(shares)).median;
}

/// The ceilings of the machine; each is empty where it was not measured. bf16Flops and tileFlops are empty or as long
/// as the others, since all measurements are of one processor.
struct Ceilings {
  explicit Ceilings(const std::vector<MachineSpeed> &speeds) {
    for (const MachineSpeed &speed : speeds) {
      readBandwidth.push_back(speed.readBandwidth);
      f32Flops.push_back(speed.f32Flops);
      f32Flops256.push_back(speed.f32Flops256);
      if (speed.bf16Flops)
        bf16Flops.push_back(*speed.bf16Flops);
      if (speed.tileFlops)
        tileFlops.push_back(*speed.tileFlops);
    }
  }
  Series readBandwidth, f32Flops, f32Flops256, bf16Flops, tileFlops, givenFlops;
};

/// The arithmetic of a target's code: how fast the machine does it, in the reports' words.
struct Peak {
  const Series Ceilings::*series;
  const char *name; ///< In the table.
  const char *key;  ///< In the JSON object.
};
constexpr Peak tilePeak{&Ceilings::tileFlops, "the bf16 tile peak", "machine.tile_flops"};
constexpr Peak dotPeak{&Ceilings::bf16Flops, "the bf16 dot-product peak", "machine.bf16_flops"};
constexpr Peak widePeak{&Ceilings::f32Flops, "the f32 FMA peak", "machine.f32_flops"};
constexpr Peak narrowPeak{&Ceilings::f32Flops256, "the 256-bit f32 FMA peak", "machine.f32_flops_256"};
constexpr Peak givenPeak{&Ceilings::givenFlops, "the given peak", "given.flops"};

/// Everything that both reports say.
struct Figures {
  Figures(const yupana_plan_t *plan, const Options &options, const Measurements &measurements);

  const schema::Plan &root;
  Cost cost;
  Ceilings ceilings;
  Peak peak;                              ///< What prompts are held against.
  double promptFlops;                     ///< Per token.
  std::optional<double> attentionFlops;   ///< Per token of the prompt.
  double weightBytes = 0, cacheBytes = 0; ///< Per new token.
  Spread prompt;                          ///< Tokens/s.
  std::optional<Spread> decode;
  std::optional<double> shareOfFlops, shareOfBandwidth;
};

Figures::Figures(const yupana_plan_t *plan, const Options &options, const Measurements &measurements)
    : root(*schema::GetPlan(yupana_plan_metadata(plan, nullptr))),
      cost(root, *root.targets()->Get(measurements.target)), ceilings(measurements.machine) {
  // Per token, so that runs with prompts of different lengths can be compared.
  promptFlops = cost.promptFlops(options.promptTokens) / options.promptTokens;
  attentionFlops = cost.promptAttentionFlops(options.promptTokens);
  if (attentionFlops)
    *attentionFlops /= options.promptTokens;
  // Code below the level with dot products multiplies bf16 as widened float32.
  std::string_view target = root.targets()->Get(measurements.target)->name()->string_view();
  peak = target == "x86-64-v3" ? narrowPeak : widePeak;
  if (cost.isBf16() && target == "x86-64-v4-bf16" && !ceilings.bf16Flops.empty())
    peak = dotPeak;
  if (cost.isBf16() && target == "x86-64-v4-amx" && !ceilings.tileFlops.empty())
    peak = tilePeak;
  if (options.bandwidth > 0) {
    // The same before and after every repetition.
    ceilings.readBandwidth.assign(size_t{options.repetitions} + 1, options.bandwidth);
    ceilings.givenFlops.assign(size_t{options.repetitions} + 1, options.flops);
    peak = givenPeak;
  }
  double promptTokens = static_cast<double>(options.promptTokens) * options.batch;
  // All sequences together: throughput, not the speed that one of them sees.
  prompt = spreadOf(ratesOf(measurements.promptSeconds, promptTokens));
  // Attention that could not be counted is left out, and the report says so.
  shareOfFlops = shareOf(ratesOf(measurements.promptSeconds, promptTokens * (promptFlops + attentionFlops.value_or(0))),
                         ceilings.*peak.series);
  // With --max-new-tokens 0 there is no decoding.
  if (measurements.decodeSeconds.empty())
    return;
  double newTokens = static_cast<double>(options.maxNewTokens) * options.batch;
  // A step reads the weights once for all of its sequences, and each sequence's own keys and values.
  weightBytes = cost.weightBytes(options.batch) / options.batch;
  // On average over the steps: the i-th sees the prompt and i new tokens before its own.
  for (uint32_t i = 0; i < options.maxNewTokens; ++i)
    cacheBytes += cost.cacheBytes(uint64_t{options.promptTokens} + i) / options.maxNewTokens;
  decode = spreadOf(ratesOf(measurements.decodeSeconds, newTokens));
  shareOfBandwidth =
      shareOf(ratesOf(measurements.decodeSeconds, newTokens * (weightBytes + cacheBytes)), ceilings.readBandwidth);
}

/// What kernels are held against; nothing where the machine was not measured and nothing was given.
std::optional<Roofline> rooflineOf(const Figures &figures) {
  // Medians over the whole run and no pairs: the kernels are of a run of their own.
  const Series &flops = figures.ceilings.*figures.peak.series;
  if (figures.ceilings.readBandwidth.empty() || flops.empty())
    return std::nullopt;
  return Roofline{spreadOf(figures.ceilings.readBandwidth).median, spreadOf(flops).median};
}

/// Bytes and operations are whole, or expected values whose fractions mean nothing.
Json whole(double value) { return static_cast<uint64_t>(std::llround(value)); }

Json spreadJson(const Spread &spread) { return {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}}; }

Json orNull(const std::optional<double> &value) { return value ? Json(*value) : Json(); }

Json decodeJson(const Figures &figures, const Options &options) {
  if (!figures.decode)
    // Null in the report.
    return Json();
  Json json = {{"tokens_per_s", spreadJson(*figures.decode)},
               {"bytes_per_token", whole(figures.weightBytes + figures.cacheBytes)},
               {"weight_bytes_per_token", whole(figures.weightBytes)},
               {"cache_bytes_per_token", whole(figures.cacheBytes)},
               {"share_of_bandwidth", orNull(figures.shareOfBandwidth)}};
  if (figures.cost.experts())
    json["experts"] = {{"per_layer", figures.cost.experts()},
                       {"per_token", figures.cost.expertsPerToken()},
                       {"hit_per_step", figures.cost.expertsHit(options.batch)},
                       {"hit_is", options.batch == 1 ? "exact" : "expected for even routing"}};
  return json;
}

Json machineJson(const Ceilings &ceilings) {
  auto median = [](const Series &series) { return series.empty() ? Json() : Json(spreadOf(series).median); };
  return {{"cpu", cpuModel()},
          {"read_bandwidth", median(ceilings.readBandwidth)},
          {"tile_flops", median(ceilings.tileFlops)},
          {"bf16_flops", median(ceilings.bf16Flops)},
          {"f32_flops", median(ceilings.f32Flops)},
          {"f32_flops_256", median(ceilings.f32Flops256)},
          {"read_bandwidth_samples", ceilings.readBandwidth},
          {"tile_flops_samples", ceilings.tileFlops},
          {"bf16_flops_samples", ceilings.bf16Flops},
          {"f32_flops_samples", ceilings.f32Flops},
          {"f32_flops_256_samples", ceilings.f32Flops256}};
}

/// "2026-11-28", in UTC.
std::string today() {
  std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string percentOf(const std::optional<double> &share, const std::string &what) {
  return share ? fmt::format("{:.1f} % of {}", 100 * *share, what) : "";
}

} // namespace

std::string yupana::jsonReport(const yupana_plan_t *plan, const Options &options, const Measurements &measurements) {
  Figures figures(plan, options, measurements);
  const schema::Model &model = *figures.root.model();
  Json report = {
      {"version", yupana_version()},
      {"plan", yupana_plan_name(plan)},
      {"plan_id", planIdentity(plan)},
      {"date", today()},
      {"model", model.name()->str()},
      {"precision", model.precision()->str()},
      {"target", figures.root.targets()->Get(measurements.target)->name()->str()},
      {"threads", measurements.threads},
      {"batch", options.batch},
      {"prompt_tokens", options.promptTokens},
      {"max_new_tokens", options.maxNewTokens},
      {"repetitions", options.repetitions},
      {"warmup", options.warmup},
      {"mmap", options.mapWeights},
      {"random_weights", options.randomWeights},
      {"load_s", measurements.loadSeconds},
      {"peak_rss", measurements.peakRss},
      {"prefill",
       {{"tokens_per_s", spreadJson(figures.prompt)},
        {"flops_per_token", whole(figures.promptFlops)},
        {"attention_flops_per_token", figures.attentionFlops ? whole(*figures.attentionFlops) : Json()},
        {"share_of_flops", orNull(figures.shareOfFlops)},
        {"share_is_of", figures.peak.key},
        {"share_counts_attention", figures.attentionFlops.has_value()}}},
      {"decode", decodeJson(figures, options)},
      {"machine", machineJson(Ceilings(measurements.machine))},
      {"given", options.bandwidth > 0 ? Json{{"read_bandwidth", options.bandwidth}, {"flops", options.flops}} : Json()},
  };
  if (options.perKernel)
    report["kernels"] = kernelsJson(measurements.kernels, rooflineOf(figures));
  // A path or a name in a plan need not be UTF-8, which JSON is.
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string yupana::textReport(const yupana_plan_t *plan, const Options &options, const Measurements &measurements) {
  Figures figures(plan, options, measurements);
  const schema::Model &model = *figures.root.model();
  std::string out =
      fmt::format("{}: {}, {}, {}, batch {}, {} thread{}\n{}\n", yupana_plan_name(plan), model.name()->c_str(),
                  model.precision()->c_str(), figures.root.targets()->Get(measurements.target)->name()->c_str(),
                  options.batch, measurements.threads, measurements.threads == 1 ? "" : "s", cpuModel());
  out += fmt::format("{} in {:.2f} s, {} resident at most\n\n",
                     options.randomWeights ? "random weights, drawn and loaded" : "loaded", measurements.loadSeconds,
                     formatBytes(static_cast<double>(measurements.peakRss)));
  out += fmt::format("{:<16}  {:>10}  {:>10}  {:>10}\n", "tokens/s", "median", "min", "max");
  auto addRow = [&out](const std::string &name, const Spread &spread, const std::string &remark) {
    out += fmt::format("{:<16}  {:>10.1f}  {:>10.1f}  {:>10.1f}  {}\n", name, spread.median, spread.min, spread.max,
                       remark);
  };
  addRow(fmt::format("prefill {}", options.promptTokens), figures.prompt,
         percentOf(figures.shareOfFlops,
                   std::string(figures.peak.name) + (figures.attentionFlops ? "" : ", attention not counted")));
  if (figures.decode)
    addRow(fmt::format("decode {}", options.maxNewTokens), *figures.decode,
           percentOf(figures.shareOfBandwidth, "the read bandwidth, at ") +
               formatBytes(figures.weightBytes + figures.cacheBytes) + " per token");
  out += kernelsText(measurements.kernels, rooflineOf(figures));
  const Ceilings &ceilings = figures.ceilings;
  if (ceilings.readBandwidth.empty())
    // No processor's plan, or nothing measured: no sentence about the machine.
    return out;
  if (options.bandwidth > 0)
    return out + fmt::format("\nheld against {}/s and {:.4g} GFLOP/s, as given\n", formatBytes(options.bandwidth),
                             options.flops / 1e9);
  out += fmt::format("\nthis machine reads {}/s and computes {:.4g} GFLOP/s in f32",
                     formatBytes(spreadOf(ceilings.readBandwidth).median), spreadOf(ceilings.f32Flops).median / 1e9);
  auto add = [&](const Series &flops, const char *what) {
    if (!flops.empty())
      out += fmt::format(", {:.4g} in bf16 {}", spreadOf(flops).median / 1e9, what);
  };
  add(ceilings.bf16Flops, "dot products");
  add(ceilings.tileFlops, "tiles");
  return out + "\n";
}
