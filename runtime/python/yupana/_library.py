# SPDX-License-Identifier: Apache-2.0
"""The C library as Python sees it: the structures and functions of yupana.h and text.h that the package uses."""

import ctypes
import pathlib
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p, sizeof

STATUS = ["OK", "INTERNAL", "INVALID_ARGUMENT", "UNREADABLE", "INVALID_DATA", "UNSUPPORTED", "INCOMPATIBLE",
          "OUT_OF_MEMORY", "DIGEST_MISMATCH", "CANCELLED", "NOT_FINITE"]
CANCELLED = STATUS.index("CANCELLED")
NO_TOKEN = 0xFFFFFFFF
ENCODE_BEGIN, ENCODE_SPECIAL = 1, 2
ROWS_ALL = 2


class Sized(ctypes.Structure):
    """A structure that begins with its own size; every other member begins as zero."""

    def __init__(self, **members):
        super().__init__(size=sizeof(self), **members)


class Status(ctypes.Structure):
    _fields_ = [("code", c_uint32), ("message", ctypes.c_char * 508)]


class ModelInfo(Sized):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("architecture", c_char_p), ("precision", c_char_p),
                ("producer", c_char_p), ("vocab_size", c_uint32), ("hidden_size", c_uint32), ("layers", c_uint32),
                ("stop_token_count", c_uint32), ("stop_tokens", POINTER(c_uint32)), ("parameters", c_uint64),
                ("bos_token", c_int64), ("do_sample", c_uint32), ("top_k", c_uint32), ("temperature", c_float),
                ("top_p", c_float), ("min_p", c_float), ("repetition_penalty", c_float)]


class Limits(Sized):
    _fields_ = [("size", c_size_t), ("max_context", c_uint32), ("max_batch", c_uint32), ("max_step_tokens", c_uint32),
                ("max_logit_rows", c_uint32)]


class TargetInfo(Sized):
    _fields_ = [("size", c_size_t), ("name", c_char_p)]


PROGRESS = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint64, c_uint64)


class Progress(Sized):
    _fields_ = [("size", c_size_t), ("user", c_void_p), ("report", PROGRESS)]


class Device(Sized):
    _fields_ = [("size", c_size_t), ("kind", c_uint32), ("ordinal", c_uint32), ("driver", c_char_p)]


class ContextOptions(Sized):
    _fields_ = [("size", c_size_t), ("target", c_char_p), ("threads", c_uint32), ("max_sequences", c_uint32),
                ("kv_bytes", c_uint64), ("digests", c_uint32), ("map_weights", c_uint32),
                ("progress", POINTER(Progress)), ("filler", c_void_p), ("device", POINTER(Device))]


class ContextInfo(Sized):
    _fields_ = [("size", c_size_t), ("target", c_uint32), ("threads", c_uint32), ("max_sequences", c_uint32),
                ("sequences", c_uint32), ("kv_positions", c_uint64)]


class Span(Sized):
    _fields_ = [("size", c_size_t), ("sequence", c_uint64), ("tokens", POINTER(c_uint32)), ("token_count", c_uint32),
                ("rows", c_uint32), ("row_list", POINTER(c_uint32)), ("row_count", c_uint32), ("sample", c_uint32),
                ("temperature", c_float), ("token_from_previous", c_uint32), ("seed", c_uint64), ("top_k", c_uint32),
                ("top_p", c_float), ("min_p", c_float), ("repetition_penalty", c_float)]


class Batch(Sized):
    _fields_ = [("size", c_size_t), ("spans", POINTER(Span)), ("span_count", c_uint32), ("keep_logits", c_uint32)]


class StepResult(Sized):
    _fields_ = [("size", c_size_t), ("rows", c_uint32), ("vocab_size", c_uint32), ("logits", POINTER(c_float)),
                ("sampled", POINTER(c_uint32))]


class Message(Sized):
    _fields_ = [("size", c_size_t), ("text", c_char_p), ("bytes", c_size_t), ("role", c_uint32),
                ("reserved", c_uint32)]


class StreamOptions(Sized):
    _fields_ = [("size", c_size_t), ("max_new_tokens", c_uint32), ("is_chat", c_uint32), ("seed", c_uint64),
                ("temperature", c_float), ("top_k", c_uint32), ("top_p", c_float), ("min_p", c_float),
                ("repetition_penalty", c_float), ("reserved", c_uint32)]


class Piece(Sized):
    _fields_ = [("size", c_size_t), ("text", c_void_p), ("bytes", c_size_t), ("token", c_uint32), ("stop", c_uint32)]


# Name: result and arguments. A result of None is a status code, after which a pointer to a status is the last argument.
IDS = POINTER(c_uint32)
FUNCTIONS = {
    "plan_open_file": (None, c_char_p, c_void_p, POINTER(c_void_p)),
    "plan_release": ("void", c_void_p),
    "plan_model": ("void", c_void_p, POINTER(ModelInfo)),
    "plan_limits": ("void", c_void_p, POINTER(Limits)),
    "plan_kv_bytes": (c_uint64, c_void_p, c_uint64, c_uint32),
    "plan_target_count": (c_uint32, c_void_p),
    "plan_target": (c_int, c_void_p, c_uint32, POINTER(TargetInfo)),
    "context_create": (None, c_void_p, POINTER(ContextOptions), c_void_p, POINTER(c_void_p)),
    "context_info": ("void", c_void_p, POINTER(ContextInfo)),
    "context_release": ("void", c_void_p),
    "context_step": (None, c_void_p, POINTER(Batch), POINTER(StepResult)),
    "sequence_create": (None, c_void_p, c_uint64, POINTER(c_uint64)),
    "sequence_release": (None, c_void_p, c_uint64),
    "status_exit_code": (c_int, c_int),
    "version": (c_char_p,),
    "tokenizer_open": (None, c_void_p, POINTER(c_void_p)),
    "tokenizer_close": ("void", c_void_p),
    "tokenizer_encode": (None, c_void_p, c_char_p, c_size_t, c_uint32, IDS, c_size_t, POINTER(c_size_t)),
    "tokenizer_encode_chat": (None, c_void_p, POINTER(Message), c_size_t, IDS, c_size_t, POINTER(c_size_t)),
    "tokenizer_token": (c_void_p, c_void_p, c_uint32, POINTER(c_size_t)),
    "tokenizer_is_special": (c_int, c_void_p, c_uint32),
    "tokenizer_has_chat": (c_int, c_void_p),
    "plan_stream_options": ("void", c_void_p, POINTER(StreamOptions)),
    "stream_create": (None, c_void_p, c_void_p, c_void_p, POINTER(c_void_p)),
    "stream_start": (None, c_void_p, IDS, c_size_t, POINTER(StreamOptions)),
    "stream_next": (None, c_void_p, POINTER(Piece)),
    "stream_release": ("void", c_void_p),
}


class Error(Exception):
    """What the library says when it fails: one sentence that names what was found and what was expected.

    `status` is the name of the library's status, such as "INCOMPATIBLE"; `exit_code` is what yupana-run would end
    with: 2 usage, 3 file missing or unreadable, 4 plan invalid or logits not finite, 5 not supported, 6 plan and device
    do not fit, 7 not enough memory, 8 digest wrong.
    """

    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.status = STATUS[code]
        self.exit_code = int(functions["status_exit_code"](code))


def _checked(function):
    def call(*arguments):
        status = Status()
        if function(*arguments, byref(status)):
            raise Error(status.code, status.message.decode(errors="replace"))
    return call


def _load():
    """The functions by name, of the library beside this file. Those that can fail raise Error instead."""
    library = ctypes.CDLL(str(pathlib.Path(__file__).with_name("libyupana.so")))
    loaded = {}
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(library, "yupana_" + name)
        function.argtypes = arguments + ([POINTER(Status)] if result is None else [])
        function.restype = {None: c_int, "void": None}.get(result, result)
        loaded[name] = _checked(function) if result is None else function
    return loaded


functions = _load()
