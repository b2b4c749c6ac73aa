// SPDX-License-Identifier: Apache-2.0
//
// Packed forms: where element (batch, n, k) of an array [.., N, K] lies in memory. This is the only definition of each
// form. Verifiers, the exporter, the memory planner, the code generators and the readers of a plan all take ids,
// padding, sizes and addresses from here. Plain C++17: the runtime includes it, and so does the compiler.
//
// Every form is a grid of tiles. A tile holds R rows by C columns (elements along K) and is contiguous:
//
//   [batch][ceil(N / R)][ceil(K / C)][R][C]
//
// Rows and columns that only fill up the last tiles are padding, and padding of weights is zero. In a swizzled form the
// columns of a row are permuted inside its tile, 16 bytes at a time: chunk c of row r lies at chunk c xor (r mod 8).
//
//   id           R          C             swizzled   read by
//   row-major    1          1             no         gathers, routers, everything that is not multiplied
//   panel32      32         1             no         x86 products of float32
//   panel32x2    32         2             no         x86 products of bfloat16, whose dot product takes pairs of k
//   tile64x128   64         128 bytes     yes        GPU products: one tile is 8 KiB
//   rows128      all rows   128 bytes     yes        token panels: the other operand of GPU products
//
// The row of an interleaved weight that holds a pair of features is part of the address, too: see interleaved_row.

#ifndef YUPANA_RUNTIME_SCHEMA_FORMS_H
#define YUPANA_RUNTIME_SCHEMA_FORMS_H

#include "runtime/base/checked.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace yupana::schema {

/// Bytes of a chunk, the unit that the swizzle moves, and after how many rows its pattern repeats.
inline constexpr uint64_t kChunkBytes = 16;
inline constexpr uint64_t kSwizzleRows = 8;

struct PackedForm {
  const char *id;     // as in Weight.layout of a plan
  uint32_t tile_rows; // 0: one tile has all rows, rounded up to kSwizzleRows; a form of token rows, not of weights
  uint32_t columns;   // of a tile, where that is a number of elements; else 0
  uint32_t row_bytes; // of a tile, where that is fixed; else 0
  bool swizzled;      // then tile_rows is a multiple of kSwizzleRows

  constexpr bool is_weight_form() const { return tile_rows != 0; }
  /// Columns of a tile. `element_bytes` is 1, 2, 4 or 8.
  constexpr uint64_t tile_columns(uint64_t element_bytes) const {
    return row_bytes != 0 ? row_bytes / element_bytes : columns;
  }
};

inline constexpr PackedForm kRowMajor{"row-major", 1, 1, 0, false};
inline constexpr PackedForm kPanel32{"panel32", 32, 1, 0, false};
inline constexpr PackedForm kPanel32x2{"panel32x2", 32, 2, 0, false};
inline constexpr PackedForm kTile64x128{"tile64x128", 64, 0, 128, true};
inline constexpr PackedForm kRows128{"rows128", 0, 0, 128, true};

inline constexpr const PackedForm *kPackedForms[] = {&kRowMajor, &kPanel32, &kPanel32x2, &kTile64x128, &kRows128};

/// The form of that id; null when there is none.
constexpr const PackedForm *find_form(std::string_view id) {
  for (const PackedForm *form : kPackedForms)
    if (id == form->id)
      return form;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Padding and sizes
//===----------------------------------------------------------------------===//

/// An array [batches][rows][depth]. The dimensions in front of the last two are multiplied; a vector is one row.
struct PackedShape {
  uint64_t batches = 1;
  uint64_t rows = 1; // 0 where it is not known until a step runs: then there is one batch
  uint64_t depth = 1;
  uint64_t element_bytes = 4; // 1, 2, 4 or 8
};

/// Reads the extents of an array of any rank. False when the batches are more than 2^64.
template <typename Extents>
[[nodiscard]] constexpr bool packed_shape(const Extents &extents, uint64_t element_bytes, PackedShape *shape) {
  const uint64_t rank = extents.size();
  *shape = PackedShape{1, 1, 1, element_bytes};
  bool fits = true;
  for (uint64_t i = 0; i < rank; ++i) {
    const auto extent = static_cast<uint64_t>(extents[i]);
    if (i + 1 == rank)
      shape->depth = extent;
    else if (i + 2 == rank)
      shape->rows = extent;
    else
      fits = fits && runtime::checked_mul(shape->batches, extent, &shape->batches);
  }
  return fits;
}

/// Whole tiles that rows, and columns, fill.
constexpr uint64_t row_tiles(const PackedForm &form, const PackedShape &shape) {
  return form.tile_rows != 0 ? runtime::ceil_div(shape.rows, form.tile_rows) : 1;
}
constexpr uint64_t column_tiles(const PackedForm &form, const PackedShape &shape) {
  return runtime::ceil_div(shape.depth, form.tile_columns(shape.element_bytes));
}

/// Rows of one tile, those of padding included. `shape.rows` is below 2^64 - 8.
constexpr uint64_t tile_rows(const PackedForm &form, const PackedShape &shape) {
  return form.tile_rows != 0 ? form.tile_rows : runtime::ceil_div(shape.rows, kSwizzleRows) * kSwizzleRows;
}

/// Elements of one tile.
constexpr uint64_t tile_elements(const PackedForm &form, const PackedShape &shape) {
  return tile_rows(form, shape) * form.tile_columns(shape.element_bytes);
}

/// Elements from the beginning of a row of tiles to the next. Does not wrap where packed_bytes does not.
constexpr uint64_t row_tile_elements(const PackedForm &form, const PackedShape &shape) {
  return column_tiles(form, shape) * tile_elements(form, shape);
}

/// Bytes of the whole array, padding included. False when they are more than 2^64.
[[nodiscard]] constexpr bool packed_bytes(const PackedForm &form, const PackedShape &shape, uint64_t *bytes) {
  if (shape.rows > UINT64_MAX - kSwizzleRows)
    return false;
  *bytes = shape.element_bytes;
  for (uint64_t factor : {shape.batches, row_tiles(form, shape), column_tiles(form, shape), tile_rows(form, shape),
                          form.tile_columns(shape.element_bytes)})
    if (!runtime::checked_mul(*bytes, factor, bytes))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//
//
// `Math` computes with `Value`, which is a number in a reader and a value of the IR in a code generator:
//
//   Value add(Value, Value), mul(Value, Value), exclusiveOr(Value, Value)
//   Value mul(Value, uint64_t), div(Value, uint64_t), rem(Value, uint64_t)     the second operand above 0
//
// Tiles of one row or one column need no division, so a code generator emits no more than the form asks for.

namespace detail {

template <typename Math, typename Value> Value divided(Math &math, const Value &value, uint64_t by) {
  return by == 1 ? value : math.div(value, by);
}
/// value · by + (next mod by): one step from an index of blocks of `by` to one of what is in them.
template <typename Math, typename Value> Value into(Math &math, const Value &value, const Value &next, uint64_t by) {
  return by == 1 ? value : math.add(math.mul(value, by), math.rem(next, by));
}

/// Appends the column of k in row n of its tile to the index of that row of the tile.
template <typename Math, typename Value>
Value into_row(Math &math, const PackedForm &form, uint64_t element_bytes, const Value &row, const Value &n,
               const Value &k) {
  const uint64_t columns = form.tile_columns(element_bytes);
  if (!form.swizzled)
    return into(math, row, k, columns);
  const uint64_t chunk = kChunkBytes / element_bytes;
  Value from = divided(math, math.rem(k, columns), chunk);
  Value to = math.exclusiveOr(from, math.rem(n, kSwizzleRows));
  return into(math, math.add(math.mul(row, columns / chunk), to), k, chunk);
}

} // namespace detail

/// Which row of tiles, counted over all batches, is row tile `row_tile` of `batch`. Times row_tile_elements it is the
/// index of the first element there.
template <typename Math, typename Value>
Value row_tile_index(Math &math, const PackedForm &form, const PackedShape &shape, const Value &batch,
                     const Value &row_tile) {
  return math.add(math.mul(batch, row_tiles(form, shape)), row_tile);
}

/// The index, counted in elements from the beginning of the array, of element (batch, n, k) in a form of weights.
template <typename Math, typename Value>
Value element_index(Math &math, const PackedForm &form, const PackedShape &shape, const Value &batch, const Value &n,
                    const Value &k) {
  Value tile_row = row_tile_index(math, form, shape, batch, detail::divided(math, n, form.tile_rows));
  Value tile = math.add(math.mul(tile_row, column_tiles(form, shape)),
                        detail::divided(math, k, form.tile_columns(shape.element_bytes)));
  Value row = detail::into(math, tile, n, form.tile_rows);
  return detail::into_row(math, form, shape.element_bytes, row, n, k);
}

/// The same for a form of token rows: of row n and k, where a tile has `padded_rows` rows.
template <typename Math, typename Value>
Value token_element_index(Math &math, const PackedForm &form, uint64_t element_bytes, const Value &padded_rows,
                          const Value &n, const Value &k) {
  Value tile = detail::divided(math, k, form.tile_columns(element_bytes));
  Value row = math.add(math.mul(tile, padded_rows), n);
  return detail::into_row(math, form, element_bytes, row, n, k);
}

/// The row of the first feature of pair `pair` in a weight whose rows alternate between two parts, `run` at a time;
/// that of the second lies `run` rows further.
template <typename Math, typename Value> Value interleaved_row(Math &math, const Value &pair, uint64_t run) {
  if (run == 1)
    return math.mul(pair, uint64_t{2});
  return math.add(math.mul(math.div(pair, run), 2 * run), math.rem(pair, run));
}

/// Rows of an interleaved weight of so many pairs: both parts are padded to whole runs. No sum may wrap.
constexpr uint64_t interleaved_rows(uint64_t pairs, uint64_t run) { return 2 * run * runtime::ceil_div(pairs, run); }

/// True if a weight in this form may alternate by `run`, that is, if runs of both parts fill whole tiles. Both rows of
/// a pair then lie in one tile, and the size follows from the shape alone.
constexpr bool holds_pairs(const PackedForm &form, uint64_t run) {
  return form.is_weight_form() && run != 0 && run <= form.tile_rows && form.tile_rows % (2 * run) == 0;
}

/// Arithmetic on plain numbers.
struct NumberMath {
  static constexpr uint64_t add(uint64_t x, uint64_t y) { return x + y; }
  static constexpr uint64_t mul(uint64_t x, uint64_t y) { return x * y; }
  static constexpr uint64_t div(uint64_t x, uint64_t y) { return x / y; }
  static constexpr uint64_t rem(uint64_t x, uint64_t y) { return x % y; }
  static constexpr uint64_t exclusiveOr(uint64_t x, uint64_t y) { return x ^ y; }
};

/// The element index of (batch, n, k) in any form, padding included, for a reader or a writer of memory.
inline uint64_t element_index(const PackedForm &form, const PackedShape &shape, uint64_t batch, uint64_t n,
                              uint64_t k) {
  NumberMath math;
  return form.is_weight_form() ? element_index(math, form, shape, batch, n, k)
                               : token_element_index(math, form, shape.element_bytes, tile_rows(form, shape), n, k);
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

/// How keys and values lie in a page: each part is an array [heads][page_tokens][width] in a form of weights, the
/// positions being its rows.
struct CacheLayout {
  const char *id;
  const PackedForm *wide_keys, *narrow_keys; // of elements of four bytes, and of two
  const PackedForm *values;

  constexpr const PackedForm &keys(uint64_t element_bytes) const {
    return element_bytes == 2 ? *narrow_keys : *wide_keys;
  }
};

/// Keys with 32 positions side by side, so that a vector of scores reads neighbours. x86.
inline constexpr CacheLayout kCacheKeys32{"keys32", &kPanel32, &kPanel32x2, &kRowMajor};
/// Keys as values lie.
inline constexpr CacheLayout kCacheRowMajor{"row-major", &kRowMajor, &kRowMajor, &kRowMajor};

inline constexpr const CacheLayout *kCacheLayouts[] = {&kCacheKeys32, &kCacheRowMajor};

/// The layout of that id; null when there is none.
constexpr const CacheLayout *find_cache_layout(std::string_view id) {
  for (const CacheLayout *layout : kCacheLayouts)
    if (id == layout->id)
      return layout;
  return nullptr;
}

} // namespace yupana::schema

#endif
