// SPDX-License-Identifier: Apache-2.0
//
// Launches run one after the other here, also those that a GPU would overlap. What would be wrong there is found by
// comparing: every access that a warp makes before it knows that griddepcontrol.wait has returned conflicts with each
// write of the launch before it, and each write of it with each access of that launch, wherever in the two kernels they
// stand. So the order of blocks and the place of griddepcontrol.launch_dependents, which orders no memory, hide
// nothing.
//
// How far back the chain goes follows from the launches in between. One that waits before it starts its dependents ends
// it, since what came before has then ended. One that starts them first lets them overlap with its own predecessors
// until they wait. One that never waits may end before its predecessors do, so nobody behind it can know of their end.
#include "tools/simdriver/Dependents.h"

#include "tools/simdriver/Access.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

void Dependents::begin(const std::shared_ptr<const Program> &former, ShadowMemory &shadow, bool isNewDependent) {
  std::vector<EarlierLaunch> kept;
  for (EarlierLaunch &launch : earlier) {
    launch.isNeverKnown |= isDependent && !hasWaited;
    if (isNewDependent && (launch.isNeverKnown || startedEarly))
      kept.push_back(std::move(launch));
    else
      spare.push_back(std::move(launch.shadow));
  }
  if (isNewDependent) {
    kept.push_back({former, std::move(shadow), false});
    shadow = {};
    if (!spare.empty()) {
      shadow = std::move(spare.back());
      spare.pop_back();
    }
  }
  earlier = std::move(kept);
  isDependent = isNewDependent;
  hasWaited = startedEarly = false;
}

void yupana::ptx::orderBehindEarlier(Warp &warp, uint64_t address, uint32_t bytes, bool write) {
  for (EarlierLaunch &launch : warp.cluster->launch->dependents.earlier) {
    if (warp.knowledge.hasWaited && !launch.isNeverKnown)
      continue;
    launch.shadow.visit(address, bytes, [&](const Cell &cell) {
      if (!cell.writer && !(write && cell.reader))
        return;
      uint32_t statement = cell.writer ? cell.writeStatement : cell.readStatement & ~(1u << 31);
      fail(warp, Fault::Race,
           fmt::format("race on {}: this {} is not ordered after the {} by kernel '{}', launched before it, in {}: {}",
                       describeGlobal(warp, address), write ? "write" : "read", cell.writer ? "write" : "read",
                       launch.program->name, describe(*launch.program, statement),
                       launch.isNeverKnown ? "a kernel in between has no griddepcontrol.wait"
                                           : "no griddepcontrol.wait stands before it"));
    });
  }
}

/// The wait is over for all lanes of the warp when it is for one: they go on from there together.
static void waitForEarlier(Warp &warp, const Inst &, uint32_t) {
  warp.knowledge.hasWaited = true;
  warp.cluster->launch->dependents.hasWaited = true;
}

static void startDependents(Warp &warp, const Inst &, uint32_t) {
  Dependents &dependents = warp.cluster->launch->dependents;
  if (dependents.isDependent && !warp.knowledge.hasWaited)
    dependents.startedEarly = true;
}

void yupana::ptx::decodeDependents(Decoder &decoder) {
  Inst inst;
  if (decoder.has("wait"))
    inst.action = waitForEarlier;
  else if (decoder.has("launch_dependents"))
    inst.action = startDependents;
  else
    decoder.unsupported();
  decoder.emit(inst);
}
