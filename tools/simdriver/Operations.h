// SPDX-License-Identifier: Apache-2.0
//
// Instructions whose result depends on nothing but the lane's own registers, as a table from the whole opcode.
#ifndef YUPANA_TOOLS_SIMDRIVER_OPERATIONS_H
#define YUPANA_TOOLS_SIMDRIVER_OPERATIONS_H

#include "tools/simdriver/Machine.h"

#include <cmath>
#include <cstring>
#include <type_traits>

namespace yupana::ptx {

/// Bytes of the destination and of each source; 0 for a predicate, -1 for none.
struct Operation {
  Action action = nullptr;
  int d = -1, a = -1, b = -1, c = -1;
  /// The result is undefined wherever an operand is; else the action sees to it.
  bool flows = true;
};
using OperationTable = std::unordered_map<std::string, Operation>;

/// Null for an opcode that the table lacks.
const Operation *findOperation(const std::string &opcode);

void addIntegerOperations(OperationTable &table);
void addFloatOperations(OperationTable &table);
void addConversions(OperationTable &table);
void addComparisons(OperationTable &table);

inline float fromBf16(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

/// To nearest, ties to even; a NaN becomes the canonical one.
inline uint16_t toBf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return static_cast<uint16_t>(value != value ? 0x7fff : rounded);
}

inline float flushed(float value) { return std::fabs(value) < 0x1p-126f ? std::copysign(0.0f, value) : value; }

template <class D, class A, class F> inline void unary(Warp &warp, const Inst &inst, uint32_t lanes, F f) {
  D *d = warp.at<D>(inst.d);
  const A *a = warp.at<A>(inst.a);
  forLanes(lanes, [=](int lane) { d[lane] = f(a[lane]); });
}

template <class D, class A, class B, class F> inline void binary(Warp &warp, const Inst &inst, uint32_t lanes, F f) {
  D *d = warp.at<D>(inst.d);
  const A *a = warp.at<A>(inst.a);
  const B *b = warp.at<B>(inst.b);
  forLanes(lanes, [=](int lane) { d[lane] = f(a[lane], b[lane]); });
}

template <class D, class A, class B, class C, class F>
inline void ternary(Warp &warp, const Inst &inst, uint32_t lanes, F f) {
  D *d = warp.at<D>(inst.d);
  const A *a = warp.at<A>(inst.a);
  const B *b = warp.at<B>(inst.b);
  const C *c = warp.at<C>(inst.c);
  forLanes(lanes, [=](int lane) { d[lane] = f(a[lane], b[lane], c[lane]); });
}

// An operation from an expression of a, b and c.
#define YUPANA_UNARY(D, A, expression)                                                                                 \
  Operation {                                                                                                          \
    [](Warp &warp, const Inst &inst, uint32_t lanes) {                                                                 \
      unary<D, A>(warp, inst, lanes, [](A a) -> D { return static_cast<D>(expression); });                             \
    },                                                                                                                 \
        sizeof(D), sizeof(A), -1, -1                                                                                   \
  }
#define YUPANA_BINARY(D, A, B, expression)                                                                             \
  Operation {                                                                                                          \
    [](Warp &warp, const Inst &inst, uint32_t lanes) {                                                                 \
      binary<D, A, B>(warp, inst, lanes, [](A a, B b) -> D { return static_cast<D>(expression); });                    \
    },                                                                                                                 \
        sizeof(D), sizeof(A), sizeof(B), -1                                                                            \
  }
#define YUPANA_TERNARY(D, A, B, C, expression)                                                                         \
  Operation {                                                                                                          \
    [](Warp &warp, const Inst &inst, uint32_t lanes) {                                                                 \
      ternary<D, A, B, C>(warp, inst, lanes, [](A a, B b, C c) -> D { return static_cast<D>(expression); });           \
    },                                                                                                                 \
        sizeof(D), sizeof(A), sizeof(B), sizeof(C)                                                                     \
  }

} // namespace yupana::ptx

#endif // YUPANA_TOOLS_SIMDRIVER_OPERATIONS_H
