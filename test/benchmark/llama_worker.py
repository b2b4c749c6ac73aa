# SPDX-License-Identifier: Apache-2.0
"""Drives llama.cpp in a process of its own, through its C API, as a line of JSON on standard input asks for.

usage: llama_worker.py MODEL.gguf --threads N --context N

    {"do": "measure", "prompt": N, "new": M, "repetitions": R, "warmup": W}
                                               -> {"prefill_s": [...], "decode_s": [...]}
    {"do": "logits", "tokens": [...], "out": "FILE.npy"}  -> {}

Writes one line of JSON for each, after a first one that says what was built and how long loading took. Only the last
token of a prompt asks for logits, and only llama_decode with the wait for its end is timed: choosing the next token is
not, and ids are random, which llama.cpp's own bench does, too. Between requests the process waits, so that it takes no
core. Runs where the package llama-cpp-python is installed.
"""

import argparse
import ctypes
import json
import random
import sys
import time

import llama_cpp
import numpy as np

QUIET = llama_cpp.llama_log_callback(lambda level, text, data: None)


class Llama:
    def __init__(self, path, threads, context):
        llama_cpp.llama_log_set(QUIET, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.context = context
        start = time.perf_counter()
        of_model = llama_cpp.llama_model_default_params()
        # Read into memory as Yupana does, so that both have their weights in the same kind of pages.
        of_model.use_mmap = False
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), of_model)
        if not self.model:
            sys.exit(f"{path}: llama.cpp cannot load it")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = context, context, 512
        params.n_threads = params.n_threads_batch = threads
        self.handle = llama_cpp.llama_init_from_model(self.model, params)
        if not self.handle:
            sys.exit(f"{path}: llama.cpp makes no context of {context} tokens")
        self.load_seconds = time.perf_counter() - start
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(context, 0, 1)
        self.random = random.Random(1)

    def decode(self, tokens, first, all_logits=False):
        """One batch of one sequence, whose first token stands at position `first`."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = token, first + i, 1, 0
            batch.logits[i] = all_logits or i == len(tokens) - 1
        start = time.perf_counter()
        code = llama_cpp.llama_decode(self.handle, batch)
        llama_cpp.llama_synchronize(self.handle)
        if code:
            sys.exit(f"llama_decode returned {code}")
        return time.perf_counter() - start

    def forget(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.handle), False)

    def draw(self, count):
        return [self.random.randrange(self.vocabulary) for _ in range(count)]

    def measure(self, prompt, new, repetitions, warmup):
        times = {"prefill_s": [], "decode_s": []}
        for repetition in range(warmup + repetitions):
            self.forget()
            prefill = self.decode(self.draw(prompt), 0)
            decode = sum(self.decode(self.draw(1), prompt + i) for i in range(new))
            if repetition >= warmup:
                times["prefill_s"].append(prefill)
                times["decode_s"] += [decode] if new else []
        return times

    def logits(self, tokens, out):
        self.forget()
        self.decode(tokens, 0, all_logits=True)
        flat = llama_cpp.llama_get_logits(self.handle)
        np.save(out, np.ctypeslib.as_array(flat, (len(tokens) * self.vocabulary,)).reshape(len(tokens), -1))
        return {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    arguments = parser.parse_args()
    llama = Llama(arguments.model, arguments.threads, arguments.context)
    answer = lambda what: print(json.dumps(what), flush=True)
    answer({"version": llama_cpp.__version__, "load_s": llama.load_seconds,
            "system_info": llama_cpp.llama_print_system_info().decode().strip()})
    for line in sys.stdin:
        request = json.loads(line)
        answer(getattr(llama, request.pop("do"))(**request))


if __name__ == "__main__":
    main()
