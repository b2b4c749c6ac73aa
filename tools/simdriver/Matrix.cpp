// SPDX-License-Identifier: Apache-2.0
//
// ldmatrix, stmatrix and mma.sync. Products are exact in float32 and are added in ascending K from zero, then to the
// accumulator; hardware adds in an order and with a precision of its own, which Readings.md lists.
#include "tools/simdriver/Matrix.h"
#include "tools/simdriver/Access.h"

#include "tools/simdriver/Operations.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

void yupana::ptx::requireAllLanes(Warp &warp, uint32_t lanes) {
  if (lanes != ~0u)
    fail(warp, Fault::Misuse, fmt::format("only the lanes {:#x} execute an instruction that needs all 32", lanes));
}

namespace {

/// Where the row that a lane names begins in the block's shared memory, checked; 8 rows of 16 bytes for each matrix.
uint32_t rowOf(Warp &warp, const Inst &inst, int lane, bool write) {
  uint32_t address = warp.at<uint32_t>(inst.a)[lane] + static_cast<uint32_t>(inst.immediate);
  sharedAt(warp, address, 16, 16);
  if (warp.cluster->launch->races) {
    AccessKind kind;
    kind.write = write;
    orderShared(warp, address, 16, kind);
  }
  return address - sharedBase;
}

/// Element pair of a lane: row lane / 4, columns 2 * (lane % 4) and the next; transposed: row and column exchanged.
struct Halves {
  uint32_t first, second;
};
Halves placesOf(const uint32_t *rows, int lane, bool transposed) {
  uint32_t pair = static_cast<uint32_t>(lane & 3) * 2, row = static_cast<uint32_t>(lane >> 2);
  if (transposed)
    return {rows[pair] + row * 2, rows[pair + 1] + row * 2};
  return {rows[row] + pair * 2, rows[row] + pair * 2 + 2};
}

/// Lane 8 m + r names row r of matrix m, and all lanes get their pair of every matrix, whoever named its rows.
void loadMatrix(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireAllLanes(warp, lanes);
  Cluster &cluster = *warp.cluster;
  // Only lanes that name rows need an address: 8 for each matrix.
  requireDefined(warp, inst, inst.a, inst.count == 4 ? ~0u : (1u << 8 * inst.count) - 1, "the address");
  uint32_t rows[32];
  for (int lane = 0; lane < 8 * inst.count; ++lane)
    rows[lane] = rowOf(warp, inst, lane, false);
  const uint32_t *registers = operandsOf(warp, inst);
  for (int matrix = 0; matrix < inst.count; ++matrix) {
    uint32_t *d = warp.at<uint32_t>(registers[matrix]);
    uint32_t undefined = 0;
    for (int lane = 0; lane < 32; ++lane) {
      // Kind is .trans.
      Halves place = placesOf(rows + 8 * matrix, lane, inst.kind);
      uint16_t low, high;
      memcpy(&low, &cluster.shared[place.first], 2);
      memcpy(&high, &cluster.shared[place.second], 2);
      // The element of the lower column or row is in the lower half.
      d[lane] = uint32_t{high} << 16 | low;
      if (cluster.launch->undefined) {
        memcpy(&low, &cluster.sharedDefined[place.first], 2);
        memcpy(&high, &cluster.sharedDefined[place.second], 2);
        undefined |= ((low & high) != 0xffff ? 1u : 0u) << lane;
      }
    }
    warp.undefinedAt(registers[matrix]) = undefined;
  }
}

void storeMatrix(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireAllLanes(warp, lanes);
  Cluster &cluster = *warp.cluster;
  requireDefined(warp, inst, inst.a, inst.count == 4 ? ~0u : (1u << 8 * inst.count) - 1, "the address");
  const uint32_t *registers = operandsOf(warp, inst);
  // All addresses before any store: a fault leaves memory as it was.
  uint32_t rows[32];
  for (int lane = 0; lane < 8 * inst.count; ++lane)
    rows[lane] = rowOf(warp, inst, lane, true);
  for (int matrix = 0; matrix < inst.count; ++matrix) {
    const uint32_t *values = warp.at<uint32_t>(registers[matrix]);
    uint32_t undefined = warp.undefinedAt(registers[matrix]);
    for (int lane = 0; lane < 32; ++lane) {
      Halves place = placesOf(rows + 8 * matrix, lane, inst.kind);
      memcpy(&cluster.shared[place.first], &values[lane], 2);
      memcpy(&cluster.shared[place.second], reinterpret_cast<const uint8_t *>(&values[lane]) + 2, 2);
      memset(&cluster.sharedDefined[place.first], undefined >> lane & 1 ? 0 : 0xff, 2);
      memset(&cluster.sharedDefined[place.second], undefined >> lane & 1 ? 0 : 0xff, 2);
    }
  }
  // Progress that wakes nobody: other warps learn of it by a barrier.
  ++cluster.events;
}

/// Bit g: one of the lanes 4g to 4g+3 is set, which hold a row of A or a column of B together.
uint32_t anyOfFour(uint32_t lanes) {
  uint32_t result = 0;
  for (int g = 0; g < 8; ++g)
    result |= (lanes >> 4 * g & 15 ? 1u : 0u) << g;
  return result;
}

/// Undefined lanes of the four accumulators of m16n8: an undefined element of A spoils its row, one of B its column.
void spreadUndefined(Warp &warp, const uint32_t *d, const uint32_t *a, int aCount, const uint32_t *b, int bCount,
                     const uint32_t *c) {
  // low and high: rows 0 to 7 and 8 to 15 of A, which take turns in its registers.
  uint32_t low = 0, high = 0, columns = 0, before[4], any = 0;
  for (int r = 0; r < aCount; ++r)
    (r & 1 ? high : low) |= warp.undefinedAt(a[r]);
  for (int r = 0; r < bCount; ++r)
    columns |= warp.undefinedAt(b[r]);
  for (int r = 0; r < 4; ++r)
    any |= before[r] = warp.undefinedAt(c[r]);
  any |= low | high | columns;
  low = anyOfFour(low), high = anyOfFour(high), columns = anyOfFour(columns);
  for (int r = 0; r < 4; ++r) {
    uint32_t undefined = before[r];
    for (int lane = 0; any && lane < 32; ++lane) {
      uint32_t row = (r < 2 ? low : high) >> (lane >> 2) & 1, column = columns >> ((lane & 3) * 2 + (r & 1)) & 1;
      undefined |= (row | column) << lane;
    }
    warp.undefinedAt(d[r]) = undefined;
  }
}

template <bool Bf16> float halfToFloat(uint32_t bits) {
  return Bf16 ? fromBf16(static_cast<uint16_t>(bits)) : fromHalfBits(static_cast<uint16_t>(bits));
}

/// m16n8k16 and m16n8k8 with 16-bit elements and float32 accumulators. Registers: D 4, A K/4, B K/8, C 4.
template <int K, bool Bf16> void multiply(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireAllLanes(warp, lanes);
  constexpr int aCount = K / 4, bCount = K / 8;
  const uint32_t *d = operandsOf(warp, inst), *a = d + 4, *b = a + aCount, *c = b + bCount;
  float A[16][K], B[K][8], sums[16][8];
  for (int r = 0; r < aCount; ++r) {
    const uint32_t *values = warp.at<uint32_t>(a[r]);
    for (int lane = 0; lane < 32; ++lane) {
      int row = (lane >> 2) + (r & 1) * 8, k = (lane & 3) * 2 + (r >> 1) * 8;
      A[row][k] = halfToFloat<Bf16>(values[lane]);
      A[row][k + 1] = halfToFloat<Bf16>(values[lane] >> 16);
    }
  }
  for (int r = 0; r < bCount; ++r) {
    const uint32_t *values = warp.at<uint32_t>(b[r]);
    for (int lane = 0; lane < 32; ++lane) {
      int k = (lane & 3) * 2 + r * 8;
      B[k][lane >> 2] = halfToFloat<Bf16>(values[lane]);
      B[k + 1][lane >> 2] = halfToFloat<Bf16>(values[lane] >> 16);
    }
  }
  // Eight sums side by side, which the compiler makes a vector of: each still adds in ascending k.
  for (int row = 0; row < 16; ++row) {
    float sum[8] = {};
    for (int k = 0; k < K; ++k)
      for (int n = 0; n < 8; ++n)
        sum[n] += A[row][k] * B[k][n];
    memcpy(sums[row], sum, sizeof sum);
  }
  // Before D is written: it may be the registers of C, in any order.
  if (warp.cluster->launch->undefined)
    spreadUndefined(warp, d, a, aCount, b, bCount, c);
  float results[4][32];
  for (int r = 0; r < 4; ++r) {
    const float *from = warp.at<float>(c[r]);
    for (int lane = 0; lane < 32; ++lane)
      results[r][lane] = from[lane] + sums[(lane >> 2) + (r >> 1) * 8][(lane & 3) * 2 + (r & 1)];
  }
  for (int r = 0; r < 4; ++r)
    memcpy(warp.at<float>(d[r]), results[r], sizeof results[r]);
  ++warp.matrixInstructions;
}

void decodeMultiply(Decoder &decoder) {
  Inst inst;
  inst.aligned = true;
  bool bf16 = decoder.has("bf16"), k16 = decoder.has("m16n8k16");
  // The whole opcode is compared, so that no qualifier is overlooked.
  const std::string &opcode = decoder.statement().opcode;
  std::string type = bf16 ? "bf16" : "f16";
  if (opcode != fmt::format("mma.sync.aligned.m16n8k{}.row.col.f32.{}.{}.f32", k16 ? 16 : 8, type, type))
    decoder.unsupported();
  std::vector<uint32_t> registers;
  for (const OperandText &element : decoder.elements(decoder.operand(0)))
    registers.push_back(decoder.destination(element, 4));
  for (size_t at : {1, 2, 3})
    for (const OperandText &element : decoder.elements(decoder.operand(at)))
      registers.push_back(decoder.source(element, 4));
  // 4 of D, K/4 of A, K/8 of B, 4 of C.
  if (registers.size() != (k16 ? 14u : 11u))
    decoder.unsupported("the number of registers does not fit the shape");
  decoder.list(inst, registers);
  inst.action =
      k16 ? (bf16 ? multiply<16, true> : multiply<16, false>) : (bf16 ? multiply<8, true> : multiply<8, false>);
  decoder.emit(inst);
}

} // namespace

void yupana::ptx::decodeMatrix(Decoder &decoder) {
  const std::string &base = decoder.parts()[0];
  if (base == "mma")
    return decodeMultiply(decoder);
  if (base == "wgmma")
    return decodeWarpgroupMatrix(decoder);
  Inst inst;
  bool load = base == "ldmatrix";
  if (!decoder.has("m8n8") || decoder.parts().back() != "b16")
    decoder.unsupported();
  std::vector<uint32_t> registers;
  for (const OperandText &element : decoder.elements(decoder.operand(load ? 0 : 1)))
    registers.push_back(load ? decoder.destination(element, 4) : decoder.source(element, 4));
  // Four matrices have 32 rows, of which each lane names one.
  size_t matrices = decoder.has("x4") ? 4 : decoder.has("x2") ? 2 : 1;
  if (registers.size() != matrices)
    decoder.unsupported(fmt::format("{} registers for {} matrices", registers.size(), matrices));
  decoder.list(inst, registers);
  decoder.address(decoder.operand(load ? 1 : 0), 4, inst.a, inst.immediate);
  inst.kind = decoder.has("trans");
  inst.action = load ? loadMatrix : storeMatrix;
  // The check of races follows memory by cells; rows have 16 bytes.
  decoder.noteGrain(4);
  decoder.emit(inst);
}
