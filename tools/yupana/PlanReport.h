// SPDX-License-Identifier: Apache-2.0
//
// What `yupana inspect` says about a plan, beyond what stands in its tables.
#ifndef YUPANA_TOOLS_YUPANA_PLANREPORT_H
#define YUPANA_TOOLS_YUPANA_PLANREPORT_H

#include "runtime/schema/targets.h"
#include "tools/support/Layers.h"
#include "tools/yupana/OpenedPlan.h"
#include "tools/yupana/PlanTokenizer.h"

#include <string>
#include <vector>

namespace yupana {

/// How the code of a target and this machine fit.
struct Fit {
  std::string verdict; ///< "exact", "fits": a better target is possible here, "by PTX", "incompatible".
  std::string reason;  ///< Empty when exact.
};

/// Bytes that running a target takes at the compiled maxima, with room for one sequence of the longest context.
struct MemoryTotals {
  uint64_t weights = 0;     ///< Sections of weights that the target's kernels read.
  uint64_t activations = 0; ///< Arenas.
  uint64_t cache = 0;       ///< Keys and values.
  uint64_t inputs = 0;      ///< Step inputs, page tables and the history of tokens.
  uint64_t code = 0;
  uint64_t scratchPerThread = 0;

  /// Of all workers. A kernel's scratch is at most 1 GiB in any plan that opens.
  uint64_t scratch(uint32_t threads) const { return scratchPerThread * threads; }
  /// All of it, UINT64_MAX where that does not hold it: the sizes of a plan that opens may be of any kind.
  uint64_t total(uint32_t threads = 0) const;
};

/// How an arena is used over time.
struct ArenaUse {
  uint64_t peak = 0;       ///< Most bytes of buffers alive at one launch.
  uint32_t peakLaunch = 0; ///< The first launch at which they are.
};

/// On `device`, null for any of this machine.
Fit fitOf(const OpenedPlan &plan, uint32_t target, const yupana_device_t *device = nullptr);
/// On a GPU that is only known by name.
Fit fitOf(schema::GpuFit fit);
/// True if a processor runs the target.
bool isHostTarget(const schema::Target &target);
/// True if every kernel of the target has an image of the format.
bool hasImages(const schema::Target &target, schema::ImageFormat format);
MemoryTotals memoryOf(const OpenedPlan &plan, const schema::Target &target);
/// The sections that hold code of the target, in ascending order.
std::vector<uint32_t> codeSectionsOf(const schema::Target &target);
ArenaUse arenaUseOf(const schema::Target &target, uint32_t arena);
/// Launches of every kernel in `program`, by number.
std::vector<uint32_t> kernelCounts(const schema::Target &target, const schema::StepProgram &program);
/// Launches of all programs of a target together.
uint32_t launchCount(const schema::Target &target);
/// "host_code", or the number of a kind that has no name.
std::string sectionKindName(uint32_t kind);
/// In hexadecimal; `digest` has 32 bytes.
std::string digestText(const uint8_t *digest);
/// The kernel's symbol, cut after 80 bytes: for places that name a kernel as often as it is launched, where a long one
/// would make a long report of a short plan.
std::string shortSymbol(const schema::Kernel &kernel);
/// A grid in the notation of the IR: "T 256 ceildiv 8 *".
std::string gridText(const schema::Launch &launch);

/// The whole report, for people and as one JSON object. `tokenizer` is the plan's, null when it has none.
std::string textReport(const OpenedPlan &plan, const PlanTokenizer *tokenizer);
std::string jsonReport(const OpenedPlan &plan, const PlanTokenizer *tokenizer);
/// The same as one page of HTML that needs nothing else.
std::string htmlReport(const OpenedPlan &plan, const PlanTokenizer *tokenizer);

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANA_PLANREPORT_H
