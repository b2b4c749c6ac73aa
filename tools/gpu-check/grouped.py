# SPDX-License-Identifier: Apache-2.0
"""A grouped GEMM in Triton to compare with: rows sorted by expert times the transposed matrix of their expert. Of its
shapes the fastest is taken for each size, so that it is an opponent and not a straw man."""

import torch
import triton
import triton.language as tl


@triton.jit
def _multiply(x, w, y, ends, most, N, K, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr):
    # Column tiles of one row tile are neighbours, which share its rows; weights of decoding are read once anyway.
    across = tl.cdiv(N, COLUMNS)
    tile, column = tl.program_id(0) // across, tl.program_id(0) % across
    down = tl.cdiv(most, ROWS)
    expert, part = tile // down, tile % down
    first = tl.load(ends + expert - 1, mask=expert > 0, other=0) + part * ROWS
    end = tl.load(ends + expert)
    if first < end:
        rows = first + tl.arange(0, ROWS)
        columns = column * COLUMNS + tl.arange(0, COLUMNS)
        depth = tl.arange(0, DEPTH)
        left = x + rows.to(tl.int64)[:, None] * K + depth[None, :]
        right = w + expert.to(tl.int64) * N * K + columns.to(tl.int64)[None, :] * K + depth[:, None]
        total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
        for begin in range(0, K, DEPTH):
            within = begin + depth < K
            a = tl.load(left, mask=(rows < end)[:, None] & within[None, :], other=0.0)
            b = tl.load(right, mask=(columns < N)[None, :] & within[:, None], other=0.0)
            total = tl.dot(a, b, total)
            left += DEPTH
            right += DEPTH
        place = y + rows.to(tl.int64)[:, None] * N + columns[None, :]
        tl.store(place, total.to(y.dtype.element_ty), mask=(rows < end)[:, None] & (columns < N)[None, :])


# Few rows want narrow tiles and deep pipelines, many want tiles that reuse what they loaded.
SHAPES = [(16, 64, 128, 4, 5), (16, 64, 256, 4, 4), (16, 128, 128, 4, 4), (16, 128, 64, 4, 6), (16, 32, 256, 4, 4),
          (32, 64, 128, 4, 4), (64, 128, 64, 4, 4), (64, 256, 64, 8, 4), (128, 128, 64, 4, 4), (128, 128, 64, 8, 4),
          (128, 256, 64, 8, 3), (128, 256, 64, 8, 4)]
_tuned = triton.autotune(
    configs=[triton.Config({"ROWS": rows, "COLUMNS": columns, "DEPTH": depth}, num_warps=warps, num_stages=stages)
             for rows, columns, depth, warps, stages in SHAPES], key=["most", "N", "K"])(_multiply)


def grouped(x, w, ends, most):
    """[T, K] sorted by expert, [E, N, K], the rows' ends by expert as int32 [E], the most rows of one -> [T, N]."""
    experts, n, k = w.shape
    y = torch.empty(x.shape[0], n, dtype=x.dtype, device=x.device)
    grid = lambda meta: (experts * triton.cdiv(most, meta["ROWS"]) * triton.cdiv(n, meta["COLUMNS"]),)
    if x.is_cuda:
        _tuned[grid](x, w, y, ends, most, n, k)
        return y
    # Triton's interpreter has nothing to tune, and multiplies bfloat16 as if it were whole numbers.
    shape, y = {"ROWS": 16, "COLUMNS": 16, "DEPTH": 16}, y.float()
    _multiply[grid(shape)](x.float(), w.float(), y, ends, most, n, k, **shape)
    return y.to(x.dtype)
