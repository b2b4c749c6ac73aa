/* SPDX-License-Identifier: Apache-2.0 */
/* A function chosen when loaded. */
static int one(void) { return 1; }
static void *choose(void) { return (void *)one; }
int chosen(void) __attribute__((ifunc("choose")));
