/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header is C, and the core links into a C program without a C++ library. Opens the file named on the command line,
 * if any, and ends with the exit code its status asks for.
 */
#include "yupana/yupana.h"

#include <stdio.h>

int main(int argc, char **argv) {
  yupana_plan_t *plan = NULL;
  yupana_context_t *context = NULL;
  yupana_status_t status;
  const char *path = argc > 1 ? argv[1] : "there-is-no-such-plan.yplan";
  yupana_status_code_t code = yupana_plan_open_file(path, NULL, &plan, &status);
  if (!code)
    code = yupana_context_create(plan, NULL, NULL, &context, &status);
  if (code)
    fprintf(stderr, "%s\n", status.message);
  yupana_context_release(context);
  yupana_plan_release(plan);
  return argc > 1 ? yupana_status_exit_code(code) : code != YUPANA_STATUS_UNREADABLE;
}
