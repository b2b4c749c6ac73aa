/* SPDX-License-Identifier: Apache-2.0 */
/* A table of addresses needs relocations. */
static int a, b;
int *const volatile table[2] = {&a, &b};
int *read_table(int i) { return table[i]; }
