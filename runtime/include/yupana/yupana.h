/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The runtime of Yupana plans, as a C API.
 *
 * A plan file is opened (`yupana_plan_open`: everything in it is checked, nothing is executed), a context is prepared
 * for one device (`yupana_context_create`: every allocation happens here), sequences are created in the context, and
 * `yupana_context_step` advances any number of them by any number of tokens.
 *
 * Conventions
 *  - Sizes and offsets are bytes unless the name says otherwise. Positions count tokens from 0.
 *  - A structure whose first member is `size` carries `sizeof` of itself as the caller knew it when compiling; the
 *    library reads and writes no further. Zero in every other member asks for the default.
 *  - Functions that can fail return a `yupana_status_code_t` and describe a failure in `*out_status`, which may be
 *    NULL. On failure no other output is written, unless the function says so.
 *  - Strings are UTF-8 with a terminating NUL. Strings and arrays handed out belong to the object asked and live as
 *    long as it does.
 *  - Nothing is global. A plan may be used by many threads at once; a context by one thread at a time.
 *  - Callbacks (allocator, reader) may be called from several threads at once unless their description says less.
 */
#ifndef YUPANA_YUPANA_H
#define YUPANA_YUPANA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define YUPANA_API __attribute__((visibility("default")))
#else
#define YUPANA_API
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Status
 * ---------------------------------------------------------------------------------------------------------------- */

typedef enum yupana_status_code_t {
  YUPANA_STATUS_OK = 0,
  YUPANA_STATUS_INTERNAL = 1,         /**< a fault of this library or of the operating system */
  YUPANA_STATUS_INVALID_ARGUMENT = 2, /**< the caller broke a rule of this header */
  YUPANA_STATUS_UNREADABLE = 3,       /**< a file is missing or could not be read */
  YUPANA_STATUS_INVALID_DATA = 4,     /**< the plan is malformed */
  YUPANA_STATUS_UNSUPPORTED = 5,      /**< a format version or feature this library does not have */
  YUPANA_STATUS_INCOMPATIBLE = 6,     /**< the plan has no code for this device */
  YUPANA_STATUS_OUT_OF_MEMORY = 7,    /**< an allocation failed, or a pool sized at prepare is used up */
  YUPANA_STATUS_DIGEST_MISMATCH = 8,  /**< bytes of the plan differ from their recorded digest */
  YUPANA_STATUS_CANCELLED = 9,        /**< a progress callback asked to stop */
  YUPANA_STATUS_NOT_FINITE = 10       /**< logits that a token was to be chosen from hold NaN or infinity */
} yupana_status_code_t;

#define YUPANA_STATUS_MESSAGE_BYTES 508

/** What went wrong: one sentence that names what was found and what was expected. */
typedef struct yupana_status_t {
  uint32_t code; /**< a yupana_status_code_t */
  char message[YUPANA_STATUS_MESSAGE_BYTES];
} yupana_status_t;

/** The exit code a program should end with: 0 to 8 as the status code itself, 130 for CANCELLED, 4 for NOT_FINITE. */
YUPANA_API int yupana_status_exit_code(yupana_status_code_t code);

/** "0.1.0"; static storage. */
YUPANA_API const char *yupana_version(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Memory and input
 * ---------------------------------------------------------------------------------------------------------------- */

/**
 * Where memory comes from. Copied by the functions that take one, so the structure itself may be temporary, but `user`
 * must outlive the objects created with it. NULL stands for the C library. Must be thread-safe if objects created with
 * it are used from several threads.
 */
typedef struct yupana_allocator_t {
  size_t size;
  void *user;
  /** `bytes` > 0, `alignment` a power of two of at most 2 MiB; NULL when there is no memory. */
  void *(*alloc)(void *user, size_t bytes, size_t alignment);
  /** `bytes` and `alignment` are those of the allocation. */
  void (*free)(void *user, void *memory, size_t bytes, size_t alignment);
} yupana_allocator_t;

/** Random access to the bytes of a plan. Thread-safe: contexts read weights with several threads. */
typedef struct yupana_reader_t {
  size_t size;
  void *user;
  /** Stands for the file in messages; lives as long as the reader. */
  const char *name;
  /** Total bytes; never changes. */
  uint64_t total;
  /** Fills `dst` with `bytes` bytes from `offset`, all or nothing; false when they could not be read. */
  int (*read)(void *user, void *dst, uint64_t bytes, uint64_t offset);
  /** Called once when the last user is gone; may be NULL. */
  void (*close)(void *user);
  /**
   * Maps `bytes` bytes from `offset`, a multiple of 64 KiB, for reading; NULL when that cannot be done. The last page
   * may reach beyond the end and is zero there. May be NULL: then weights are always read.
   */
  const void *(*map)(void *user, uint64_t bytes, uint64_t offset);
  /** Undoes a `map` of as many bytes. */
  void (*unmap)(void *user, const void *memory, uint64_t bytes);
  /** As `read`, for what need not stay in the system's cache: `dst` and `offset` are multiples of 4096. May be NULL. */
  int (*read_once)(void *user, void *dst, uint64_t bytes, uint64_t offset);
} yupana_reader_t;

/**
 * A reader of a regular file by `pread`, which can also map it, and reads once around the system's cache where the file
 * system can (O_DIRECT) and the bytes are not there already. `out_reader->close` must be called by whoever ends up
 * owning it. UNREADABLE when the file does not exist or is not a readable regular file; OUT_OF_MEMORY.
 */
YUPANA_API yupana_status_code_t yupana_file_reader_open(const char *path, const yupana_allocator_t *allocator,
                                                        yupana_reader_t *out_reader, yupana_status_t *out_status);

/** Watches and stops long work. Called on the thread that called the function, several times per second at best. */
typedef struct yupana_progress_t {
  size_t size;
  void *user;
  /** `done` of `total` bytes are finished. A value other than 0 cancels: the function returns CANCELLED soon. */
  int (*report)(void *user, uint64_t done, uint64_t total);
} yupana_progress_t;

/* ------------------------------------------------------------------------------------------------------------------
 * Plans
 * ---------------------------------------------------------------------------------------------------------------- */

/** An opened plan: immutable, reference counted, used by any number of threads and contexts at once. */
typedef struct yupana_plan_t yupana_plan_t;

/**
 * Opens a plan and checks header, section table, padding, the digest of the metadata, and the metadata itself, first
 * its structure, then every index, size and range in it. Reads no weights and maps no code; safe on hostile input, in
 * time and memory proportional to the metadata.
 *
 * On success the plan owns the reader and closes it when the last reference goes; on failure the caller keeps it.
 * UNREADABLE, INVALID_DATA, UNSUPPORTED, OUT_OF_MEMORY, DIGEST_MISMATCH (of the metadata).
 */
YUPANA_API yupana_status_code_t yupana_plan_open(const yupana_reader_t *reader, const yupana_allocator_t *allocator,
                                                 yupana_plan_t **out_plan, yupana_status_t *out_status);

/** `yupana_file_reader_open` and `yupana_plan_open` in one. */
YUPANA_API yupana_status_code_t yupana_plan_open_file(const char *path, const yupana_allocator_t *allocator,
                                                      yupana_plan_t **out_plan, yupana_status_t *out_status);

YUPANA_API void yupana_plan_retain(yupana_plan_t *plan);
/** Drops one reference; NULL does nothing. Contexts hold references of their own. */
YUPANA_API void yupana_plan_release(yupana_plan_t *plan);

/** What was compiled. */
typedef struct yupana_model_info_t {
  size_t size;
  const char *name;         /**< name of the checkpoint folder */
  const char *architecture; /**< "Llama4ForConditionalGeneration" */
  const char *precision;    /**< "f32", "bf16" */
  const char *producer;     /**< "yupana 0.1.0" */
  uint32_t vocab_size;
  uint32_t hidden_size;
  uint32_t layers;
  uint32_t stop_token_count;
  const uint32_t *stop_tokens; /**< ids that end a reply, all < vocab_size */
  uint64_t parameters;
  int64_t bos_token; /**< put before a prompt; -1: none */
  /* How the model's authors would have tokens chosen (generation_config.json), for those whose users do not say.
     Without do_sample the best token is meant. A checkpoint that says nothing gives 0, 0, 1, 1, 0, 1: no parameter
     does a thing. Meaning and ranges are those of yupana_span_t, but top_p and repetition_penalty are above 0. */
  uint32_t do_sample;
  uint32_t top_k;
  float temperature;
  float top_p;
  float min_p;
  float repetition_penalty;
} yupana_model_info_t;

/** Compiled maxima. */
typedef struct yupana_limits_t {
  size_t size;
  uint32_t max_context;     /**< positions of a sequence */
  uint32_t max_batch;       /**< sequences in a step */
  uint32_t max_step_tokens; /**< tokens in a step, over all sequences */
  uint32_t max_logit_rows;  /**< rows of logits wanted from a step */
} yupana_limits_t;

/** The section of a weight whose bytes are not in the file. */
#define YUPANA_NO_SECTION UINT32_MAX

/** One tensor of the plan. */
typedef struct yupana_weight_info_t {
  size_t size;
  const char *name;
  const char *element; /**< "f32", "bf16", "f16", "i32", "u32", "u64", "u8" */
  const char *layout;  /**< how the elements lie: "row-major", "panel32", .. */
  const char *source;  /**< checkpoint tensor or generator; "" when not recorded */
  const uint64_t *shape;
  uint32_t rank;
  uint32_t section; /**< YUPANA_NO_SECTION: the file does not have its bytes */
  uint64_t offset;  /**< from the start of the section */
  uint64_t bytes;   /**< with padding */
} yupana_weight_info_t;

/** Pages of keys and values of a set of layers. */
typedef struct yupana_cache_group_info_t {
  size_t size;
  const char *name;
  const uint32_t *layers;
  uint32_t layer_count;
  uint32_t chunk; /**< 0: everything is kept; else pages wholly before the current chunk of this many are freed */
  uint32_t page_tokens;
  uint64_t page_bytes;
} yupana_cache_group_info_t;

/** One device the plan has code for. */
typedef struct yupana_target_info_t {
  size_t size;
  const char *name; /**< "x86-64-v3" */
  uint32_t kernels;
  uint32_t programs;
  uint32_t launches; /**< over all programs */
  uint32_t buffers;
  uint32_t has_sample;    /**< 1 when steps can sample */
  uint64_t arena_bytes;   /**< activations at the compiled maxima */
  uint64_t scratch_bytes; /**< per worker thread */
} yupana_target_info_t;

typedef enum yupana_section_kind_t {
  YUPANA_SECTION_METADATA = 1,
  YUPANA_SECTION_HOST_CODE = 2,
  YUPANA_SECTION_WEIGHTS = 3,
  YUPANA_SECTION_WEIGHT_DIGESTS = 4,
  YUPANA_SECTION_TOKENIZER = 5,
  YUPANA_SECTION_DEVICE_CODE = 6
} yupana_section_kind_t;

typedef struct yupana_section_info_t {
  size_t size;
  uint32_t kind; /**< a yupana_section_kind_t, or a number this library does not know */
  uint32_t flags;
  uint64_t offset; /**< from the start of the file */
  uint64_t bytes;
  uint64_t alignment;
  uint8_t digest[32]; /**< SHA-256; of the chunk digests for weights */
} yupana_section_info_t;

/** The getters fill `*out`, whose `size` is set; they fail with INVALID_ARGUMENT when the index is out of range. */
YUPANA_API void yupana_plan_model(const yupana_plan_t *plan, yupana_model_info_t *out);
YUPANA_API void yupana_plan_limits(const yupana_plan_t *plan, yupana_limits_t *out);
YUPANA_API uint32_t yupana_plan_weight_count(const yupana_plan_t *plan);
YUPANA_API yupana_status_code_t yupana_plan_weight(const yupana_plan_t *plan, uint32_t index,
                                                   yupana_weight_info_t *out);
/** Weights whose bytes are not in the file. A context for a plan with any needs a filler: yupana_context_options_t. */
YUPANA_API uint32_t yupana_plan_missing_weights(const yupana_plan_t *plan);
YUPANA_API uint32_t yupana_plan_cache_group_count(const yupana_plan_t *plan);
YUPANA_API yupana_status_code_t yupana_plan_cache_group(const yupana_plan_t *plan, uint32_t index,
                                                        yupana_cache_group_info_t *out);
YUPANA_API uint32_t yupana_plan_target_count(const yupana_plan_t *plan);
YUPANA_API yupana_status_code_t yupana_plan_target(const yupana_plan_t *plan, uint32_t index,
                                                   yupana_target_info_t *out);
YUPANA_API uint32_t yupana_plan_section_count(const yupana_plan_t *plan);
YUPANA_API yupana_status_code_t yupana_plan_section(const yupana_plan_t *plan, uint32_t index,
                                                    yupana_section_info_t *out);
/** Bytes of the whole file. */
YUPANA_API uint64_t yupana_plan_file_bytes(const yupana_plan_t *plan);
/** The name the reader gave: the path, for files. */
YUPANA_API const char *yupana_plan_name(const yupana_plan_t *plan);

/** The verified FlatBuffer of runtime/schema/plan.fbs, for tools that print more than the getters give. */
YUPANA_API const void *yupana_plan_metadata(const yupana_plan_t *plan, uint64_t *out_bytes);

/** Index of the first section of a kind, or -1. */
YUPANA_API int64_t yupana_plan_find_section(const yupana_plan_t *plan, uint32_t kind);

/**
 * Reads section `index` whole into `dst`, which has room for the `bytes` of its yupana_section_info_t, and compares
 * its digest. Meant for small sections such as the tokenizer; weights and their chunks are left to yupana_plan_verify.
 * INVALID_ARGUMENT (no such section; a weights section; `capacity` too small), UNREADABLE, DIGEST_MISMATCH; `dst` may
 * have been written then.
 */
YUPANA_API yupana_status_code_t yupana_plan_read_section(const yupana_plan_t *plan, uint32_t index, void *dst,
                                                         uint64_t capacity, yupana_status_t *out_status);

typedef struct yupana_verify_options_t {
  size_t size;
  uint32_t threads; /**< 0: one per core this process may use */
  uint32_t reserved;
  const yupana_progress_t *progress; /**< may be NULL */
} yupana_verify_options_t;

/**
 * Compares every digest of the file, section by section and weights in 16 MiB chunks, loads the code of every target
 * into memory (checking its form; it is not run), and proves that no two buffers overlap while both are alive. Says
 * which weight and which chunk is damaged; of several, the first.
 * `options` may be NULL. DIGEST_MISMATCH, INVALID_DATA, UNREADABLE, OUT_OF_MEMORY, CANCELLED.
 */
YUPANA_API yupana_status_code_t yupana_plan_verify(const yupana_plan_t *plan, const yupana_verify_options_t *options,
                                                   yupana_status_t *out_status);

/* ------------------------------------------------------------------------------------------------------------------
 * Devices
 * ---------------------------------------------------------------------------------------------------------------- */

typedef enum yupana_device_kind_t {
  YUPANA_DEVICE_ANY = 0,
  YUPANA_DEVICE_CPU = 1, /**< the host's processor */
  YUPANA_DEVICE_CUDA = 2 /**< a GPU that the CUDA driver drives */
} yupana_device_kind_t;

/** Which device is meant. NULL in place of the structure stands for any device of this machine. */
typedef struct yupana_device_t {
  size_t size;
  uint32_t kind;    /**< a yupana_device_kind_t */
  uint32_t ordinal; /**< the CUDA driver's number of a GPU, 0 to 15; else 0 */
  /**
   * The file of the CUDA driver; NULL: libcuda.so.1, as the system finds it. It is loaded when the first GPU is looked
   * for, and stays. All contexts of a plan object name the same.
   */
  const char *driver;
} yupana_device_t;

/** How the code of a target meets a device. */
typedef enum yupana_fit_t {
  YUPANA_FIT_EXACT = 0,  /**< made for this very kind */
  YUPANA_FIT_SUBSET = 1, /**< runs as it is, and uses less than the device has */
  YUPANA_FIT_BY_PTX = 2  /**< the CUDA driver translates it when a context is created */
} yupana_fit_t;

/**
 * Whether the code of target `index` runs on the device: OK and how in `*out_fit`, which may be NULL, or INCOMPATIBLE
 * with what the processor or operating system lacks, or why there is no such GPU. Reads neither code nor weights.
 * INVALID_ARGUMENT for an index or a device out of range.
 */
YUPANA_API yupana_status_code_t yupana_plan_compatible(const yupana_plan_t *plan, uint32_t index,
                                                       const yupana_device_t *device, yupana_fit_t *out_fit,
                                                       yupana_status_t *out_status);

/**
 * The best target of the plan for the device, for any device first those of GPUs; INCOMPATIBLE when there is none, with
 * the targets it has, or with the reason where a device was named. INVALID_ARGUMENT as above. Of a processor's targets
 * that is the one with the most instructions, except that x86-64-v4 is better than x86-64-v4-bf16 where it multiplies
 * faster, which the first such question of a process measures in less than a millisecond.
 */
YUPANA_API yupana_status_code_t yupana_plan_best_target(const yupana_plan_t *plan, const yupana_device_t *device,
                                                        uint32_t *out_index, yupana_status_t *out_status);

/**
 * The best target that plans can be compiled for and the device runs as it is, "x86-64-v3" or "sm_90a"; "" when there
 * is none. Of any device, that of a GPU if there is one.
 */
YUPANA_API const char *yupana_native_target(const yupana_device_t *device);

/**
 * Bytes of the host's memory that this process could use without pushing others out: what the kernel calls available,
 * or less where a control group above this process or the limit on its address space allows less. UINT64_MAX where the
 * system does not say.
 */
YUPANA_API uint64_t yupana_available_memory(void);

/**
 * Bytes of a GPU's memory: what nobody uses now, and all there is. `device` may be NULL, which is the first GPU; so is
 * any device. Starts the GPU. INCOMPATIBLE when there is no such GPU, INTERNAL when it does not say.
 */
YUPANA_API yupana_status_code_t yupana_gpu_memory(const yupana_device_t *device, uint64_t *out_free,
                                                  uint64_t *out_total, yupana_status_t *out_status);

/** How many processors this process may run on; at least 1. */
YUPANA_API uint32_t yupana_available_threads(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Contexts
 * ---------------------------------------------------------------------------------------------------------------- */

/** A plan prepared for a device, with its threads, activations, cache and sequences. One thread at a time. */
typedef struct yupana_context_t yupana_context_t;

typedef enum yupana_digest_policy_t {
  YUPANA_DIGEST_ALWAYS = 0,     /**< code and weights are compared with their digests whenever they are loaded */
  YUPANA_DIGEST_FIRST_LOAD = 1, /**< not again what this plan object has compared before */
  YUPANA_DIGEST_OFF = 2
} yupana_digest_policy_t;

/** Makes the bytes of weights that are not in the file. */
typedef struct yupana_filler_t {
  size_t size;
  void *user;
  /**
   * Fills `dst` with the `bytes` bytes of weight `weight`, a number as yupana_plan_weight takes it, in the weight's
   * layout and with its padding; `dst` is aligned to 256. Called by several threads at once, once for each weight that
   * the target uses and no context of the plan has filled. False when it could not: the context is not created.
   */
  int (*fill)(void *user, uint32_t weight, void *dst, uint64_t bytes);
  /**
   * May be NULL. After how many bytes the bytes of a weight repeat; 0: they do not. A device may then have the first so
   * many filled alone, as `bytes` of `fill`, and repeat them itself. Called by several threads at once.
   */
  uint64_t (*period)(void *user, uint32_t weight);
} yupana_filler_t;

typedef struct yupana_context_options_t {
  size_t size;
  const char *target; /**< NULL: yupana_plan_best_target */
  /** Workers, the calling thread included, of a GPU those that read weights; 0: yupana_available_threads. */
  uint32_t threads;
  uint32_t max_sequences; /**< alive at once; 0: limits.max_batch */
  /** Room for keys and values; 0: yupana_plan_kv_bytes(plan, limits.max_context, max_sequences). */
  uint64_t kv_bytes;
  uint32_t digests; /**< a yupana_digest_policy_t */
  /**
   * 1: weights are mapped by the plan's reader instead of read, so that they take no memory of their own and come from
   * the system's cache of the file. Nobody may change or shorten the file meanwhile. Without effect on weights that
   * another context of the plan has loaded.
   */
  uint32_t map_weights;
  const yupana_progress_t *progress; /**< of reading and hashing the weights; may be NULL; not kept */
  /** For weights whose bytes are not in the file; may be NULL where there are none; not kept. */
  const yupana_filler_t *filler;
  const yupana_device_t *device; /**< may be NULL; not kept */
} yupana_context_options_t;

/**
 * Room that `positions` positions in total need in every cache group, however they are spread over at most
 * `max_sequences` sequences (0: limits.max_batch). What can never be alive at once is not counted: a group that keeps
 * a chunk needs at most a chunk and a step per sequence. Saturates at UINT64_MAX.
 */
YUPANA_API uint64_t yupana_plan_kv_bytes(const yupana_plan_t *plan, uint64_t positions, uint32_t max_sequences);

/**
 * Prepares a plan for a device: reads weights with all workers, hashing them on the way, maps code, allocates
 * everything. Nothing is allocated afterwards until the context is released. Weights are shared by all contexts of a
 * plan object on one device; they come from the plan's allocator, or the GPU's memory, and go with the last context.
 * `options` and `allocator` may be NULL. Blocks until done; `options->progress` can cancel.
 * INVALID_ARGUMENT (no such target, option out of range, weights to be mapped by a reader or for a device that cannot),
 * INCOMPATIBLE (also for a launch of more threads or shared memory than a GPU has),
 * INVALID_DATA (also for a plan without weights and no filler), UNREADABLE (also when the filler says so),
 * OUT_OF_MEMORY, DIGEST_MISMATCH, CANCELLED.
 */
YUPANA_API yupana_status_code_t yupana_context_create(yupana_plan_t *plan, const yupana_context_options_t *options,
                                                      const yupana_allocator_t *allocator,
                                                      yupana_context_t **out_context, yupana_status_t *out_status);

/** Ends the threads and frees everything, sequences included; NULL does nothing. */
YUPANA_API void yupana_context_release(yupana_context_t *context);

/** Bytes a context holds, of a GPU's memory and of the host's. */
typedef struct yupana_memory_info_t {
  size_t size;
  uint64_t weights; /**< shared with the other contexts of the plan */
  uint64_t cache;   /**< pages of keys and values */
  uint64_t arenas;  /**< activations */
  uint64_t inputs;  /**< step inputs, page tables and the history of tokens */
  uint64_t scratch; /**< of all workers */
  uint64_t code;
  uint64_t bookkeeping;
  uint64_t total;
  uint64_t device_free;  /**< of a GPU's own memory, what nobody uses now; 0 for the host's */
  uint64_t device_total; /**< likewise, all there is */
} yupana_memory_info_t;
YUPANA_API void yupana_context_memory(const yupana_context_t *context, yupana_memory_info_t *out);

typedef struct yupana_context_info_t {
  size_t size;
  uint32_t target; /**< index in the plan */
  uint32_t threads;
  uint32_t max_sequences;
  uint32_t sequences;    /**< alive now */
  uint64_t kv_positions; /**< positions the cache has room for; more where groups free their chunks */
  uint32_t runs_apart;   /**< 1: steps run beside the host, which gains by submitting the next one early */
  uint32_t reserved;
} yupana_context_info_t;
YUPANA_API void yupana_context_info(const yupana_context_t *context, yupana_context_info_t *out);

/** Pages of cache group `group`: in all and not in use. INVALID_ARGUMENT for a wrong index. */
YUPANA_API yupana_status_code_t yupana_context_pages(const yupana_context_t *context, uint32_t group,
                                                     uint32_t *out_total, uint32_t *out_free);

/* ------------------------------------------------------------------------------------------------------------------
 * Sequences
 * ---------------------------------------------------------------------------------------------------------------- */

/** Names a sequence of one context; 0 never does, and a released name is never used again in practice. */
typedef uint64_t yupana_sequence_t;

/**
 * An empty sequence. `number` is the caller's stable 64-bit name for it: it takes part in the random key of sampling
 * (seed, number, position) and nothing else. OUT_OF_MEMORY when max_sequences are alive.
 */
YUPANA_API yupana_status_code_t yupana_sequence_create(yupana_context_t *context, uint64_t number,
                                                       yupana_sequence_t *out_sequence, yupana_status_t *out_status);

/** Positions the sequence holds. INVALID_ARGUMENT when it is not alive. */
YUPANA_API yupana_status_code_t yupana_sequence_length(const yupana_context_t *context, yupana_sequence_t sequence,
                                                       uint32_t *out_length);

/**
 * Forgets all positions from `length` on. Refused with INVALID_ARGUMENT, changing nothing, when `length` is more than
 * the sequence has, or when the chunk that a token at `length` attends to begins on a page already freed.
 */
YUPANA_API yupana_status_code_t yupana_sequence_truncate(yupana_context_t *context, yupana_sequence_t sequence,
                                                         uint32_t length, yupana_status_t *out_status);

/** Frees the sequence and its pages. INVALID_ARGUMENT when it is not alive. */
YUPANA_API yupana_status_code_t yupana_sequence_release(yupana_context_t *context, yupana_sequence_t sequence,
                                                        yupana_status_t *out_status);

/* ------------------------------------------------------------------------------------------------------------------
 * Steps
 * ---------------------------------------------------------------------------------------------------------------- */

typedef enum yupana_rows_t {
  YUPANA_ROWS_NONE = 0, /**< no logits */
  YUPANA_ROWS_LAST = 1, /**< of the span's last token */
  YUPANA_ROWS_ALL = 2,  /**< of every token of the span */
  YUPANA_ROWS_LIST = 3  /**< of the tokens in `row_list` */
} yupana_rows_t;

/** The tokens that one sequence goes on by. They take the positions after those the sequence holds. */
typedef struct yupana_span_t {
  size_t size; /**< the same in all spans of a batch: it is the distance between them */
  yupana_sequence_t sequence;
  const uint32_t *tokens;   /**< [token_count], each < vocab_size */
  uint32_t token_count;     /**< at least 1 */
  uint32_t rows;            /**< a yupana_rows_t */
  const uint32_t *row_list; /**< [row_count], strictly ascending, each < token_count; for YUPANA_ROWS_LIST */
  uint32_t row_count;
  uint32_t sample;   /**< 1: choose a token for every wanted row */
  float temperature; /**< 0 takes the best token, the lowest id on ties; finite, not negative */
  /** 1: the span's only token is the one that the step submitted just before drew behind its span of this sequence;
      `tokens` is not read. That step need not have been waited for. */
  uint32_t token_from_previous;
  uint64_t seed;
  /* How a token is chosen, in the order of transformers' logits processors: repetition_penalty, temperature, top_k,
     top_p, min_p. Where a limit cuts between equal logits, lower ids stay; one token always does. */
  uint32_t top_k; /**< keep so many of the best tokens; 0: all */
  float top_p;    /**< keep the fewest of the best tokens whose probabilities reach this; 0 and 1: all; 0 to 1 */
  float min_p;    /**< keep tokens at least this many times as probable as the best; 0: all; 0 to 1 */
  /** The logit of a token that the sequence holds already, prompt included, is divided by this if it is above 0, else
      multiplied; 0 and 1: none; finite, not negative. */
  float repetition_penalty;
} yupana_span_t;

/** A step: any mixture of prompts, pieces of prompts and single tokens, of different sequences. */
typedef struct yupana_batch_t {
  size_t size;
  const yupana_span_t *spans; /**< [span_count], no sequence twice */
  uint32_t span_count;        /**< 1 to limits.max_batch */
  uint32_t keep_logits;       /**< 1: logits stay on the device, for callers that use sampled tokens alone */
} yupana_batch_t;

/** Token id of rows for which no sampling was asked. */
#define YUPANA_NO_TOKEN UINT32_MAX

/** Rows come in the order of the spans and, within one, of its tokens. Arrays live until the next step is submitted. */
typedef struct yupana_step_result_t {
  size_t size;
  uint32_t rows;
  uint32_t vocab_size;
  const float *logits;     /**< [rows][vocab_size]; NULL when rows is 0, or when keep_logits is 1 */
  const uint32_t *sampled; /**< [rows]; NULL when no span sampled */
} yupana_step_result_t;

/**
 * Runs a step. Logits do not depend on the number of threads, on how a prompt is cut into steps, or on which other
 * sequences share the batch. A step that fails leaves every sequence, its pages and its length as they were.
 * Sampled tokens depend on the logits, the parameters, (seed, number, position) and the tokens of the sequence alone.
 * INVALID_ARGUMENT (a rule above, limits.max_step_tokens, max_logit_rows or max_context broken, token id not below
 * vocab_size, a step in flight), UNSUPPORTED (sampling from a plan without a sampling program), OUT_OF_MEMORY (no free
 * pages); INTERNAL when the device fails while it runs: the context can then only be released.
 * NOT_FINITE is no failure of the step, which has been done and whose `*out_result` is filled in: of a row that was to
 * be sampled, the logits hold NaN or positive infinity, and YUPANA_NO_TOKEN stands for its token.
 */
YUPANA_API yupana_status_code_t yupana_context_step(yupana_context_t *context, const yupana_batch_t *batch,
                                                    yupana_step_result_t *out_result, yupana_status_t *out_status);

/** How many steps may be in flight: submitted and not waited for. */
#define YUPANA_STEPS_IN_FLIGHT 4

/**
 * The first half of yupana_context_step: gives a step to the device and returns when that is done, on a processor when
 * the step has run. From here on its sequences are longer; they may be truncated, released and gone on with meanwhile.
 * With token_from_previous a step may be submitted before the one whose tokens it goes on with is waited for; what was
 * submitted beyond the end of a text is truncated away. Where no token could be drawn (NOT_FINITE), some token stands.
 * Fails as yupana_context_step does, and with INVALID_ARGUMENT when YUPANA_STEPS_IN_FLIGHT are in flight, or the last
 * of them gives logits. After INTERNAL, waiting fails, too.
 */
YUPANA_API yupana_status_code_t yupana_context_submit(yupana_context_t *context, const yupana_batch_t *batch,
                                                      yupana_status_t *out_status);

/**
 * The second half: waits for the first step in flight. INVALID_ARGUMENT when none is; NOT_FINITE as above; INTERNAL
 * when the device failed: then none is in flight, and their sequences are as long as before the first of them.
 */
YUPANA_API yupana_status_code_t yupana_context_wait(yupana_context_t *context, yupana_step_result_t *out_result,
                                                    yupana_status_t *out_status);

#ifdef __cplusplus
}
#endif

#endif
