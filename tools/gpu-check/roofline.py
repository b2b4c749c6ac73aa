# SPDX-License-Identifier: Apache-2.0
"""Which runs of yupana-bench show a kernel at its roofline, and what is made of their reports: floors, shares, ratios.

A kernel's floor is the greater of its bytes over the bandwidth and its FLOPs over the arithmetic peak that were
measured on the same GPU in the same run; its share is the floor over what it took. Programs are compared within a
round, in which one runs right after the other: a round gives a ratio, and the result is the median of the ratios.
"""

import statistics

KIBI = 1024
# Rope tables and the cache are made for it.
CONTEXT = 132 * KIBI


class Run:
    """One call of yupana-bench: what it is told, and which phase of its report is meant. `plan` is the stem of a file,
    or the name of a family of stacks, of which the deepest that fits is taken. Of `rounds` there is one without
    peers."""

    def __init__(self, plan, name, phase, tokens, words, context=0, peers=(), rounds=3):
        self.plan, self.name, self.phase, self.tokens = plan, name, phase, tokens
        self.words, self.context, self.peers = [str(word) for word in words], context, tuple(peers)
        self.rounds = rounds


def decode(plan, batch, peers=()):
    return Run(plan, f"decode T={batch}", "decode", batch,
               ["--batch", batch, "--prompt-tokens", 64, "--max-new-tokens", 32, "--repetitions", 3,
                "--kv-memory", "2G"], peers=peers)


def prefill(plan, tokens, peers=()):
    return Run(plan, f"prefill {tokens}", "prefill", tokens,
               ["--prompt-tokens", tokens, "--max-new-tokens", 0, "--repetitions", 3, "--kv-memory", "2G"], peers=peers)


def decode_behind(plan, label, prompt, peers=()):
    """The prompt is read, so that what is attended to is no fill of zeros. It ends before a border of chunks, so that
    the layers with chunks attend to nearly as many keys as they can."""
    return Run(plan, f"decode behind {label}", "decode", 1,
               ["--prompt-tokens", prompt, "--max-new-tokens", 32, "--repetitions", 1, "--warmup", 0], prompt, peers,
               rounds=2)


PRODUCTS = ("qkv", "o", "gate_up", "down", "block")
FULL = [
    *(decode("scout-4.bf16", batch, PRODUCTS) for batch in (1, 8, 64)),
    *(prefill("scout-4.bf16", tokens, (*PRODUCTS, "attention")) for tokens in (2048, 8192)),
    decode_behind("scout-4.bf16", "8 K", 8 * KIBI - 64, ["attention"]),
    decode_behind("scout-4.bf16", "128 K", 128 * KIBI - 64, ["attention"]),
    *(decode("maverick-2.bf16", batch) for batch in (1, 8, 64)),
    *(prefill("maverick-2.bf16", tokens) for tokens in (2048, 8192)),
    *(decode("scout-stack", batch) for batch in (1, 8, 64)),
]
# For a stand-in that interprets: every path of the above, at sizes that end within seconds.
TINY = ["--repetitions", 1, "--warmup", 0]
REHEARSED = [
    Run("small.bf16", "decode T=1", "decode", 1, ["--prompt-tokens", 4, "--max-new-tokens", 1, *TINY], context=4,
        peers=(*PRODUCTS, "attention")),
    Run("small-stack", "prefill 3", "prefill", 3, ["--prompt-tokens", 3, "--max-new-tokens", 0, *TINY],
        peers=["attention"]),
]


def choose_stack(sizes, family, free):
    """The deepest stack of a family, "scout-stack-28.bf16" and others, whose bytes fit; None where none does. A
    twentieth of what is free is left for what the driver takes."""
    fitting = [(size, stem) for stem, size in sizes.items()
               if stem.startswith(family + "-") and size <= 0.95 * free]
    return max(fitting)[1] if fitting else None


def floor(work, bandwidth, flops):
    """(seconds, what bounds it); without an arithmetic peak (None, None) for what does not clearly wait for memory."""
    memory = work["bytes"] / bandwidth
    if not flops:
        # No machine computes less than 20 operations in the time of a byte.
        return (memory, "memory") if work["flops"] <= 20 * work["bytes"] else (None, None)
    return max((memory, "memory"), (work["flops"] / flops, "arithmetic"))


def join(report, phase, bandwidth, flops):
    """A phase of a report of --per-kernel with floors and shares: seconds are of one step."""
    found = report["kernels"][phase]
    kernels = []
    for kernel in found["kernels"]:
        least, bound = floor(kernel, bandwidth, flops)
        kernels.append({key: kernel[key] for key in ("kernel", "on", "launches", "seconds", "bytes", "flops")}
                       | {"floor": least, "bound": bound,
                          "share": least / kernel["seconds"] if least is not None and kernel["seconds"] else None})
    known = all(kernel["floor"] is not None for kernel in kernels)
    least = sum(kernel["floor"] for kernel in kernels) if known else None
    part = report[phase]
    return {"seconds": found["seconds"], "between": found["seconds_between"], "floor": least,
            "share": least / found["seconds"] if known and found["seconds"] else None,
            "tokens_per_s": part["tokens_per_s"]["median"], "kernels": kernels}


def operation(on):
    """What a kernel does, in the words of the peers, from what yupana-bench says it works on; None for what no peer has
    or what does several things at once."""
    words = {word.strip() for word in on.split(",")}
    routed = {word.rpartition(".")[2] for word in words if word.split(".")[0] in ("experts", "shared")}
    if len(routed) == 1 and all(word.split(".")[0] in ("experts", "shared") for word in words):
        return {"gate+up": "gate_up", "down": "down"}.get(routed.pop())
    if words <= {"q", "k", "v"}:
        return "qkv"
    return {"o": "o", "router": "router", "cache full": "attention"}.get(on)


def operations(kernels):
    """Seconds of each operation in one layer. "block" is the mixture of experts, from its router to its last sum; it is
    left out where a kernel of it cannot be told from others."""
    seconds, launches = {}, {}
    for kernel in kernels:
        name = operation(kernel["on"])
        if name:
            seconds[name] = seconds.get(name, 0) + kernel["seconds"]
            launches[name] = launches.get(name, 0) + kernel["launches"]
    # A layer has one output projection; of the others it may have several launches.
    layers = launches.get("o", 0)
    out = {name: time / (launches[name] if name == "attention" else layers) for name, time in seconds.items()
           if layers or name == "attention"}
    if {"router", "gate_up", "down"} <= set(out):
        out["block"] = out["router"] + out["gate_up"] + out["down"]
    return out


def in_turn(sides, number):
    """Which side is first changes every round."""
    return list(sides) if number % 2 == 0 else list(reversed(sides))


def paired(ours, theirs):
    """How many times as long as ours theirs took, by rounds that have both, with the median; None without any."""
    ratios = [b / a for a, b in zip(ours, theirs) if a and b]
    return {"ratios": ratios, "median": statistics.median(ratios)} if ratios else None


def median_round(joined):
    """The round whose step took the median time, whole, so that its kernels add up."""
    return sorted(joined, key=lambda found: found["seconds"])[len(joined) // 2]


def median(values):
    """Of those that are there; None without any."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None
