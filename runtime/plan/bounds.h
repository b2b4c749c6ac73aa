// SPDX-License-Identifier: Apache-2.0
//
// What a reader accepts at most. The numbers are far above what a compiler writes; they bound the time and memory that
// opening a hostile file can take. README.md beside plan.fbs lists them for writers.

#ifndef YUPANA_RUNTIME_PLAN_BOUNDS_H
#define YUPANA_RUNTIME_PLAN_BOUNDS_H

#include <cstdint>

namespace yupana::runtime {

inline constexpr uint32_t kMaxTables = 1u << 18; // FlatBuffers tables
inline constexpr uint32_t kMaxDepth = 16;
inline constexpr uint32_t kMaxStringBytes = 4096;
inline constexpr uint32_t kMaxWeights = 1u << 16;
inline constexpr uint32_t kMaxCacheGroups = 64;
inline constexpr uint32_t kMaxLayers = 4096;
inline constexpr uint32_t kMaxStopTokens = 4096;
inline constexpr uint32_t kMaxRank = 8;
inline constexpr uint32_t kMaxPartTensors = 1u << 16; // of a part of a weight
inline constexpr uint32_t kMaxLinks = 64;             // of a part of a weight
inline constexpr uint32_t kMaxTargets = 16;
inline constexpr uint32_t kMaxArenas = 64;
inline constexpr uint32_t kMaxBuffers = 1u << 14;
inline constexpr uint32_t kMaxKernels = 4096;
inline constexpr uint32_t kImageFormats = 3;
inline constexpr uint32_t kMaxPrograms = 64;
inline constexpr uint32_t kMaxLaunches = 1u << 16; // of a target
inline constexpr uint32_t kMaxArguments = 256;     // of a launch
inline constexpr uint32_t kMaxBlockThreads = 1024;
inline constexpr uint32_t kMaxGridTerms = 64;
inline constexpr uint32_t kMaxGridStack = 16;
inline constexpr uint64_t kMaxAlignment = uint64_t{2} << 20; // of a section or an arena
inline constexpr uint64_t kMaxScratchBytes = uint64_t{1} << 30;
inline constexpr uint32_t kMaxBatch = 1u << 16;
inline constexpr uint32_t kMaxStepTokens = 1u << 24;

} // namespace yupana::runtime

#endif
