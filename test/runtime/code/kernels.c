/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels of the test model, in plain C: a token's value is stored in the cache, and its logits are sums over the
 * cached values it may attend to. All values are small integers, so float sums are exact in any order.
 */
#include "test_model.h"

typedef unsigned int u32;
typedef unsigned long long u64;

/*
 * A token that could not be drawn has an id of its own, which the table does not hold.
 * args: token ids, table f32 [vocab], values f32 [T], positions, owners, slots u32 [S], history u32 [N][context]
 */
void test_embed(void *const *args, const u32 *sizes, u32 first, u32 last, void *scratch) {
  const u32 *ids = args[0];
  const float *table = args[1];
  float *values = args[2];
  const u32 *positions = args[3], *owners = args[4], *slots = args[5];
  u32 *history = args[6];
  for (u32 t = first; t < last; ++t) {
    values[t] = table[ids[t] < TEST_VOCAB ? ids[t] : 0];
    history[slots[owners[t]] * TEST_MAX_CONTEXT + positions[t]] = ids[t];
  }
}

static u32 slot_of(const u32 *table, u32 sequence, u32 position) {
  return table[sequence * TEST_PAGE_ENTRIES + position / TEST_PAGE_TOKENS] * TEST_PAGE_TOKENS +
         position % TEST_PAGE_TOKENS;
}

/* args: positions, owners, page table, cache f32 [pages][page_tokens], values */
void test_append(void *const *args, const u32 *sizes, u32 first, u32 last, void *scratch) {
  const u32 *positions = args[0], *owners = args[1], *table = args[2];
  float *cache = args[3];
  const float *values = args[4];
  for (u32 t = first; t < last; ++t)
    cache[slot_of(table, owners[t], positions[t])] = values[t];
}

/*
 * The first bytes of a worker's scratch memory are zero when a launch begins, and what its earlier calls wrote there
 * stays. A launch that finds another's number gives a sum that no test expects.
 */
static float fault_of(void *scratch, u32 launch) {
  u32 *number = scratch;
  float fault = *number == 0 || *number == launch ? 0.0f : 0.5f;
  *number = launch;
  return fault;
}

static float attend(void *const *args, u32 t, u32 begin) {
  const u32 *positions = args[0], *owners = args[1], *table = args[2];
  const float *cache = args[3];
  float sum = 0;
  for (u32 p = begin; p <= positions[t]; ++p)
    sum += cache[slot_of(table, owners[t], p)];
  return sum;
}

/* args: positions, owners, page table, cache, sums f32 [T] */
void test_attend_full(void *const *args, const u32 *sizes, u32 first, u32 last, void *scratch) {
  float *sums = args[4], fault = fault_of(scratch, 1);
  for (u32 t = first; t < last; ++t)
    sums[t] = attend(args, t, 0) + fault;
}

void test_attend_chunk(void *const *args, const u32 *sizes, u32 first, u32 last, void *scratch) {
  const u32 *positions = args[0];
  float *sums = args[4], fault = fault_of(scratch, 2);
  for (u32 t = first; t < last; ++t)
    sums[t] = attend(args, t, positions[t] / TEST_CHUNK * TEST_CHUNK) + fault;
}

/* args: row tokens, full sums, chunk sums, logits f32 [R][vocab]; a cell is one logit */
void test_logits(void *const *args, const u32 *sizes, u32 first, u32 last, void *scratch) {
  const u32 *rows = args[0];
  const float *full = args[1], *chunk = args[2];
  float *logits = args[3];
  float *staged = scratch;
  for (u32 i = first; i < last; ++i) {
    u32 row = rows[i / TEST_VOCAB];
    staged[0] = full[row] + 1000.0f * chunk[row];
    logits[i] = staged[0] + (float)(i % TEST_VOCAB);
  }
}

/*
 * args: temperatures f32, seeds u64, numbers u64, positions u32, slots u32, top_k u32, top_p f32, min_p f32,
 * penalties f32, history, sampled u32. With a penalty, what is sampled tells the tokens that the sequence holds.
 */
void test_sample(void *const *args, const u32 *sizes, u32 first, u32 last, void *scratch) {
  const float *temperatures = args[0], *top_p = args[6], *min_p = args[7], *penalties = args[8];
  const u64 *seeds = args[1], *numbers = args[2];
  const u32 *positions = args[3], *slots = args[4], *top_k = args[5], *history = args[9];
  u32 *sampled = args[10];
  for (u32 r = first; r < last; ++r) {
    if (seeds[r] == TEST_NOT_FINITE_SEED) {
      sampled[r] = 0xFFFFFFFF;
      continue;
    }
    if (penalties[r] != 1.0f) {
      sampled[r] = 0;
      for (u32 p = 0; p < positions[r]; ++p)
        sampled[r] += (p + 1) * (history[slots[r] * TEST_MAX_CONTEXT + p] + 1);
      continue;
    }
    sampled[r] = temperatures[r] == 0.0f ? TEST_VOCAB - 1 : (u32)((seeds[r] + numbers[r] + positions[r]) % TEST_VOCAB);
    sampled[r] += 100 * top_k[r] + 10000 * (u32)(8 * (1 - top_p[r])) + 100000 * (u32)(8 * min_p[r]);
  }
}

/* args: f32 [2]; leaves in [1] the product of [0] and a small number, a denormal */
void test_denormal(void *const *args, const u32 *sizes, u32 first, u32 last, void *scratch) {
  volatile float *values = args[0];
  values[1] = values[0] * 1e-3f;
}
