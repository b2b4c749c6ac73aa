/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of constants: nothing writable, but relocations all the same. */
static const int a = 1, b = 2;
const int *const table[2] = {&a, &b};
int read_table(int i) { return *table[i]; }
