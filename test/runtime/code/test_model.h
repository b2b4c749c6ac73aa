/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sizes of the test model, shared by its kernels and by the plan builder. A page does not divide a chunk, so that
 * chunk borders fall inside pages.
 */
#ifndef YUPANA_TEST_RUNTIME_CODE_TEST_MODEL_H
#define YUPANA_TEST_RUNTIME_CODE_TEST_MODEL_H

#define TEST_VOCAB 16u
#define TEST_MAX_CONTEXT 40u
#define TEST_MAX_BATCH 4u
#define TEST_MAX_STEP_TOKENS 24u
#define TEST_MAX_LOGIT_ROWS 24u
#define TEST_PAGE_TOKENS 4u
#define TEST_CHUNK 6u
#define TEST_PAGE_ENTRIES 10u

/* The seed with which the sampling kernel says that logits are not finite. */
#define TEST_NOT_FINITE_SEED 0xFFFFFFFFFFFFFFFFull

#endif
