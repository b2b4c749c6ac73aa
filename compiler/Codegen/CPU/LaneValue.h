// SPDX-License-Identifier: Apache-2.0
//
// Values of a scalar region for 16 neighbouring lanes at once, and their index arithmetic.
#ifndef YUPANA_COMPILER_CODEGEN_CPU_LANEVALUE_H
#define YUPANA_COMPILER_CODEGEN_CPU_LANEVALUE_H

#include "compiler/Codegen/CPU/Emitter.h"

#include <array>

namespace yupana::codegen {

/// One value per lane, in the cheapest of three forms. Of an index, everything is i64.
struct LaneValue {
  using Offsets = std::array<int64_t, vectorLanes>;
  enum class Form {
    Uniform, ///< `value` is a scalar, the same in every lane.
    Pattern, ///< Lane i is the scalar `value` plus the constant offsets[i]. Of indices only.
    Varying, ///< `value` is a vector<16x..>.
  };

  Form form = Form::Uniform;
  mlir::Value value;
  Offsets offsets = {};
  /// `value` of a uniform or pattern index is a multiple of this; 0 for the constant 0.
  int64_t multiple = 1;

  static LaneValue uniform(mlir::Value scalar);
  static LaneValue varying(mlir::Value vector) { return {Form::Varying, vector, {}, 1}; }
  static LaneValue pattern(mlir::Value base, const Offsets &offsets, int64_t multiple);
  /// base + 0, base + 1, .. for a base that is a multiple of `multiple`.
  static LaneValue consecutive(mlir::Value base, int64_t multiple);

  bool isUniform() const { return form == Form::Uniform; }
  bool isVarying() const { return form == Form::Varying; }
};

/// How many of the 16 lanes exist; lane 0 always does. The others hold anything and must have no effect.
struct ActiveLanes {
  int64_t count = vectorLanes;
};

/// Integer arithmetic on lane values that keeps the cheap forms where they exist, and memory access by them.
class LaneMath {
public:
  explicit LaneMath(Emitter &emitter) : e(emitter) {}

  LaneValue add(const LaneValue &x, const LaneValue &y);
  LaneValue sub(const LaneValue &x, const LaneValue &y);
  LaneValue mul(const LaneValue &x, const LaneValue &y);
  LaneValue mul(const LaneValue &x, int64_t y) { return mul(x, LaneValue::uniform(e.integer(y))); }
  LaneValue div(const LaneValue &x, const LaneValue &y);
  LaneValue div(const LaneValue &x, int64_t y) { return div(x, LaneValue::uniform(e.integer(y))); }
  LaneValue rem(const LaneValue &x, const LaneValue &y);
  LaneValue rem(const LaneValue &x, int64_t y) { return rem(x, LaneValue::uniform(e.integer(y))); }
  LaneValue exclusiveOr(const LaneValue &x, const LaneValue &y);

  /// The value as a vector<16x..>, and of one lane of it.
  mlir::Value vector(const LaneValue &x);
  mlir::Value lane(const LaneValue &x, int64_t lane);

  /// Elements `index` of an array of `type` at `base`. A vector load may read up to 60 bytes beyond the last element
  /// that an active lane names.
  LaneValue load(mlir::Type type, mlir::Value base, const LaneValue &index, ActiveLanes active);
  /// Of lanes that name the same element the highest wins.
  void store(const LaneValue &value, mlir::Value base, const LaneValue &index, ActiveLanes active);
  /// Stores `even`, 16 bits each or float32, to the elements `index` and `odd` to those behind them. Every index is
  /// even.
  void storePairs(const LaneValue &even, const LaneValue &odd, mlir::Value base, const LaneValue &index,
                  ActiveLanes active);
  /// True if every lane's index is known to be even.
  bool isEven(const LaneValue &index) const;

private:
  mlir::Value addresses(mlir::Type type, mlir::Value base, const LaneValue &index);

  Emitter &e;
};

} // namespace yupana::codegen

#endif // YUPANA_COMPILER_CODEGEN_CPU_LANEVALUE_H
