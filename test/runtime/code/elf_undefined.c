/* SPDX-License-Identifier: Apache-2.0 */
/* Calls a function that no one defines. */
int elsewhere(int);
int call_elsewhere(int i) { return elsewhere(i); }
