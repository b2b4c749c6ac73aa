// SPDX-License-Identifier: Apache-2.0
//
// `yupana check`: asks the runtime which targets of a plan fit this machine, and adds up what the best of them needs.
// For another machine, which cannot be asked, the rules of runtime/schema/targets.h answer, the same that a device
// uses. What is printed and the exit code come from one structure, so that people and scripts are told the same.

#include "runtime/schema/targets.h"
#include "tools/support/Devices.h"
#include "tools/support/ProgressBar.h"
#include "tools/support/Targets.h"
#include "tools/yupana/Commands.h"
#include "tools/yupana/PlanReport.h"

#include <nlohmann/json.hpp>

using namespace yupana;
using Json = nlohmann::ordered_json;

namespace {

const char *const checkHelp = R"(usage: yupana check PLAN [--for TARGET] [--json]

Would it run here? Says for every target of a plan whether this machine runs it (exact: made for it; fits: a better
target is possible; by PTX: the CUDA driver translates it) and what is lacking, and how much memory the best of them
needs, with room for one sequence of the longest context, against what is available. Reads the header, the table of
sections and the metadata; neither code nor weights. Ends with 0 when the plan runs, 6 when no target fits, 7 when there
is not enough memory. A plan compiled with --strip-weights is judged as if it were filled.

  --for TARGET      ask about another machine: whether the plan has code for TARGET, such as x86-64-v3, or for a GPU of
                    compute capability 8.9, which is sm_89, and the memory that takes. This machine is not looked at
  --device DEVICE   ask about auto, cpu, cuda or cuda:N alone, the GPU that the CUDA driver gives the number N
  --driver FILE     use this library as the CUDA driver (default: libcuda.so.1, as the system finds it)
  --json            the same as one JSON object
  --help            print this
)";

/// What was found. Facts of this machine are there when no target was named.
struct Check {
  bool ofThisMachine = true;
  std::vector<Fit> fits;         ///< How each of them fits; empty for a machine that only has a name.
  std::vector<uint32_t> targets; ///< Those asked about.
  std::optional<uint32_t> chosen;
  MemoryTotals memory; ///< Of the chosen one.
  uint32_t threads = 1;
  std::optional<uint64_t> available; ///< Bytes; nothing where the system does not say.
  std::string lacking;               ///< Why no target was chosen.

  uint64_t needed() const { return memory.total(threads); }
  bool memoryFits() const { return !available || needed() <= *available; }
};

/// The names of targets were checked when the plan was opened.
const char *targetNameOf(const OpenedPlan &plan, uint32_t target) {
  return plan.metadata().targets()->Get(target)->name()->c_str();
}

/// The runtime says UINT64_MAX where the system has no such number.
std::optional<uint64_t> knownMemory(uint64_t available) {
  return available == UINT64_MAX ? std::nullopt : std::optional<uint64_t>(available);
}

/// Memory that nobody uses, of the host or of the GPU that the chosen target runs on.
std::optional<uint64_t> availableTo(const OpenedPlan &plan, uint32_t target, const yupana_device_t &device) {
  if (isHostTarget(*plan.metadata().targets()->Get(target)))
    return knownMemory(yupana_available_memory());
  uint64_t available = 0;
  if (yupana_gpu_memory(&device, &available, nullptr, nullptr) != YUPANA_STATUS_OK)
    return std::nullopt;
  return available;
}

/// Asks about a machine with a GPU of the capability that `name` says.
Result<Check> checkForGpu(const OpenedPlan &plan, const std::string &name) {
  Check check;
  check.ofThisMachine = false;
  // `name` is in the list of targets or has the form of one, so that its capability is known without a device.
  uint32_t capability = schema::gpu_architecture(name.c_str()).capability;
  std::pair<schema::GpuFit, uint32_t> best = {schema::GpuFit::none, 0};
  for (uint32_t i = 0; i < plan.metadata().targets()->size(); ++i) {
    const schema::Target &target = *plan.metadata().targets()->Get(i);
    schema::GpuArchitecture code = schema::gpu_architecture(target.name()->c_str());
    // What the code must be is decided by the rules that a GPU's own check uses (runtime/schema/targets.h).
    schema::GpuFit fit = schema::gpu_fit(code, capability, hasImages(target, schema::ImageFormat::cubin),
                                         hasImages(target, schema::ImageFormat::ptx));
    check.targets.push_back(i);
    check.fits.push_back(fitOf(fit));
    if (fit == schema::GpuFit::none)
      continue;
    // As a device chooses: code for just this GPU, then code for an older one, then PTX; of equal ones the newer.
    bool better =
        best.first == schema::GpuFit::none || fit < best.first || (fit == best.first && code.capability > best.second);
    if (!better)
      continue;
    best = {fit, code.capability};
    check.chosen = i;
  }
  if (check.chosen)
    check.memory = memoryOf(plan, *plan.metadata().targets()->Get(*check.chosen));
  else
    check.lacking = fmt::format("{}: the plan has code for {}, not for {}: compile the model with --target {}",
                                yupana_plan_name(plan.get()), listTargets(plan.get()), name, name);
  return check;
}

/// Asks about `target`, or about this machine when it is empty.
Result<Check> checkPlan(const OpenedPlan &plan, const std::string &target, const yupana_device_t &device) {
  // A GPU by its compute capability need not be in the list: code for an older one of its family may run on it.
  if (schema::gpu_architecture(target.c_str()).capability)
    return checkForGpu(plan, target);
  Check check;
  yupana_status_t status;
  uint32_t chosen = 0;
  if (!target.empty()) {
    check.ofThisMachine = false;
    YUPANA_RETURN_IF_ERROR(checkStatus(findTarget(plan.get(), target, chosen, status), status));
    check.targets = {chosen};
    check.chosen = chosen;
  } else {
    for (uint32_t i = 0; i < plan.metadata().targets()->size(); ++i)
      check.targets.push_back(i);
    for (uint32_t i : check.targets)
      check.fits.push_back(fitOf(plan, i, &device));
    // Which one the runtime would take is the runtime's to say, so that this answer and a run agree.
    if (yupana_plan_best_target(plan.get(), &device, &chosen, &status) == YUPANA_STATUS_OK)
      check.chosen = chosen;
    else
      check.lacking = status.message;
    // What a run without --threads takes, since each of them has scratch memory.
    check.threads = yupana_available_threads();
    if (check.chosen)
      check.available = availableTo(plan, chosen, device);
  }
  if (check.chosen)
    check.memory = memoryOf(plan, *plan.metadata().targets()->Get(*check.chosen));
  return check;
}

/// The verdict in the first line, so that a reader may stop there; details below it by falling importance.
void printText(const OpenedPlan &plan, const Check &check) {
  const char *path = yupana_plan_name(plan.get());
  if (!check.ofThisMachine && !check.chosen)
    print("{}: has no code for that machine\n", path);
  else if (!check.ofThisMachine)
    print("{}: has code for {}\n", path, targetNameOf(plan, *check.chosen));
  else if (!check.chosen)
    print("{}: does not run on this machine\n", path);
  else
    print("{}: {} on this machine, as {}\n", path, check.memoryFits() ? "runs" : "has no room",
          targetNameOf(plan, *check.chosen));
  for (size_t i = 0; i < check.fits.size(); ++i) {
    const Fit &fit = check.fits[i];
    print("  {:<16}  {}{}{}\n", targetNameOf(plan, check.targets[i]), fit.verdict, fit.reason.empty() ? "" : ": ",
          fit.reason);
  }
  if (uint32_t missing = yupana_plan_missing_weights(plan.get()))
    print("  lacks {} of {} weights: fill it with yupana refit\n", missing, plan.metadata().weights()->size());
  // Without a target there is nothing that takes memory.
  if (!check.chosen)
    return;
  print("  memory, with room for one sequence of {} positions\n", plan.metadata().limits()->max_context());
  const MemoryTotals &memory = check.memory;
  for (auto [name, bytes] : {std::pair<const char *, uint64_t>{"weights", memory.weights},
                             {"cache", memory.cache},
                             {"activations", memory.activations},
                             {"inputs", memory.inputs},
                             {"code", memory.code},
                             {"scratch", memory.scratch(check.threads)}})
    print("    {:<12}  {:>10}\n", name, formatBytes(static_cast<double>(bytes)));
  print("    {:<12}  {:>10}{}\n", "total", formatBytes(static_cast<double>(check.needed())),
        check.available ? " of " + formatBytes(static_cast<double>(*check.available)) + " available" : "");
}

/// The keys of the text report, which scripts may rely on: they are added to and never renamed.
void printJson(const OpenedPlan &plan, const Check &check) {
  Json targets = Json::array();
  for (size_t i = 0; i < check.targets.size(); ++i) {
    Json entry = {{"name", targetNameOf(plan, check.targets[i])}};
    if (i < check.fits.size()) {
      entry["fit"] = check.fits[i].verdict;
      entry["reason"] = check.fits[i].reason;
    }
    targets.push_back(std::move(entry));
  }
  Json report = {{"plan", yupana_plan_name(plan.get())}, {"max_context", plan.metadata().limits()->max_context()}};
  report["missing_weights"] = yupana_plan_missing_weights(plan.get());
  // Another machine is not looked at, so that nothing is said about running there.
  if (check.ofThisMachine)
    report["runs"] = check.chosen && check.memoryFits();
  report["target"] = check.chosen ? Json(targetNameOf(plan, *check.chosen)) : Json();
  report["targets"] = std::move(targets);
  if (check.chosen)
    report["memory"] = {{"weights", check.memory.weights},
                        {"cache", check.memory.cache},
                        {"activations", check.memory.activations},
                        {"inputs", check.memory.inputs},
                        {"code", check.memory.code},
                        {"scratch", check.memory.scratch(check.threads)},
                        {"total", check.needed()}};
  if (check.ofThisMachine) {
    report["threads"] = check.threads;
    report["available_memory"] = check.available ? Json(*check.available) : Json();
  }
  print("{}\n", report.dump(2, ' ', false, Json::error_handler_t::replace));
}

/// The device that the options name, checked as far as that is possible without looking for one.
Result<DeviceOption> deviceOption(const Arguments &arguments) {
  DeviceOption device;
  std::string expected;
  for (const char *name : {"--device", "--driver"})
    if (std::optional<std::string> value = arguments.value(name))
      if (!device.parse(name, *value, expected))
        return makeError(ExitCode::Usage, "option {}: found {}, expected {}", name, inQuotes(*value), expected);
  if (device.hasIdleDriver())
    return makeError(ExitCode::Usage, "{}", DeviceOption::idleDriver);
  return device;
}

} // namespace

Result<void> yupana::runCheck(const Words &words) {
  YUPANA_ASSIGN_OR_RETURN(
      Arguments arguments,
      Arguments::parse(words, {{"--for", true}, {"--device", true}, {"--driver", true}, {"--json"}, {"--help"}}));
  if (arguments.has("--help"))
    return print("{}", checkHelp), Result<void>();
  YUPANA_ASSIGN_OR_RETURN(std::string path, arguments.only("the PLAN"));
  YUPANA_ASSIGN_OR_RETURN(std::string target, targetOption(arguments));
  YUPANA_ASSIGN_OR_RETURN(DeviceOption device, deviceOption(arguments));
  // Either question makes sense alone.
  if (!target.empty() && (arguments.has("--device") || arguments.has("--driver")))
    return makeError(ExitCode::Usage, "option --for: asks about another machine, --device and --driver about this one");
  YUPANA_ASSIGN_OR_RETURN(OpenedPlan plan, OpenedPlan::open(path));
  YUPANA_ASSIGN_OR_RETURN(Check check, checkPlan(plan, target, device.get()));
  // The report comes before the error: why a plan does not fit is what the user has asked.
  arguments.has("--json") ? printJson(plan, check) : printText(plan, check);
  if (!check.chosen)
    return Error{ExitCode::DoesNotFit, check.lacking};
  if (!check.memoryFits())
    return makeError(ExitCode::OutOfSpace,
                     "{}: needs {} bytes of memory, {} are available; yupana-run takes less with --kv-memory", path,
                     check.needed(), *check.available);
  return {};
}
