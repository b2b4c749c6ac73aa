#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what share of the arithmetic peak a prompt reaches, for each level of x86-64 that this machine runs.

Example: tools/random-checkpoint mini --preset mini && test/benchmark/prefill_share.py --checkpoint mini

What is measured, and why that is fair:
* The peak is what yupana-bench measures around each of its runs in the same process, on as many threads, with the
  instructions that the plan's code multiplies with: 256-bit multiply-adds for x86-64-v3, 512-bit ones for x86-64-v4, dot
  products for x86-64-v4-bf16. The FLOPs are those of products and of attention.
* A share is that of the median of a run's repetitions. A round runs every case once, each in a process of its own; every
  other round in reverse. The result is the median of the rounds.
* With --base, the programs of another build compile plans of their own and run next to ours, in an order that changes
  every round: the gain is the median of the rounds' ratios of tokens per second.
* The best step of a run over the same peak is shown beside it: where the two are far apart, something else took the
  machine. A share above one says that the peak was measured at a worse moment than the step.

What is asked of each case is the project's own goal, and its floor is 1: FLOPs over the peak. Where a machine computes more
FLOPs for a byte of weights that it reads, a short prompt is bound by memory instead: see `--per-kernel` of yupana-bench.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

import measure

# The flag of /proc/cpuinfo that comes with each level, and that no level below needs.
FLAG_OF = {"x86-64-v3": "avx2", "x86-64-v4": "avx512f", "x86-64-v4-bf16": "avx512_bf16"}
# Precision, target, tokens of the prompt, share of the peak that is asked.
CASES = [("bf16", "x86-64-v4-bf16", 128, 0.75), ("bf16", "x86-64-v4-bf16", 512, 0.85), ("bf16", "x86-64-v4-bf16", 2048, 0.75),
         ("bf16", "x86-64-v4", 512, 0.85), ("f32", "x86-64-v4", 512, 0.85),
         ("bf16", "x86-64-v3", 512, 0.80), ("f32", "x86-64-v3", 512, 0.85)]


def cases_of(precisions, targets, prompts):
    """The cases to run; a prompt that none of them has is measured with no goal."""
    found = []
    for precision in precisions:
        for target in targets:
            goals = {tokens: goal for kind, level, tokens, goal in CASES if (kind, level) == (precision, target)}
            for tokens in prompts or sorted(goals):
                found.append({"precision": precision, "target": target, "prompt": tokens, "asked": goals.get(tokens)})
    return found


def name_of(case):
    return f"{case['precision']} {case['target']} {case['prompt']}"


class Side:
    """The programs of one build and the plans they compiled."""

    def __init__(self, programs, folder, options):
        self.programs, self.folder, self.options = programs, folder, options
        folder.mkdir(parents=True)

    def compile(self, precision, targets):
        plan = self.folder / f"{precision}.yplan"
        measure.run([self.programs / "yupana", "compile", self.options.checkpoint, "-o", plan, "--precision", precision,
                     "--target", ",".join(targets)])

    def run(self, case):
        options = self.options
        repetitions = options.repetitions if case["prompt"] <= 512 else max(1, options.repetitions // 2)
        command = [self.programs / "yupana-bench", self.folder / f"{case['precision']}.yplan", "--for", case["target"],
                   "--prompt-tokens", case["prompt"], "--max-new-tokens", 0, "--repetitions", repetitions, "--warmup", 1,
                   "--threads", options.threads, "--json"]
        return facts_of(json.loads(measure.run(command)[0]))


def facts_of(report):
    """What a run of yupana-bench says, as far as shares need it."""
    prefill, peaks = report["prefill"], report["machine"]
    rates, peak = prefill["tokens_per_s"], prefill["share_is_of"].removeprefix("machine.")
    share = prefill["share_of_flops"]
    return {"tokens_per_s": rates["median"], "share": share, "best_step": share * rates["max"] / rates["median"],
            "slowest_step": share * rates["min"] / rates["median"], "peak": peak, "peak_flops": peaks[peak],
            "read_bandwidth": peaks["read_bandwidth"], "version": report["version"]}


def measure_rounds(options, sides, cases):
    rounds = []
    for number in range(options.rounds):
        for case in (cases if number % 2 == 0 else list(reversed(cases))):
            found = {side: sides[side].run(case) for side in measure.in_turn(sides, number)}
            rounds.append({"round": number, "case": name_of(case), **found})
            print(f"round {number + 1} {name_of(case)}: " +
                  ", ".join(f"{side} {found[side]['share']:.3f}" for side in sides), file=sys.stderr, flush=True)
    return rounds


def summarise(cases, rounds):
    """For each case the shares of the rounds, and what is asked of them; the gain where another build ran beside."""
    summary = {}
    for case in cases:
        own = [entry for entry in rounds if entry["case"] == name_of(case)]
        series = lambda side, key: [entry[side][key] for entry in own]
        shares = series("now", "share")
        entry = {"asked": case["asked"], "share": {"rounds": shares, **measure.spread(shares)},
                 "best_step": max(series("now", "best_step")), "peak": own[0]["now"]["peak"],
                 "peak_flops": measure.spread(series("now", "peak_flops")),
                 "read_bandwidth": measure.spread(series("now", "read_bandwidth")),
                 "tokens_per_s": measure.spread(series("now", "tokens_per_s"))}
        if "base" in own[0]:
            entry["base_share"] = {"rounds": series("base", "share"), **measure.spread(series("base", "share"))}
            entry["gain"] = measure.paired(series("now", "tokens_per_s"), series("base", "tokens_per_s"))
        summary[name_of(case)] = entry
    return summary


def text_table(summary):
    based = any("gain" in entry for entry in summary.values())
    rows = [("", "asked", "share", "least", "greatest", "best step", "tokens/s", *(("base", "gain") if based else ()))]
    for name, entry in summary.items():
        number = lambda key, which: f"{entry[key][which]:.2f}"
        rows.append((name, f"{entry['asked']:.2f}" if entry["asked"] else "", number("share", "median"), number("share", "min"),
                     number("share", "max"), f"{entry['best_step']:.2f}", f"{entry['tokens_per_s']['median']:.0f}",
                     *((number("base_share", "median"), number("gain", "median")) if based else ())))
    return measure.table(rows)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = measure.ROOT / "build"
    words = lambda text: text.split(",")
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="the folder of a checkpoint in bfloat16")
    parser.add_argument("--programs", type=pathlib.Path, default=build / "bin", help="where yupana and its tools are")
    parser.add_argument("--base", type=pathlib.Path, help="where those of another build are, to measure next to ours")
    parser.add_argument("--work", type=pathlib.Path, default=build / "prefill-share", help="a folder for plans, removed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=7, help="of a run, after one to warm up; half for long prompts")
    parser.add_argument("--precisions", type=words, default=["bf16", "f32"], metavar="NAME,NAME")
    parser.add_argument("--targets", type=words, help="levels to measure (default: those that this machine runs)")
    parser.add_argument("--prompts", type=lambda text: [int(word) for word in text.split(",")], default=[], metavar="N,N",
                        help="tokens of the prompts (default: those with a goal)")
    parser.add_argument("--commit", default=measure.commit(), help="what the programs were built from (default: HEAD)")
    parser.add_argument("--base-commit", default="unknown", help="what those of --base were built from")
    parser.add_argument("--remark", default="", help="what else to know of the machine, for the result")
    parser.add_argument("--json", type=pathlib.Path, help="write every number here")
    return parser.parse_args()


def main():
    options = parse_options()
    features = measure.cpu_features(FLAG_OF.values())
    targets = options.targets or [level for level, flag in FLAG_OF.items() if flag in features]
    cases = cases_of(options.precisions, targets, options.prompts)
    if not cases:
        sys.exit(f"nothing to measure: no goal for {', '.join(options.precisions)} on {', '.join(targets) or 'this machine'}; "
                 "name --targets and --prompts")
    shutil.rmtree(options.work, ignore_errors=True)
    sides = {"now": Side(options.programs, options.work / "now", options)}
    if options.base:
        sides["base"] = Side(options.base, options.work / "base", options)
    for side in sides.values():
        for precision in options.precisions:
            side.compile(precision, targets)
    others = measure.Others()
    rounds = measure_rounds(options, sides, cases)
    others = others.shares()
    shutil.rmtree(options.work)
    summary = summarise(cases, rounds)
    chosen = "".join(f" --{name} {','.join(map(str, words))}" for name, words in
                     (("precisions", options.precisions), ("targets", targets), ("prompts", options.prompts)) if words)
    chosen += " --base BASE" if options.base else ""
    measure.write_result(options.json, {
        "date": measure.today(), "commit": options.commit, **({"base_commit": options.base_commit} if options.base else {}),
        "machine": measure.machine(options.remark, others), "threads": options.threads,
        "model": options.checkpoint.resolve().name,
        "commands": {"this": f"test/benchmark/prefill_share.py --checkpoint CHECKPOINT --rounds {options.rounds} --repetitions "
                             f"{options.repetitions} --threads {options.threads}{chosen}",
                     "yupana": f"yupana compile CHECKPOINT -o PLAN --precision PRECISION --target {','.join(targets)}; "
                               "yupana-bench PLAN --for TARGET --prompt-tokens N --max-new-tokens 0 --json"},
        "summary": summary, "rounds": rounds})
    print(f"{options.checkpoint.resolve().name}, {options.threads} threads, {measure.cpu_model()}, {options.rounds} rounds, "
          f"{100 * others['other_programs']:.0f} % of the cores' time taken by other programs\n")
    print(text_table(summary))


if __name__ == "__main__":
    main()
