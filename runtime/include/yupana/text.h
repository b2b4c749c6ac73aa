/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Text in and out of plans: the tokenizer and the chat format of a plan, and a stream of text. Optional: what is here
 * is made of the functions of yupana.h, whose conventions hold here, too.
 *
 * Unlike the core, these functions allocate as they go, from the C++ library. A program that has no memory left for a
 * few kilobytes is ended by it.
 */
#ifndef YUPANA_TEXT_H
#define YUPANA_TEXT_H

#include "yupana/yupana.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Tokenizers
 * ---------------------------------------------------------------------------------------------------------------- */

/** The tokenizer of a plan, opened: immutable, used by any number of threads at once. */
typedef struct yupana_tokenizer_t yupana_tokenizer_t;

/**
 * Reads and checks the tokenizer of a plan, of which it keeps no reference. UNSUPPORTED when the plan was compiled
 * without one; UNREADABLE, INVALID_DATA, DIGEST_MISMATCH, OUT_OF_MEMORY.
 */
YUPANA_API yupana_status_code_t yupana_tokenizer_open(const yupana_plan_t *plan, yupana_tokenizer_t **out_tokenizer,
                                                      yupana_status_t *out_status);
/** NULL does nothing. */
YUPANA_API void yupana_tokenizer_close(yupana_tokenizer_t *tokenizer);

/** Put the begin token first, if there is one. */
#define YUPANA_ENCODE_BEGIN 1u
/** Special tokens such as "<|eot|>" in the text are special tokens; without it they are text like any other. */
#define YUPANA_ENCODE_SPECIAL 2u

/**
 * Token ids of `bytes` bytes of UTF-8. Writes the first `capacity` of them to `ids` and says in `*out_count` how many
 * there are, which is at most `bytes` and one. INVALID_ARGUMENT for text that is not well-formed UTF-8 or has 2 GiB or
 * more, which is never replaced or cut.
 */
YUPANA_API yupana_status_code_t yupana_tokenizer_encode(const yupana_tokenizer_t *tokenizer, const char *text,
                                                        size_t bytes, uint32_t flags, uint32_t *ids, size_t capacity,
                                                        size_t *out_count, yupana_status_t *out_status);

/** The bytes of a token, with no NUL behind them and not always whole UTF-8; none if `id` has no token. */
YUPANA_API const char *yupana_tokenizer_token(const yupana_tokenizer_t *tokenizer, uint32_t id, size_t *out_bytes);
/** 1 for a control token, which readers of a text are not shown; else 0. */
YUPANA_API int yupana_tokenizer_is_special(const yupana_tokenizer_t *tokenizer, uint32_t id);
/** 1 if the plan says how a conversation is written, which comes from the checkpoint's chat template; else 0. */
YUPANA_API int yupana_tokenizer_has_chat(const yupana_tokenizer_t *tokenizer);

typedef enum yupana_role_t {
  YUPANA_ROLE_SYSTEM = 0,
  YUPANA_ROLE_USER = 1,
  YUPANA_ROLE_ASSISTANT = 2 /**< the model */
} yupana_role_t;

/** A message of a conversation. Special tokens in it are text, so that no message ends itself. */
typedef struct yupana_message_t {
  size_t size;      /**< the same in all messages of a conversation: it is the distance between them */
  const char *text; /**< [bytes], well-formed UTF-8 */
  size_t bytes;
  uint32_t role; /**< a yupana_role_t */
  uint32_t reserved;
} yupana_message_t;

/**
 * Token ids of a conversation as the checkpoint's chat template has it, up to where the model's next message begins;
 * `ids`, `capacity` and `*out_count` as above, but for the bound. UNSUPPORTED when the plan has no chat format;
 * INVALID_ARGUMENT.
 */
YUPANA_API yupana_status_code_t yupana_tokenizer_encode_chat(const yupana_tokenizer_t *tokenizer,
                                                             const yupana_message_t *messages, size_t message_count,
                                                             uint32_t *ids, size_t capacity, size_t *out_count,
                                                             yupana_status_t *out_status);

/* ------------------------------------------------------------------------------------------------------------------
 * Streams
 * ---------------------------------------------------------------------------------------------------------------- */

/**
 * A sequence that is written to: it gets a prompt, then gives one token after the other. Used by one thread at a time,
 * as its context is, in which any number of streams may take turns.
 */
typedef struct yupana_stream_t yupana_stream_t;

/** How a stream goes on. Zero in every member but the first takes the best token until a stop token or the limit. */
typedef struct yupana_stream_options_t {
  size_t size;
  uint32_t max_new_tokens; /**< 0: as many as limits.max_context has room for */
  uint32_t is_chat;        /**< 1: the end of a turn ends the text, too, whatever model.stop_tokens says */
  /* As in yupana_span_t. */
  uint64_t seed;
  float temperature;
  uint32_t top_k;
  float top_p;
  float min_p;
  float repetition_penalty;
  uint32_t reserved;
} yupana_stream_options_t;

/** Fills in what the checkpoint recommends (its generation_config.json); the rest is zero. `out->size` is set. */
YUPANA_API void yupana_plan_stream_options(const yupana_plan_t *plan, yupana_stream_options_t *out);

/**
 * A stream without a prompt. `plan` is the one `context` was made from; both outlive the stream, and so does
 * `tokenizer`, which may be NULL: then pieces have ids and no text. OUT_OF_MEMORY when all sequences of the context are
 * in use.
 */
YUPANA_API yupana_status_code_t yupana_stream_create(yupana_plan_t *plan, yupana_context_t *context,
                                                     const yupana_tokenizer_t *tokenizer, yupana_stream_t **out_stream,
                                                     yupana_status_t *out_status);
/** Frees the stream and its sequence; NULL does nothing. */
YUPANA_API void yupana_stream_release(yupana_stream_t *stream);

/**
 * Starts a text behind the prompt `ids`, which is copied; nothing is computed yet. What the stream has read or written
 * before is kept as far as the prompt begins with it, so that a conversation encoded anew costs its last message alone.
 * `options` may be NULL: what yupana_plan_stream_options says; they are checked when they are first used. A start that
 * fails leaves the text as it was. INVALID_ARGUMENT for a prompt that is empty or longer than limits.max_context, or an
 * id not below model.vocab_size; OUT_OF_MEMORY.
 */
YUPANA_API yupana_status_code_t yupana_stream_start(yupana_stream_t *stream, const uint32_t *ids, size_t count,
                                                    const yupana_stream_options_t *options,
                                                    yupana_status_t *out_status);

typedef enum yupana_stop_t {
  YUPANA_STOP_NONE = 0,  /**< the text goes on */
  YUPANA_STOP_TOKEN = 1, /**< `token` ends it; it is not shown */
  YUPANA_STOP_LENGTH = 2 /**< max_new_tokens, or the plan's longest context */
} yupana_stop_t;

/** What a step of a stream gave. */
typedef struct yupana_piece_t {
  size_t size;
  const char *text; /**< [bytes] and a NUL: whole UTF-8 sequences without special tokens; lives until the next call */
  size_t bytes;     /**< often 0, as where a character takes several tokens */
  uint32_t token;   /**< YUPANA_NO_TOKEN while the prompt is being read */
  uint32_t stop;    /**< a yupana_stop_t */
} yupana_piece_t;

/**
 * Runs one step: a part of the prompt, of at most limits.max_step_tokens tokens, or the next token. To stop a text
 * early, do not call again. Fails as yupana_context_step does, which leaves the stream as it was, except that
 * NOT_FINITE ends the text; INVALID_ARGUMENT when the text has ended.
 */
YUPANA_API yupana_status_code_t yupana_stream_next(yupana_stream_t *stream, yupana_piece_t *out_piece,
                                                   yupana_status_t *out_status);

#ifdef __cplusplus
}
#endif

#endif
