/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader accepts. */
int plain_function(int i) { return i + 1; }
const int plain_table[3] = {1, 2, 3};
