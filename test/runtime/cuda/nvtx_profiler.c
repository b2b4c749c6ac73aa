/* SPDX-License-Identifier: Apache-2.0
 *
 * What a profiler injects by NVTX, for tests: writes the ranges to the file that YUPANA_TEST_RANGES names, a line when
 * one begins, with a blank for each that is open on its thread, and complains about one that nobody opened. It asks for
 * the functions of every interface, as profilers do. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*Function)(void);
struct Callbacks {
  size_t struct_size;
  int (*get_functions)(int module, Function ***out_table, unsigned *out_count);
};

enum { kCallbacks = 1, kCore = 1, kSync = 6, kRangePush = 9, kRangePop = 11 };

static FILE *file;
static _Thread_local int depth;

static int push(const char *name) {
  fprintf(file, "%*s%s\n", depth, "", name);
  fflush(file);
  return depth++;
}

static int pop(void) {
  if (depth == 0)
    fprintf(file, "a range ends that nobody began\n");
  return --depth;
}

static void unused(void) { abort(); }

int InitializeInjectionNvtx2(const void *(*get_table)(uint32_t));

int InitializeInjectionNvtx2(const void *(*get_table)(uint32_t)) {
  const char *path = getenv("YUPANA_TEST_RANGES");
  const struct Callbacks *callbacks = get_table(kCallbacks);
  file = path ? fopen(path, "w") : NULL;
  if (!file || !callbacks || callbacks->struct_size < sizeof(*callbacks))
    return 0;
  for (int module = kCore; module <= kSync; ++module) {
    Function **table;
    unsigned count;
    if (!callbacks->get_functions(module, &table, &count))
      return 0;
    for (unsigned i = 1; i < count; ++i)
      *table[i] = unused;
    if (module != kCore)
      continue;
    if (count <= kRangePop)
      return 0;
    *table[kRangePush] = (Function)push;
    *table[kRangePop] = (Function)pop;
  }
  return 1;
}
