// SPDX-License-Identifier: Apache-2.0
//
// What each target of schema::kTargets offers its code generator, in the same order. For a CPU: LLVM's name of the
// processor and what is switched on beside it, what a machine needs that the levels before it do not (which is how a
// host is recognised), and the size and number of vector registers. For a GPU: its compute capability, whether its code
// runs on devices of that generation alone, and how much shared memory a block may have, as the CUDA programming guide
// lists them; then the bandwidth of a multiprocessor times the latency under load.

#include "compiler/Target/Target.h"

#include "runtime/schema/targets.h"

#include <iterator>

using namespace yupana;

const std::vector<Target> &yupana::targets() {
  // The features are those that LLVM reports of a host; "x86-64-v3" and "x86-64-v4" are names of its processors.
  static const std::variant<CpuFacts, GpuFacts> facts[] = {
      CpuFacts{"x86-64-v3", "",
               "cx16 popcnt sahf sse3 ssse3 sse4.1 sse4.2 avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave", 256, 16, false,
               false},
      CpuFacts{"x86-64-v4", "", "avx512f avx512bw avx512cd avx512dq avx512vl", 512, 32, false, false},
      CpuFacts{"x86-64-v4", "+avx512bf16", "avx512bf16", 512, 32, true, false},
      CpuFacts{"x86-64-v4", "+avx512bf16,+amx-tile,+amx-bf16", "amx-tile amx-bf16", 512, 32, true, true},
      GpuFacts{80, false, 163 << 10, 16 << 10},
      GpuFacts{89, false, 99 << 10, 12 << 10},
      GpuFacts{90, true, 227 << 10, 48 << 10},
      GpuFacts{100, true, 227 << 10, 64 << 10},
      GpuFacts{120, true, 99 << 10, 24 << 10},
  };
  static_assert(std::size(facts) == std::size(schema::kTargets));
  static const std::vector<Target> all = [] {
    std::vector<Target> list;
    for (size_t i = 0; i < std::size(facts); ++i)
      list.push_back({schema::kTargets[i].name, facts[i]});
    return list;
  }();
  return all;
}

const Target *yupana::findTarget(std::string_view name) {
  for (const Target &target : targets())
    if (target.name == name)
      return &target;
  return nullptr;
}
