/* SPDX-License-Identifier: Apache-2.0 */
/* Code that runs when loaded. */
static volatile int sink;
__attribute__((constructor)) static void start(void) { sink = 1; }
