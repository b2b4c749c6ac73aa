// SPDX-License-Identifier: Apache-2.0
//
// Branches, ends, and where the lanes of a branch meet again. Post-dominators by Cooper, Harvey and Kennedy's iteration
// over the reversed graph of basic blocks; a block that ends in a trap leads nowhere, so that it moves no meeting
// point.
#include "tools/simdriver/Decoder.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// Lets `lanes` go to `target` and the other lanes of the running path on. `reconverge` of a branch is where all of
/// them meet; below 0 they meet nowhere before the end.
void branchTo(Warp &warp, const Inst &inst, uint32_t lanes, int32_t target) {
  if (lanes == warp.active) {
    warp.pc = target;
    return;
  }
  if (lanes == 0)
    return;
  // The path below waits where both sides meet, unless that is where this path ends anyway.
  int32_t meet = inst.reconverge;
  if (meet >= 0 && meet != warp.reconverge)
    warp.paths.push_back({meet, warp.reconverge, warp.active});
  // Without a meeting point of their own, both sides go on to where the running path meets the one below.
  if (meet < 0)
    meet = warp.reconverge;
  uint32_t others = warp.active & ~lanes;
  int32_t fallThrough = warp.pc;
  // Lanes that are at the meeting point already need no path of their own.
  if (fallThrough == meet) {
    warp.active = lanes, warp.pc = target;
  } else if (target == meet) {
    warp.active = others;
  } else {
    // Which side runs first is not defined, so the seed decides.
    bool takenFirst = warp.cluster->random() & 1;
    warp.paths.push_back(takenFirst ? Path{fallThrough, meet, others} : Path{target, meet, lanes});
    warp.active = takenFirst ? lanes : others;
    warp.pc = takenFirst ? target : fallThrough;
  }
  warp.reconverge = meet;
}

/// bra, with or without a predicate: `lanes` are those that jump.
void branch(Warp &warp, const Inst &inst, uint32_t lanes) { branchTo(warp, inst, lanes, inst.target); }

/// brx.idx: one target after the other, each as a branch of the lanes that want it.
void branchIndexed(Warp &warp, const Inst &inst, uint32_t lanes) {
  if (!lanes)
    return;
  const uint32_t *index = warp.at<uint32_t>(inst.a), *targets = operandsOf(warp, inst);
  uint32_t first = index[__builtin_ctz(lanes)], same = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1)
    same |= (index[__builtin_ctz(rest)] == first ? 1u : 0u) << __builtin_ctz(rest);
  if (first >= inst.count)
    fail(warp, Fault::Misuse, fmt::format("brx.idx with index {} of {} targets", first, inst.count));
  if (same != warp.active)
    --warp.pc; // the others come here again
  branchTo(warp, inst, same, static_cast<int32_t>(targets[first]));
}

/// Lanes that end leave every path that waits for them; where nobody is left to run, the next path is taken up.
void end(Warp &warp, const Inst &, uint32_t lanes) {
  // A copy that nobody waits for would write memory of a block that may have ended.
  for (uint32_t rest = lanes; rest; rest &= rest - 1)
    if (!warp.openCopies[__builtin_ctz(rest)].empty())
      fail(warp, Fault::Misuse, "the thread ends with a cp.async that was neither committed nor waited for");
  warp.live &= ~lanes;
  warp.active &= ~lanes;
  // Lanes of paths below, too: they wait there as part of the whole and would otherwise be taken up again.
  for (Path &path : warp.paths)
    path.lanes &= ~lanes;
  while (!warp.active && !warp.paths.empty()) {
    Path path = warp.paths.back();
    warp.paths.pop_back();
    warp.pc = path.pc, warp.reconverge = path.reconverge, warp.active = path.lanes;
  }
  if (warp.cluster->barrier.isOpen)
    completeClusterBarrier(*warp.cluster);
  // The scheduler then tells barriers of the block, which may wait for this warp alone.
  if (!warp.live)
    warp.stop = Stop::Ended;
}

void trap(Warp &warp, const Inst &, uint32_t) { fail(warp, Fault::Trap, "the kernel trapped"); }

/// Basic blocks of a kernel and where each may go on.
struct Graph {
  std::vector<int32_t> begin;               ///< The first instruction of each block.
  std::vector<int32_t> blockOf;             ///< Of each instruction.
  std::vector<std::vector<int>> successors; ///< The exit is the last node.
};

/// The exit is a node of its own behind the last block; ends lead there.
Graph graphOf(const Program &program) {
  Graph graph;
  const auto &code = program.code;
  std::set<int32_t> leaders{0};
  // What may leave the order of instructions ends a basic block.
  auto ends = [&](const Inst &inst) { return inst.isBranch || inst.action == end || inst.action == trap; };
  for (size_t i = 0; i < code.size(); ++i) {
    if (code[i].target >= 0)
      leaders.insert(code[i].target);
    if (code[i].action == branchIndexed)
      for (uint32_t k = 0; k < code[i].count; ++k)
        leaders.insert(static_cast<int32_t>(program.operands[code[i].list + k]));
    if (ends(code[i]) && i + 1 < code.size())
      leaders.insert(static_cast<int32_t>(i + 1));
  }
  graph.begin.assign(leaders.begin(), leaders.end());
  graph.blockOf.resize(code.size());
  int exit = static_cast<int>(graph.begin.size());
  graph.successors.resize(exit + 1);
  for (int b = 0; b < exit; ++b) {
    int32_t stop = b + 1 < exit ? graph.begin[b + 1] : static_cast<int32_t>(code.size());
    for (int32_t i = graph.begin[b]; i < stop; ++i)
      graph.blockOf[i] = b;
  }
  for (int b = 0; b < exit; ++b) {
    int32_t last = (b + 1 < exit ? graph.begin[b + 1] : static_cast<int32_t>(code.size())) - 1;
    const Inst &inst = code[last];
    // An end that some lanes take alone goes on with the others.
    bool always = inst.guard == zeroRegister;
    if (inst.target >= 0)
      graph.successors[b].push_back(graph.blockOf[inst.target]);
    if (inst.action == branchIndexed)
      for (uint32_t k = 0; k < inst.count; ++k)
        graph.successors[b].push_back(graph.blockOf[program.operands[inst.list + k]]);
    if (inst.action == end)
      graph.successors[b].push_back(exit);
    if (!(ends(inst) && always) && b + 1 < exit)
      graph.successors[b].push_back(b + 1);
  }
  return graph;
}

/// The immediate post-dominator of each block; -1 where no end is reached.
std::vector<int> postDominators(const Graph &graph) {
  int nodes = static_cast<int>(graph.successors.size()), exit = nodes - 1;
  std::vector<std::vector<int>> predecessors(nodes);
  for (int b = 0; b < nodes; ++b)
    for (int s : graph.successors[b])
      predecessors[s].push_back(b);
  // Postorder of the reversed graph from the exit.
  std::vector<int> order, number(nodes, -1);
  std::vector<std::pair<int, size_t>> stack{{exit, 0}};
  std::vector<bool> seen(nodes);
  seen[exit] = true;
  while (!stack.empty()) {
    auto &[node, next] = stack.back();
    if (next < predecessors[node].size()) {
      int child = predecessors[node][next++];
      if (!seen[child]) {
        seen[child] = true;
        stack.push_back({child, 0});
      }
    } else {
      number[node] = static_cast<int>(order.size());
      order.push_back(node);
      stack.pop_back();
    }
  }
  // Dominators of the reversed graph. A node's number is above those of all that it dominates, so the lower of two
  // moves up until both meet.
  std::vector<int> dominator(nodes, -1);
  dominator[exit] = exit;
  for (bool changed = true; changed;) {
    changed = false;
    for (auto node = order.rbegin(); node != order.rend(); ++node) {
      if (*node == exit)
        continue;
      int common = -1;
      for (int s : graph.successors[*node]) {
        // Not reached yet in this round, or never: a trap.
        if (dominator[s] < 0)
          continue;
        if (common < 0) {
          common = s;
          continue;
        }
        for (int other = s; common != other;)
          if (number[common] < number[other])
            common = dominator[common];
          else
            other = dominator[other];
      }
      if (common != dominator[*node]) {
        dominator[*node] = common;
        changed = true;
      }
    }
  }
  return dominator;
}

} // namespace

void yupana::ptx::findReconvergence(Program &program) {
  Graph graph = graphOf(program);
  std::vector<int> dominator = postDominators(graph);
  int exit = static_cast<int>(graph.begin.size());
  for (size_t i = 0; i < program.code.size(); ++i)
    if (program.code[i].isBranch) {
      int meet = dominator[graph.blockOf[i]];
      // Meeting at the exit is none: a path ends there anyway.
      program.code[i].reconverge = meet < 0 || meet == exit ? -1 : graph.begin[meet];
    }
}

void yupana::ptx::decodeControl(Decoder &decoder) {
  const std::string &base = decoder.parts()[0];
  Inst inst;
  if (base == "ret" || base == "exit") {
    inst.action = end;
  } else if (base == "trap") {
    inst.action = trap;
  } else if (base == "bra") {
    inst.action = branch;
    inst.isBranch = true;
    decoder.fixes.push_back({0, decoder.operand(0).symbol, decoder.now->scope, decoder.now->line, -1});
  } else { // brx.idx index, table
    inst.action = branchIndexed;
    inst.isBranch = true;
    inst.a = decoder.source(decoder.operand(0), 4);
    const auto *labels = decoder.entry.table(decoder.operand(1).symbol, decoder.now->scope);
    if (!labels)
      decoder.unsupported("the table of targets is not known");
    for (const std::string &label : *labels) {
      decoder.list(inst, {0});
      decoder.fixes.push_back(
          {0, label, decoder.now->scope, decoder.now->line, static_cast<int64_t>(decoder.program.operands.size()) - 1});
    }
  }
  if (base == "bra")
    decoder.fixes.back().inst = decoder.program.code.size();
  decoder.emit(inst);
}
