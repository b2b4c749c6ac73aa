// SPDX-License-Identifier: Apache-2.0
//
// What the machine itself can do, measured: the ceilings that a plan's speed is held against.
#ifndef YUPANA_TOOLS_YUPANABENCH_MACHINE_H
#define YUPANA_TOOLS_YUPANABENCH_MACHINE_H

#include <cstdint>
#include <optional>
#include <string>

namespace yupana {

/// Medians over a few samples, of all threads together.
struct MachineSpeed {
  double readBandwidth = 0;        ///< Bytes/s, streaming through memory far larger than the caches.
  double f32Flops = 0;             ///< FLOP/s of fused multiply-adds on float32 in the widest registers.
  double f32Flops256 = 0;          ///< The same in registers of 256 bits, which x86-64-v3 has.
  std::optional<double> bf16Flops; ///< FLOP/s of bf16 dot products with float32 sums; nothing without AVX512_BF16.
  std::optional<double> tileFlops; ///< FLOP/s of bf16 tile products with float32 sums; nothing without AMX_BF16.
};

/// Measures with `threads` threads for about half a second. Nothing when there is no memory to read from, or the
/// processor lacks AVX2 and FMA.
std::optional<MachineSpeed> measureMachine(uint32_t threads);

/// "AMD EPYC 9655 96-Core Processor", as the processor calls itself; "unknown" where it does not.
std::string cpuModel();

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANABENCH_MACHINE_H
