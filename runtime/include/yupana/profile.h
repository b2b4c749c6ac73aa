/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a context does, against the clock: steps, programs, and every launch of a kernel by every worker.
 *
 * In an archive of its own (YupanaProfile) beside the runtime: a program that does not link it carries nothing of it,
 * and a context that is not profiled runs as if it were not there. Profiling changes no result. On a processor it costs
 * a few readings of the clock per launch and worker. On a GPU each launch gets an event and the step waits for its
 * programs, so that steps are slower than without; the times of kernels are not.
 */
#ifndef YUPANA_PROFILE_H
#define YUPANA_PROFILE_H

#include "yupana/yupana.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum yupana_profile_kind_t {
  YUPANA_PROFILE_STEP = 0,    /**< from when the inputs of a step are sent to when its results are there */
  YUPANA_PROFILE_PROGRAM = 1, /**< all launches of one program: of the step, or of sampling */
  YUPANA_PROFILE_LAUNCH = 2   /**< what one worker did of one launch, or a GPU of all of it */
} yupana_profile_kind_t;

/** Something that took time. Times are nanoseconds of CLOCK_MONOTONIC. */
typedef struct yupana_profile_event_t {
  size_t size;
  uint32_t kind;                    /**< a yupana_profile_kind_t */
  uint32_t program;                 /**< of the plan's target, but for a step */
  uint32_t launch;                  /**< of a launch: counted over all programs of the target, in order */
  uint32_t worker;                  /**< 0: the thread that called the step, or the GPU */
  uint32_t cells;                   /**< of a launch: those that the worker ran, at least 1 */
  uint32_t all_cells;               /**< of a launch: those of all workers */
  uint32_t tokens, sequences, rows; /**< the sizes of the step */
  uint64_t begin_ns, end_ns;
  const uint32_t *positions; /**< [tokens], of each token in its sequence; valid during the call */
  const uint32_t *starts;    /**< [sequences + 1], the first token of each sequence; valid during the call */
} yupana_profile_event_t;

typedef struct yupana_profiler_t {
  size_t size;
  void *user;
  /** Called by the thread that runs the step, before the step returns: the step first, then each program followed by
   * its launches in order, of which each has an event per worker that ran any of its cells. */
  void (*event)(void *user, const yupana_profile_event_t *event);
} yupana_profiler_t;

/**
 * Tells `profiler`, which is copied, of every step from now on, in place of one that was given before; NULL ends it.
 * Allocates on the first call, for as long as the context lives, and never in a step. A step that fails is not told of.
 * INVALID_ARGUMENT, OUT_OF_MEMORY, INTERNAL for a GPU that failed.
 */
YUPANA_API yupana_status_code_t yupana_context_profile(yupana_context_t *context, const yupana_profiler_t *profiler,
                                                       yupana_status_t *out_status);

#ifdef __cplusplus
}
#endif

#endif
