/* SPDX-License-Identifier: Apache-2.0 */
/* Initialised data that changes. */
__attribute__((visibility("hidden"))) int hidden_state = 2;
int bump(void) { return ++hidden_state; }
