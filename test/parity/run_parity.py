# SPDX-License-Identifier: Apache-2.0
"""Holds the logits of one checkpoint to float64 truth, and to each other, bit for bit.

For every target this machine runs: the whole prompt at once is within the float32 contract (compare.py); one token at a
time, odd chunks, two sequences interleaved in one ragged batch, prefill beside decode, on one, two and three threads,
are the same logits to the last bit.
"""

import pathlib

import numpy as np

import compare
import tools

LIMIT = 1e-5


def contract(cases, name, ours, truth):
    """compare.py's rule for float32 plans; truth may hold the last tokens alone."""
    ours = ours[-len(truth):].astype(np.float64)
    if ours.shape != truth.shape or not np.isfinite(ours).all():
        return cases.check(name, False, f"logits are {ours.shape}, finite: {np.isfinite(ours).all()}; truth is {truth.shape}")
    error = compare.errors(ours, truth.astype(np.float64))
    cases.check(name, (error <= LIMIT).all(), f"worst {error.max():.2e} at token {error.argmax()}, limit {LIMIT:.0e}")


def ways_to_cut(quick):
    """(tokens per step or None, threads) that must not change a bit against one step on two threads."""
    if quick:
        return [(7, 2), (1, 3)]
    return [(step, threads) for step in (None, 1, 7) for threads in (1, 2, 3) if (step, threads) != (None, 2)]


def check_plan(cases, target, runner, tokens, truth, quick):
    (base,) = runner.logits(tokens)
    contract(cases, f"{target} against truth", base, truth)
    for step, threads in ways_to_cut(quick):
        (ours,) = runner.logits(tokens, threads=threads, step=step)
        cases.same(f"{target} {step or 'all'} tokens a step, {threads} threads", ours, base)

    # A prefix must repeat the bits of the whole; other tokens must repeat their own, run alone.
    prefix = tokens[: len(tokens) * 2 // 3]
    for threads in (2,) if quick else (1, 2, 3):
        whole, part = runner.logits(tokens, prefix, threads=threads)
        cases.same(f"{target} beside a second sequence, {threads} threads", whole, base)
        cases.same(f"{target} as the second sequence, {threads} threads", part, base[: len(prefix)])
    other = tokens[::-1][: len(tokens) // 2 + 1]
    (alone,) = runner.logits(other)
    # The shorter prompt ends inside a step of the longer one, so later steps hold a lone sequence.
    for step in (5,) if quick else (1, 5, 64):
        first, second = runner.logits(other, tokens, step=step, threads=3)
        cases.same(f"{target} another sequence first, {step} tokens a step", first, alone)
        cases.same(f"{target} behind another sequence, {step} tokens a step", second, base)


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="few ways of cutting, lowest target: for slow builds")
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with expected/tokens.json and expected/truth.npy")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    cases = tools.Cases()
    tokens, truth = tools.read_tokens(arguments.model), np.load(arguments.model / "expected/truth.npy")
    targets = tools.host_targets()
    for target in targets[:1] if arguments.quick else targets:
        plan = tools.compile_plan(arguments, arguments.model, arguments.work / f"{target}.yplan", "--target", target)
        check_plan(cases, target, tools.Runner(arguments, plan), tokens, truth, arguments.quick)
        plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
