/* SPDX-License-Identifier: Apache-2.0 */
/* Thread-local storage. */
static _Thread_local int counter;
int count(void) { return ++counter; }
