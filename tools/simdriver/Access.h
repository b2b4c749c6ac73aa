// SPDX-License-Identifier: Apache-2.0
//
// What loads, stores, atomics and copies share: finding and checking memory, and what strong accesses tell others.
#ifndef YUPANA_TOOLS_SIMDRIVER_ACCESS_H
#define YUPANA_TOOLS_SIMDRIVER_ACCESS_H

#include "tools/simdriver/Decoder.h"

namespace yupana::ptx {

/// How an access is meant, in Inst::kind.
enum AccessFlags : uint16_t {
  SizeMask = 3, ///< Base-2 logarithm of an element's bytes.
  Strong = 1 << 3,
  Acquire = 1 << 4,
  Release = 1 << 5,
  AtCluster = 1 << 2,
  AtGpu = 1 << 6, ///< Scope of the device or wider; without either of the block.
  ReadOnly = 1 << 7,
  StateSpace = 3 << 8,
  InGlobal = 0 << 8,
  InShared = 1 << 8,
  InLocal = 2 << 8,
  Anywhere = 3 << 8,   ///< A generic address.
  FirstFree = 1 << 10, ///< To 1 << 13.
  OfCluster = 1 << 14, ///< .shared::cluster: also of other blocks.
};

inline Scope scopeOf(uint16_t flags) {
  return flags & AtGpu ? Scope::Device : flags & AtCluster ? Scope::Cluster : Scope::Block;
}
/// Whether shared memory may be that of another block: generic addresses may name it, too.
inline bool reachesPeers(uint16_t flags) { return (flags & OfCluster) || (flags & StateSpace) == Anywhere; }

/// Reads order, scope and state space from the parts of an opcode.
uint16_t accessFlags(const Decoder &decoder);

/// A strong read has happened: with Acquire the warp knows at once, else at its next fence.
void learn(Warp &warp, uint16_t flags, uint64_t address);
/// A strong write happens: what it publishes. `replaces`: a plain store ends the chain of releases before it.
void publish(Warp &warp, uint16_t flags, uint64_t address, bool replaces);

/// fence.acq_rel or membar of a scope.
void fenceMemory(Warp &warp, Scope scope);

/// Ends the launch if a lane's address or guard is undefined.
void requireDefined(Warp &warp, const Inst &inst, uint32_t offset, uint32_t lanes, const char *what);

/// Splits lanes by the window of a generic address and runs the action for each space, with addresses of that space in
/// the scratch register.
void runGeneric(Warp &warp, const Inst &inst, uint32_t lanes, Action global, Action shared, Action local);

/// "block 2, warp 1", or "warp 1" of the own block: for reports.
std::string describeWarp(const Warp &warp, uint32_t slot);
/// The number of bytes behind a name, for reports: "shared memory at byte 1152".
std::string describeShared(const Warp &warp, uint64_t address);
std::string describeGlobal(const Warp &warp, uint64_t address);

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_ACCESS_H
