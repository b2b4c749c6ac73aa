// SPDX-License-Identifier: Apache-2.0
//
// wgmma: each warp computes its 16 of the 64 rows when it issues the instruction, from shared memory as it is then.
// That nobody writes there before the group is waited for, and that nobody reads the accumulators before, is checked.
#include "tools/simdriver/Access.h"
#include "tools/simdriver/Matrix.h"

#include "tools/simdriver/Operations.h"

#include <fmt/format.h>

using namespace yupana;
using namespace yupana::ptx;

namespace {

/// A matrix in shared memory, swizzled by 128 bytes: what a descriptor says. Eight rows follow one another, the next
/// eight are a stride further. Rows are along K, or, where the matrix is transposed, along N, and then the next 64 of N
/// are the leading offset further.
struct Descriptor {
  uint32_t start = 0, stride = 0, leading = 0;
};

/// `name` is that of the operand, for reports.
Descriptor descriptorOf(Warp &warp, const Inst &inst, uint32_t offset, const char *name) {
  const uint64_t *values = warp.at<uint64_t>(offset);
  requireDefined(warp, inst, offset, ~0u, name);
  for (int lane = 1; lane < 32; ++lane)
    if (values[lane] != values[0])
      fail(warp, Fault::Misuse, fmt::format("the lanes differ in the descriptor of {}", name));
  uint64_t value = values[0];
  // Bits 62 and 63 are the swizzle, 49 to 51 the base offset (PTX manual, matrix descriptor).
  if (value >> 62 != 1 || (value >> 49 & 7) != 0)
    fail(warp, Fault::Unsupported,
         fmt::format("the descriptor {:#x} of {} is not of the 128-byte swizzle without a base "
                     "offset, the only one that is built",
                     value, name));
  // Addresses and strides are in units of 16 bytes, 14 bits each.
  auto bytesAt = [&](int shift) { return static_cast<uint32_t>(value >> shift & 0x3fff) << 4; };
  // The start says nothing of the block, which is the own one.
  return {warp.block->rank * blockWindow + bytesAt(0), bytesAt(32), bytesAt(16)};
}

/// The 16-byte chunk `half` of row `row` within 16 elements of K. The swizzle of 128 bytes: bits 4 to 6 of the address
/// are changed by bits 7 to 9, which are the row within its group of eight.
uint32_t chunkOf(const Descriptor &matrix, uint32_t row, uint32_t half) {
  uint32_t address = matrix.start + row / 8 * matrix.stride + (row & 7) * 128 + half * 16;
  return address ^ (address >> 3 & 0x70);
}

/// Reads the eight elements of a chunk; false if they hold what nobody wrote.
bool readChunk(Warp &warp, uint32_t address, float to[8]) {
  Cluster &cluster = *warp.cluster;
  AccessKind kind;
  // The read ends when the group is complete that the next commit makes: slot and clock say so to Shadow.
  kind.async = true;
  kind.slot = cluster.warpgroupSlot(warp), kind.clock = warp.committedGroups + 1;
  const uint8_t *from = sharedAt(warp, address, 16, 16);
  if (cluster.launch->races)
    orderShared(warp, address, 16, kind);
  uint16_t values[8];
  memcpy(values, from, sizeof values);
  for (int i = 0; i < 8; ++i)
    to[i] = fromBf16(values[i]);
  return !cluster.launch->undefined || definedShared(warp, address, 16);
}

/// Reads 16 elements of each row as floats; sets bits of `undefined` for rows that hold what nobody wrote.
void readRows(Warp &warp, const Descriptor &matrix, uint32_t first, uint32_t rows, float *to,
              std::vector<bool> &undefined) {
  for (uint32_t row = 0; row < rows; ++row)
    for (uint32_t half = 0; half < 2; ++half)
      if (!readChunk(warp, chunkOf(matrix, first + row, half), to + row * 16 + half * 8))
        undefined[row] = true;
}

/// The same of a matrix whose rows are along N: `columns` of them become as many rows of 16.
void readColumns(Warp &warp, const Descriptor &matrix, uint32_t columns, float *to, std::vector<bool> &undefined) {
  for (uint32_t k = 0; k < 16; ++k)
    for (uint32_t chunk = 0; chunk < columns / 8; ++chunk) {
      Descriptor tile = matrix;
      tile.start += chunk / 8 * matrix.leading;
      float values[8];
      bool defined = readChunk(warp, chunkOf(tile, k, chunk % 8), values);
      for (uint32_t i = 0; i < 8; ++i) {
        to[(chunk * 8 + i) * 16 + k] = values[i];
        if (!defined)
          undefined[chunk * 8 + i] = true;
      }
    }
}

/// A in registers, as in mma.m16n8k16: four registers of pairs, rows 0 to 7 and 8 to 15 in turn.
void readRegisters(Warp &warp, const uint32_t *registers, float *to, std::vector<bool> &undefined) {
  for (int r = 0; r < 4; ++r) {
    const uint32_t *values = warp.at<uint32_t>(registers[r]);
    uint32_t mask = warp.undefinedAt(registers[r]);
    for (int lane = 0; lane < 32; ++lane) {
      int row = (lane >> 2) + (r & 1) * 8, k = (lane & 3) * 2 + (r >> 1) * 8;
      to[row * 16 + k] = fromBf16(static_cast<uint16_t>(values[lane]));
      to[row * 16 + k + 1] = fromBf16(static_cast<uint16_t>(values[lane] >> 16));
      if (mask >> lane & 1)
        undefined[static_cast<size_t>(row)] = true;
    }
  }
}

/// Registers that the instruction uses must not have been written since the last wgmma.fence by anything but wgmma: the
/// product runs asynchronously and waits for no ordinary instruction.
void requireFence(Warp &warp, uint32_t offset) {
  // An accumulator that an earlier product in flight writes may be used again without a fence.
  if (warp.matrixFences == 0 || (warp.writtenAtFence[offset >> 6] == warp.matrixFences && !warp.writers[offset >> 6]))
    fail(warp, Fault::Race, "a register of this wgmma was written after the last wgmma.fence");
}

/// The state of the accumulator `v`: whether undefined lanes are to be kept, and what this product adds to them.
void noteAccumulator(Warp &warp, uint32_t offset, int v, bool keeps, const std::vector<bool> &rows,
                     const std::vector<bool> &columns, bool any) {
  uint32_t place = offset >> 6;
  // What earlier products in flight leave in the accumulator counts, not what its register shows now.
  uint32_t undefined = !keeps ? 0 : warp.writers[place] ? warp.undefinedLater[place] : warp.undefined[place];
  for (int lane = 0; any && lane < 32; ++lane) {
    size_t row = static_cast<size_t>((lane >> 2) + (v >> 1 & 1) * 8);
    size_t column = static_cast<size_t>(v / 4 * 8 + (lane & 3) * 2 + (v & 1));
    undefined |= (rows[row] || columns[column] ? 1u : 0u) << lane;
  }
  warp.undefinedLater[place] = undefined;
  // Undefined for everybody until the group is waited for.
  warp.undefined[place] = ~0u;
  ++warp.writers[place];
  warp.openRegisters.push_back(offset);
}

/// Registers: N/2 accumulators, then the predicate of scale-d, then A's descriptor or four registers, then B's. The
/// immediate says whether B is transposed.
void multiply(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireAllLanes(warp, lanes);
  const uint32_t *accumulators = operandsOf(warp, inst);
  uint32_t N = inst.kind;
  int count = static_cast<int>(N / 2);
  const uint32_t *rest = accumulators + count;
  // The predicate, four registers of A and the descriptor of B; with a descriptor for A it is three.
  bool fromRegisters = inst.count == count + 6;
  // scale-d decides for the warpgroup whether the accumulator counts.
  requireDefined(warp, inst, rest[0], ~0u, "scale-d");
  uint32_t scale = *warp.at<uint32_t>(rest[0]);
  if (scale != 0 && scale != ~0u)
    fail(warp, Fault::Misuse, "the lanes differ in scale-d");
  // Of each thread, since blocks run on several of them; nothing is kept from one call to the next.
  static thread_local float A[16 * 16], B[256 * 16], transposed[16 * 256], sums[16][256];
  std::vector<bool> rows(16), columns(N);
  // Each of the four warps of a warpgroup has 16 rows of A, by its place in the group; all of them read the whole B.
  if (fromRegisters)
    readRegisters(warp, rest + 1, A, rows);
  else
    readRows(warp, descriptorOf(warp, inst, rest[1], "A"), (warp.number & 3) * 16, 16, A, rows);
  Descriptor second = descriptorOf(warp, inst, rest[inst.count - count - 1], "B");
  if (inst.immediate)
    readColumns(warp, second, N, B, columns);
  else
    readRows(warp, second, 0, N, B, columns);
  // Transposed, so that the innermost loop runs along memory and becomes vectors.
  for (uint32_t n = 0; n < N; ++n)
    for (uint32_t k = 0; k < 16; ++k)
      transposed[k * N + n] = B[n * 16 + k];
  for (int row = 0; row < 16; ++row) {
    float *sum = sums[row];
    memset(sum, 0, N * sizeof(float));
    for (uint32_t k = 0; k < 16; ++k) {
      float a = A[row * 16 + static_cast<int>(k)];
      for (uint32_t n = 0; n < N; ++n)
        sum[n] += a * transposed[k * N + n];
    }
  }
  bool any = std::find(rows.begin(), rows.end(), true) != rows.end() ||
             std::find(columns.begin(), columns.end(), true) != columns.end();
  for (int v = 0; v < count; ++v) {
    requireFence(warp, accumulators[v]);
    float *d = warp.at<float>(accumulators[v]);
    for (int lane = 0; lane < 32; ++lane) {
      float value = sums[(lane >> 2) + (v >> 1 & 1) * 8][v / 4 * 8 + (lane & 3) * 2 + (v & 1)];
      // Without scale-d the accumulator is not read: it may hold NaN.
      d[lane] = scale ? d[lane] + value : value;
    }
    noteAccumulator(warp, accumulators[v], v, scale != 0, rows, columns, any);
  }
  ++warp.matrixInstructions;
}

void fence(Warp &warp, const Inst &, uint32_t lanes) {
  requireAllLanes(warp, lanes);
  // Later products may use registers that were written before this fence.
  ++warp.matrixFences;
}

void commit(Warp &warp, const Inst &, uint32_t lanes) {
  requireAllLanes(warp, lanes);
  // The group takes the products since the last one; it may be empty.
  warp.pendingRegisters.push_back(std::move(warp.openRegisters));
  warp.openRegisters.clear();
  ++warp.committedGroups;
  // Another warp of the warpgroup may wait for this commit.
  happen(*warp.cluster);
}

/// A group is complete when all four warps have committed it. Until then the warp waits.
void wait(Warp &warp, const Inst &inst, uint32_t lanes) {
  requireAllLanes(warp, lanes);
  Cluster &cluster = *warp.cluster;
  uint32_t pending = static_cast<uint32_t>(inst.immediate);
  // As many groups as the operand says may stay in flight.
  if (warp.committedGroups - warp.waitedGroups <= pending)
    return;
  uint32_t upTo = warp.committedGroups - pending;
  // Warps 4 i to 4 i + 3 are a warpgroup.
  uint32_t first = warp.number / 4 * 4;
  for (uint32_t w = first; w < first + 4 && w < cluster.warpsPerBlock; ++w)
    if (cluster.warps[warp.block->firstWarp + w].committedGroups < upTo) {
      // The wait is executed again when something has happened.
      --warp.pc;
      warp.stop = Stop::Blocked;
      warp.blockedEpoch = cluster.epoch;
      return;
    }
  for (; warp.waitedGroups < upTo; ++warp.waitedGroups) {
    for (uint32_t offset : warp.pendingRegisters.front()) {
      uint32_t place = offset >> 6;
      // A later group may still write the same accumulator.
      if (--warp.writers[place] == 0)
        warp.undefined[place] = warp.undefinedLater[place];
    }
    warp.pendingRegisters.pop_front();
  }
  if (cluster.launch->races)
    // The reads of all groups up to this one have ended, which Shadow compares with the clocks that readRows gave.
    warp.knowledge.own[cluster.warpgroupSlot(warp)] = upTo;
}

} // namespace

void yupana::ptx::decodeWarpgroupMatrix(Decoder &decoder) {
  const auto &parts = decoder.parts();
  Inst inst;
  // Only such programs pay for noting which registers were written since a fence.
  decoder.target().usesWarpgroups = true;
  if (parts[1] == "fence") {
    inst.action = fence;
  } else if (parts[1] == "commit_group") {
    inst.action = commit;
  } else if (parts[1] == "wait_group") {
    inst.action = wait;
    inst.immediate = decoder.immediate(decoder.operand(0));
  } else {
    // wgmma.mma_async.sync.aligned.m64nNk16.f32.bf16.bf16 d, a, b, scale-d, imm-a, imm-b, trans-a, trans-b
    unsigned N = 0;
    if (parts.size() != 8 || sscanf(parts[4].c_str(), "m64n%uk16", &N) != 1 || N % 8 || N < 8 || N > 256 ||
        parts[5] != "f32" || parts[6] != "bf16" || parts[7] != "bf16")
      decoder.unsupported("of wgmma the shapes m64nNk16 of bf16 into f32 are built");
    bool fromRegisters = decoder.operand(1).kind == OperandText::Vector;
    std::vector<uint32_t> registers;
    for (const OperandText &element : decoder.elements(decoder.operand(0)))
      registers.push_back(decoder.destination(element, 4));
    if (registers.size() != N / 2)
      decoder.unsupported("the number of accumulators does not fit the shape");
    registers.push_back(decoder.source(decoder.operand(3), 0));
    if (fromRegisters)
      for (const OperandText &element : decoder.elements(decoder.operand(1)))
        registers.push_back(decoder.source(element, 4));
    else
      registers.push_back(decoder.source(decoder.operand(1), 8));
    registers.push_back(decoder.source(decoder.operand(2), 8));
    // imm-scale-a and imm-scale-b are 1 or -1; transpositions, of A only where it is in shared memory, 0 or 1.
    size_t last = fromRegisters ? 6 : 7;
    if (decoder.operandCount() != last + 1)
      decoder.unsupported("the number of operands does not fit the shape");
    for (size_t at = 4; at < last; ++at)
      if (decoder.immediate(decoder.operand(at)) != (at < 6 ? 1 : 0))
        decoder.unsupported("negated operands and a transposed A are not built");
    inst.immediate = decoder.immediate(decoder.operand(last));
    decoder.list(inst, registers);
    inst.kind = static_cast<uint16_t>(N);
    inst.action = multiply;
    decoder.noteGrain(4);
  }
  decoder.emit(inst);
}
