/* SPDX-License-Identifier: Apache-2.0 */
/* embed PLAN PROMPT: writes what the model adds to a prompt, as it comes. */
#include <yupana/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(yupana_status_code_t code, const yupana_status_t *status) {
  if (code == YUPANA_STATUS_OK)
    return;
  fprintf(stderr, "%s\n", status->message);
  exit(yupana_status_exit_code(code));
}

int main(int argc, char **argv) {
  yupana_status_t status;
  yupana_plan_t *plan;
  yupana_tokenizer_t *tokenizer;
  yupana_context_t *context;
  yupana_stream_t *stream;
  yupana_context_options_t sizes = {.size = sizeof sizes, .max_sequences = 1};
  if (argc != 3)
    return 2;
  check(yupana_plan_open_file(argv[1], NULL, &plan, &status), &status);
  check(yupana_tokenizer_open(plan, &tokenizer, &status), &status);
  check(yupana_context_create(plan, &sizes, NULL, &context, &status), &status);
  check(yupana_stream_create(plan, context, tokenizer, &stream, &status), &status);

  size_t bytes = strlen(argv[2]), count;
  uint32_t *ids = malloc((bytes + 1) * sizeof *ids); /* there is at most one id per byte, and the begin token */
  check(yupana_tokenizer_encode(tokenizer, argv[2], bytes, YUPANA_ENCODE_BEGIN, ids, bytes + 1, &count, &status), &status);
  yupana_stream_options_t options = {.size = sizeof options, .max_new_tokens = 32}; /* the best token each time */
  check(yupana_stream_start(stream, ids, count, &options, &status), &status);
  for (yupana_piece_t piece = {.size = sizeof piece}; piece.stop == YUPANA_STOP_NONE; fflush(stdout)) {
    check(yupana_stream_next(stream, &piece, &status), &status);
    fwrite(piece.text, 1, piece.bytes, stdout);
  }

  free(ids);
  yupana_stream_release(stream);
  yupana_context_release(context);
  yupana_tokenizer_close(tokenizer);
  yupana_plan_release(plan);
  return puts("") < 0;
}
