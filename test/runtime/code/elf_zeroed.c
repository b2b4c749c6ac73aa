/* SPDX-License-Identifier: Apache-2.0 */
/* Zero-initialised data that changes. */
static int state[4096];
int bump(int i) { return ++state[i]; }
