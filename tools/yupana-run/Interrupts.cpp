// SPDX-License-Identifier: Apache-2.0
//
// The handler of Ctrl-C only sets a flag, which whoever works asks between steps. A second one, or one while nothing is
// under way, ends the program by _exit: destructors are not safe in a signal handler.

#include "tools/yupana-run/Interrupts.h"

#include "compiler/Support/TemporaryFile.h"
#include "tools/yupana-run/Options.h"

#include <csignal>
#include <unistd.h>

using namespace yupana;

namespace {

volatile std::sig_atomic_t interrupted = 0;
volatile std::sig_atomic_t underWay = 1;

void onInterrupt(int) {
  if (interrupted || !underWay) {
    removeTemporaries();
    ::_exit(exitInterrupted);
  }
  interrupted = 1;
}

} // namespace

void yupana::catchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

bool yupana::wasInterrupted() { return interrupted; }

void yupana::beginInterruptible() {
  interrupted = 0;
  underWay = 1;
}

void yupana::endInterruptible() { underWay = 0; }
