// SPDX-License-Identifier: Apache-2.0
#ifndef YUPANA_TOOLS_SIMDRIVER_MATRIX_H
#define YUPANA_TOOLS_SIMDRIVER_MATRIX_H

#include "tools/simdriver/Decoder.h"

namespace yupana::ptx {

/// Ends the launch unless all 32 lanes execute.
void requireAllLanes(Warp &warp, uint32_t lanes);
float fromHalfBits(uint16_t bits);
void decodeWarpgroupMatrix(Decoder &decoder); // wgmma

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_MATRIX_H
