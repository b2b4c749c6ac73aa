# SPDX-License-Identifier: Apache-2.0
"""Runs plans that `yupana compile` has made of Llama 4 checkpoints. Needs no compiler.

    import yupana

    with yupana.Plan("model.yplan") as plan:
        print(plan.generate("The capital of France is", max_new_tokens=32).text)
"""

import ctypes
import os
import sys
import threading
from collections import namedtuple
from ctypes import byref

import numpy

from . import _library
from ._library import Error, functions

__all__ = ["Chat", "Error", "Piece", "Plan", "Reply", "__version__"]
__version__ = functions["version"]().decode()

Reply = namedtuple("Reply", "text tokens stop")
Reply.__doc__ = """What a model answered: `text` without special tokens; `tokens`, their ids, a stop token included;
`stop`, "eos" when a stop token ended it and "length" when max_new_tokens or the longest context did."""

Piece = namedtuple("Piece", "text token stop")
Piece.__doc__ = """A token as it comes: `text`, whole characters and often none, as where a character takes several
tokens; its id `token`; `stop`, None until the last piece, then as in Reply."""

_STOPS = [None, "eos", "length"]
_SMALLEST = float(numpy.finfo(numpy.float32).tiny)


class Plan:
    """A plan file, opened. Weights are loaded when they are first needed; tokenizing needs none.

    path      the plan
    threads   workers; 0: all cores this process may use
    target    use the code of this target, such as "x86-64-v3"; None: the best one that runs here
    device    "auto", "cpu", "cuda" or "cuda:1"
    kv_bytes  memory for keys and values, shared by all texts under way; 0: one of the longest context
    mmap      True maps the weights from the file, so that processes share them; steps may be slower
    progress  called with (bytes done, bytes in all) while weights are loaded

    Any number of threads may use a plan; steps run one at a time, each with all workers. Up to `max_batch` texts may be
    under way at once.
    """

    def __init__(self, path, *, threads=0, target=None, device="auto", kv_bytes=0, mmap=False, progress=None):
        self._plan, self._tokenizer, self._context = ctypes.c_void_p(), ctypes.c_void_p(), None
        self._lock, self._streams = threading.RLock(), set()
        self._options = dict(threads=threads, target=target, device=_device(device), kv_bytes=kv_bytes, mmap=mmap)
        self._progress = progress
        functions["plan_open_file"](os.fsencode(path), None, byref(self._plan))
        model, limits = _library.ModelInfo(), _library.Limits()
        functions["plan_model"](self._plan, byref(model))
        functions["plan_limits"](self._plan, byref(limits))
        self.name = model.name.decode()
        self.precision = model.precision.decode()
        self.vocab_size, self.layers, self.parameters = model.vocab_size, model.layers, model.parameters
        self.stop_tokens = tuple(model.stop_tokens[:model.stop_token_count])
        self.max_context, self.max_batch = limits.max_context, limits.max_batch
        self._step_rows = min(limits.max_step_tokens, limits.max_logit_rows)
        self.targets = tuple(self._target_names())
        try:
            functions["tokenizer_open"](self._plan, byref(self._tokenizer))
        except Error as error:
            if error.status != "UNSUPPORTED":
                self.close()
                raise
        self.has_tokenizer = bool(self._tokenizer)
        self.has_chat = self.has_tokenizer and bool(functions["tokenizer_has_chat"](self._tokenizer))

    def _target_names(self):
        for index in range(functions["plan_target_count"](self._plan)):
            info = _library.TargetInfo()
            functions["plan_target"](self._plan, index, byref(info))
            yield info.name.decode()

    # ---- life

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if hasattr(self, "_streams"):
            self.close()

    def __repr__(self):
        return f"<yupana.Plan {self.name!r}, {', '.join(self.targets)}{'' if self._plan else ', closed'}>"

    def close(self):
        """Frees everything, texts under way included. Closing twice does nothing."""
        with self._lock:
            for stream in list(self._streams):
                stream.close()
            functions["context_release"](self._context)
            functions["tokenizer_close"](self._tokenizer)
            functions["plan_release"](self._plan)
            self._plan, self._tokenizer, self._context = None, None, None

    def _opened(self):
        if not self._plan:
            raise ValueError("the plan is closed")
        return self._plan

    def load(self):
        """Loads the weights now rather than with the first text."""
        with self._lock:
            self._opened()
            if self._context:
                return
            kind, ordinal = self._options["device"]
            device = _library.Device(kind=kind, ordinal=ordinal)
            target = self._options["target"]
            watch = _Watch(self._progress)
            options = _library.ContextOptions(
                target=target.encode() if target else None, threads=self._options["threads"],
                kv_bytes=self._options["kv_bytes"] or functions["plan_kv_bytes"](self._plan, self.max_context, 0),
                map_weights=bool(self._options["mmap"]), progress=ctypes.pointer(watch.structure),
                device=ctypes.pointer(device))
            context = ctypes.c_void_p()
            try:
                functions["context_create"](self._plan, byref(options), None, byref(context))
            except Error:
                if watch.raised:
                    raise watch.raised from None
                raise
            self._context = context

    @property
    def target(self):
        """The target whose code runs; loads the weights."""
        self.load()
        info = _library.ContextInfo()
        functions["context_info"](self._context, byref(info))
        return self.targets[info.target]

    # ---- tokens

    def _needs_tokenizer(self):
        self._opened()
        if not self.has_tokenizer:
            raise Error(5, f"{self.name}: the plan was compiled without a tokenizer, so text cannot be encoded; token "
                           "ids work")
        return self._tokenizer

    def encode(self, text, *, begin=False, special=False):
        """Token ids of `text`, a list of int. `begin` puts the begin token first; with `special`, special tokens such
        as <|eot|> in the text are special tokens."""
        tokenizer, data = self._needs_tokenizer(), text.encode()
        flags = _library.ENCODE_BEGIN * bool(begin) | _library.ENCODE_SPECIAL * bool(special)
        return _ids(lambda *out: functions["tokenizer_encode"](tokenizer, data, len(data), flags, *out), len(data) + 1)

    def encode_chat(self, messages):
        """Token ids of a conversation as the checkpoint's chat template has it, up to where the model's next message
        begins. `messages` are dicts with "role" ("system", "user" or "assistant") and "content"."""
        tokenizer = self._needs_tokenizer()
        array = (_library.Message * len(messages))()
        for entry, message in zip(array, messages):
            data = message["content"].encode()
            entry.size, entry.text, entry.bytes = ctypes.sizeof(entry), data, len(data)
            entry.role = _role(message["role"])
        size = sum(entry.bytes + 64 for entry in array) + 64
        return _ids(lambda *out: functions["tokenizer_encode_chat"](tokenizer, array, len(array), *out), size)

    def decode(self, ids, *, special=True):
        """The text of token ids. Bytes that are no UTF-8 become U+FFFD; without `special`, special tokens are left
        out."""
        tokenizer, parts, size = self._needs_tokenizer(), [], ctypes.c_size_t()
        for token in _array(ids):
            if special or not functions["tokenizer_is_special"](tokenizer, token):
                parts.append(ctypes.string_at(functions["tokenizer_token"](tokenizer, token, byref(size)), size.value))
        return b"".join(parts).decode(errors="replace")

    def _prompt(self, prompt):
        return self.encode(prompt, begin=True, special=True) if isinstance(prompt, str) else prompt

    # ---- running

    def generate(self, prompt, **options):
        """Goes on with `prompt`, a text or token ids, and returns a Reply.

        A text gets the begin token, and special tokens in it are special tokens. Options, with None for what the
        checkpoint's generation_config.json recommends:

        max_new_tokens      end after so many tokens (default 256)
        temperature         0 takes the best token; above 0 draws, the more freely the larger
        top_k               draw from so many of the best tokens alone; 0 from all
        top_p               draw from the fewest of the best tokens whose probabilities add up to it, 0 to 1
        min_p               draw from tokens at least so many times as probable as the best, 0 to 1
        repetition_penalty  above 0; 1 changes nothing
        seed                another number, other draws (default 0); equal seeds give equal texts
        """
        return _reply(self.stream(prompt, **options))

    def stream(self, prompt, **options):
        """Like generate, but an iterator of Pieces as they come. A text that is not read to its end ends with the
        iterator (`close()`, or when it is collected)."""
        return self._pieces(self._prompt(prompt), _options(self, options, is_chat=False))

    def _pieces(self, ids, options):
        stream = _Stream(self)
        try:
            yield from stream.run(ids, options)
        finally:
            stream.close()

    def chat(self, system=None):
        """A Chat with the model. `system` is a message before it."""
        return Chat(self, system)

    def logits(self, prompt):
        """Logits behind each token of `prompt`, a text or token ids: numpy float32 [tokens, vocab_size], not
        normalised."""
        ids = _array(self._prompt(prompt))
        if not ids:
            raise ValueError("the prompt has no tokens")
        out = numpy.empty((len(ids), self.vocab_size), numpy.float32)
        sequence = ctypes.c_uint64()
        with self._lock:
            self.load()
            functions["sequence_create"](self._context, 0, byref(sequence))
            try:
                for first in range(0, len(ids), self._step_rows):
                    part = _array(ids[first:first + self._step_rows])
                    span = _library.Span(sequence=sequence, tokens=part, token_count=len(part), rows=_library.ROWS_ALL)
                    result = _library.StepResult()
                    batch = _library.Batch(spans=ctypes.pointer(span), span_count=1)
                    functions["context_step"](self._context, byref(batch), byref(result))
                    rows = numpy.ctypeslib.as_array(result.logits, (result.rows, result.vocab_size))
                    out[first:first + len(part)] = rows
            finally:
                functions["sequence_release"](self._context, sequence)
        return out


class Chat:
    """A conversation, as the checkpoint's chat template writes it. What has been read stays in the cache, so that each
    message costs its own tokens alone. `messages` is the conversation so far, as Plan.encode_chat takes it."""

    def __init__(self, plan, system=None):
        if not plan.has_chat:
            raise Error(5, f"{plan.name}: the plan has no chat format, as its checkpoint had no chat template that "
                           "yupana compile understands; generate works")
        self._plan, self._stream = plan, _Stream(plan)
        self.messages = [{"role": "system", "content": system}] if system is not None else []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the conversation and frees its place among the texts under way."""
        self._stream.close()

    def send(self, text, **options):
        """Says `text` and returns the Reply. Options are those of Plan.generate."""
        return _reply(self.stream(text, **options))

    def stream(self, text, **options):
        """Like send, but an iterator of Pieces. The part that was read is the model's message; a message whose reply
        fails before its first token is taken back."""
        options = _options(self._plan, options, is_chat=True)
        messages = self.messages + [{"role": "user", "content": text}]
        ids = self._plan.encode_chat(messages)

        def pieces():
            parts = []
            try:
                for piece in self._stream.run(ids, options):
                    parts.append(piece.text)
                    yield piece
            finally:
                if parts:
                    self.messages = messages + [{"role": "assistant", "content": "".join(parts)}]
        return pieces()


class _Stream:
    """A stream of the library, closed with its plan at the latest."""

    def __init__(self, plan):
        self._plan, self._stream = plan, ctypes.c_void_p()
        with plan._lock:
            plan.load()
            functions["stream_create"](plan._plan, plan._context, plan._tokenizer, byref(self._stream))
            plan._streams.add(self)

    def __del__(self):
        if self._stream:
            self.close()

    def close(self):
        with self._plan._lock:
            functions["stream_release"](self._stream)
            self._stream = None
            self._plan._streams.discard(self)

    def _call(self, name, *arguments):
        # Between two steps others have their turn.
        with self._plan._lock:
            if not self._stream:
                raise ValueError("the text is closed")
            functions[name](self._stream, *arguments)

    def run(self, ids, options):
        ids = _array(ids)
        self._call("stream_start", ids, len(ids), byref(options))
        piece = _library.Piece()
        while not piece.stop:
            with self._plan._lock:
                self._call("stream_next", byref(piece))
                text = ctypes.string_at(piece.text, piece.bytes).decode(errors="replace")
            if piece.token != _library.NO_TOKEN:
                yield Piece(text, piece.token, _STOPS[piece.stop])


class _Watch:
    """Reports progress to a Python function. What that raises, Ctrl-C included, cancels."""

    def __init__(self, progress):
        self.raised = None

        def report(_, done, total):
            try:
                if progress:
                    progress(done, total)
                return 0
            except BaseException as raised:  # Nothing may go through the library's own frames.
                self.raised = raised
                return 1
        self.structure = _library.Progress(report=_library.PROGRESS(report))


def _reply(pieces):
    pieces = list(pieces)
    return Reply("".join(piece.text for piece in pieces), [piece.token for piece in pieces], pieces[-1].stop)


def _options(plan, given, is_chat):
    """The library's options: what is recommended, overlaid with what is given."""
    out = _library.StreamOptions()
    functions["plan_stream_options"](plan._opened(), byref(out))
    out.is_chat, out.max_new_tokens = is_chat, 256
    for name, value in given.items():
        if name not in ("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"):
            raise TypeError(f"unknown option {name!r}")
        if value is None:
            continue
        if name == "max_new_tokens" and value < 1:
            raise ValueError(f"max_new_tokens is {value}, expected at least 1")
        # To the library 0 is no limit; the smallest number above it keeps the best token alone.
        setattr(out, name, max(value, _SMALLEST) if name == "top_p" and value == 0 else value)
    return out


def _array(ids):
    """Token ids of any kind, an array of numpy included, as an array of C."""
    ids = [int(token) for token in ids]
    if any(not 0 <= token < _library.NO_TOKEN for token in ids):
        raise ValueError("a token id is negative or too large")
    return (ctypes.c_uint32 * len(ids))(*ids)


def _ids(encode, size):
    """What `encode` writes to an array of `size` ids, or of as many as it turns out to need."""
    count = ctypes.c_size_t()
    while True:
        out = (ctypes.c_uint32 * size)()
        encode(out, size, byref(count))
        if count.value <= size:
            return out[:count.value]
        size = count.value


def _role(name):
    try:
        return ["system", "user", "assistant"].index(name)
    except ValueError:
        raise ValueError(f'the role is {name!r}, expected "system", "user" or "assistant"') from None


def _device(name):
    kind, _, ordinal = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (ordinal and (kind != "cuda" or not ordinal.isdigit())):
        raise ValueError(f'the device is {name!r}, expected "auto", "cpu", "cuda" or "cuda:N"')
    return ["auto", "cpu", "cuda"].index(kind), int(ordinal or 0)


if sys.byteorder != "little":
    raise ImportError("yupana needs a little-endian machine")
