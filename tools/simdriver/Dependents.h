// SPDX-License-Identifier: Apache-2.0
//
// Programmatic dependent launch: which launches may still run while one does, and whether what it accesses may be
// theirs.
#ifndef YUPANA_TOOLS_SIMDRIVER_DEPENDENTS_H
#define YUPANA_TOOLS_SIMDRIVER_DEPENDENTS_H

#include "tools/simdriver/Program.h"
#include "tools/simdriver/Shadow.h"

#include <atomic>
#include <memory>
#include <vector>

namespace yupana::ptx {

class Decoder;

/// A launch that was given before the running one and may not have ended.
struct EarlierLaunch {
  std::shared_ptr<const Program> program;
  ShadowMemory shadow; ///< What it read and wrote of global memory.
  /// The running launch cannot know of its end: the launch in between did not wait for it.
  bool isNeverKnown = false;
};

/// The chain of launches that overlap. Empty for a launch that begins when all before it have ended.
struct Dependents {
  std::vector<EarlierLaunch> earlier;
  std::vector<ShadowMemory> spare;
  // Of the running launch:
  bool isDependent = false;
  std::atomic<bool> hasWaited{false}, startedEarly{false};

  /// Before `program` is launched, the former launch's shadow being in `shadow`. `isDependent`: with programmatic
  /// stream serialization, right behind the former in the same stream.
  void begin(const std::shared_ptr<const Program> &former, ShadowMemory &shadow, bool isDependent);
};

/// Ends the launch if an access may meet one of a launch that has not ended for this warp.
void orderBehindEarlier(Warp &warp, uint64_t address, uint32_t bytes, bool write);

/// griddepcontrol
void decodeDependents(Decoder &decoder);

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_DEPENDENTS_H
