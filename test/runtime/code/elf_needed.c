/* SPDX-License-Identifier: Apache-2.0 */
/* Linked with a library that it names as needed. */
int lonely(void) { return 3; }
