# SPDX-License-Identifier: Apache-2.0
"""Holds the logits of one checkpoint to float64 truth, and to each other, bit for bit.

In float32 and in bfloat16, for every target this machine runs: the whole prompt at once is within the contract
(compare.py; in bfloat16 where there are logits of a peer to compare with); one token at a time, odd chunks, two
sequences interleaved in one ragged batch, prefill beside decode, on one, two and three threads, are the same logits to
the last bit. All of these on the best target, some on the others, whose logits are those of the best, to the bit; in
bfloat16 the best two are tried, since tile registers add in an order of their own.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np

import poison
import tools


def contract(cases, name, ours, model, work, precision, median_only=False):
    """compare.py's verdict."""
    truth, peer = model / "expected/truth.npy", model / "expected/hf_bf16.npy"
    if precision == "bf16" and not peer.exists():
        return cases.check(f"{name} is finite", bool(np.isfinite(ours).all()))
    path = work / "ours.npy"
    np.save(path, ours)
    words = [sys.executable, "-B", pathlib.Path(__file__).with_name("compare.py"), path, truth, "--precision", precision]
    if precision == "bf16":
        words += ["--peer", peer, *(["--median-only"] if median_only else [])]
    done = subprocess.run([str(word) for word in words], capture_output=True)
    cases.check(name, done.returncode == 0, (done.stdout + done.stderr).decode().strip())


def ways_to_cut(few):
    """(tokens per step or None, threads) that must not change a bit against one step on two threads."""
    if few:
        return [(7, 2), (1, 3)]
    return [(step, threads) for step in (None, 1, 7) for threads in (1, 2, 3) if (step, threads) != (None, 2)]


def check_cuts(cases, runner, tokens, base, few):
    """Every way of cutting `tokens` gives the logits `base`."""
    name = f"{runner.plan.stem} {runner.target}"
    for step, threads in ways_to_cut(few):
        (ours,) = runner.logits(tokens, threads=threads, step=step)
        cases.same(f"{name} {step or 'all'} tokens a step, {threads} threads", ours, base)

    # A prefix must repeat the bits of the whole; other tokens must repeat their own, run alone.
    prefix = tokens[: len(tokens) * 2 // 3]
    for threads in (2,) if few else (1, 2, 3):
        whole, part = runner.logits(tokens, prefix, threads=threads)
        cases.same(f"{name} beside a second sequence, {threads} threads", whole, base)
        cases.same(f"{name} as the second sequence, {threads} threads", part, base[: len(prefix)])
    other = tokens[::-1][: len(tokens) // 2 + 1]
    (alone,) = runner.logits(other)
    # The shorter prompt ends inside a step of the longer one, so later steps hold a lone sequence.
    for step in (5,) if few else (1, 5, 64):
        first, second = runner.logits(other, tokens, step=step, threads=3)
        cases.same(f"{name} another sequence first, {step} tokens a step", first, alone)
        cases.same(f"{name} behind another sequence, {step} tokens a step", second, base)


def check_precision(cases, arguments, precision, targets):
    """Logits of one plan by target. The last target of each order of sums is tried in every way."""
    plan = tools.compile_plan(arguments, arguments.model, arguments.work / f"{precision}.yplan", precision, targets)
    tokens = tools.read_tokens(arguments.model)
    logits, best = {}, {}
    for target in reversed(targets):
        runner = tools.Runner(arguments, plan, target)
        (base,) = runner.logits(tokens)
        logits[target] = base
        alike = best.setdefault(tools.order_of_sums(precision, target), target)
        if alike == target:
            contract(cases, f"{precision} {target}", base, arguments.model, arguments.work, precision,
                     arguments.median_only)
            check_cuts(cases, runner, tokens, base, arguments.quick or arguments.few_cuts)
        else:
            cases.same(f"{precision} {target} as {alike}", base, logits[alike])
            if not arguments.long:
                check_cuts(cases, runner, tokens, base, few=True)
    return plan, logits


def weight_bytes(arguments, plan):
    sections = json.loads(tools.run([arguments.compiler, "inspect", "--json", plan]))["sections"]
    return sum(section["bytes"] for section in sections if section["kind"] == "weights")


def check_own_plans(cases, arguments, precision, targets, plan, logits):
    """A plan for one target gives the logits, and has the weights, that a plan for all gives and has."""
    tokens, shared = tools.read_tokens(arguments.model), weight_bytes(arguments, plan)
    for target in targets:
        own = tools.compile_plan(arguments, arguments.model, arguments.work / "own.yplan", precision, [target])
        (ours,) = tools.Runner(arguments, own, target).logits(tokens)
        cases.same(f"{precision} {target} in a plan of its own", ours, logits[target])
        cases.check(f"{precision} {target} shares its weights", weight_bytes(arguments, own) == shared)
        own.unlink()


def check_poisoned(cases, arguments, precision, targets, logits):
    """Experts of the upper half tie with those of the lower and are never chosen: what they hold is in no logit."""
    model = arguments.work / "poisoned"
    poison.copy(arguments.model, model)
    plan = tools.compile_plan(arguments, model, arguments.work / "poisoned.yplan", precision, targets,
                              "--allow-nonfinite")
    for target in targets:
        (ours,) = tools.Runner(arguments, plan, target).logits(tools.read_tokens(arguments.model))
        cases.same(f"{precision} {target} with poisoned upper experts", ours, logits[target])
    plan.unlink()
    shutil.rmtree(model)


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="few ways of cutting, one target a precision: for slow builds")
    parser.add_argument("--long", action="store_true", help="cut prompts on the best target alone: for very long ones")
    parser.add_argument("--few-cuts", action="store_true", help="few ways of cutting")
    parser.add_argument("--median-only", action="store_true", help="bf16: hold the median of the error alone")
    parser.add_argument("--own-plans", action="store_true", help="also compare with a plan for each target alone")
    parser.add_argument("--poison", action="store_true", help="also with experts that only a wrong side of a tie would choose")
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with expected/tokens.json and expected/truth.npy")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    cases, targets = tools.Cases(), tools.host_targets(arguments)
    for precision in tools.PRECISIONS:
        some = targets if not arguments.quick else targets[:1] if precision == "f32" else targets[-1:]
        plan, logits = check_precision(cases, arguments, precision, some)
        if arguments.own_plans:
            check_own_plans(cases, arguments, precision, some, plan, logits)
        if arguments.poison:
            check_poisoned(cases, arguments, precision, some, logits)
        plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
