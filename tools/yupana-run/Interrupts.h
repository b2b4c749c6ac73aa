// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C: the first one ends what is under way, a second one the program.
#ifndef YUPANA_TOOLS_YUPANARUN_INTERRUPTS_H
#define YUPANA_TOOLS_YUPANARUN_INTERRUPTS_H

namespace yupana {

/// Catches SIGINT from now on. Something is under way.
void catchInterrupts();

/// True if there was one since catchInterrupts() or beginInterruptible().
bool wasInterrupted();

/// Something that can be ended is under way from now on; what came before is forgotten.
void beginInterruptible();

/// Nothing is under way any more: the next SIGINT ends the program at once, with exitInterrupted.
void endInterruptible();

} // namespace yupana

#endif // YUPANA_TOOLS_YUPANARUN_INTERRUPTS_H
