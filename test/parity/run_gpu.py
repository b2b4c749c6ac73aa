# SPDX-License-Identifier: Apache-2.0
"""Holds the logits of one checkpoint, computed by GPU code, to float64 truth.

One plan has PTX for every target given. Each target runs the whole prompt at once and in odd chunks, which brings the
programs for few tokens in; with --long also one token at a time. In bfloat16, with --long in float32, too; in float32
where there are no logits of a peer to compare bfloat16 with. A prompt of thousands of tokens, which take minutes, is
run in float32 on the first target, in bfloat16 on the last, and never one token at a time. Every run is within the
contract (compare.py). The driver is the stand-in unless --driver names another; whatever it reports, such as a race,
ends the run and so the test.
"""

import pathlib

import numpy as np

import tools
from run_parity import contract

MANY_TOKENS = 1000


def check_target(cases, arguments, plan, precision, target):
    runner = tools.Runner(arguments, plan, target, ["--device", "cuda", "--driver", arguments.driver], timeout=1800)
    tokens = tools.read_tokens(arguments.model)
    steps = [None, 7, 1] if arguments.long and len(tokens) <= MANY_TOKENS else [None, 7]
    at_once = None
    for step in steps:
        (ours,) = runner.logits(tokens, step=step)
        name = f"{precision} {target} {step or 'all'} tokens a step"
        contract(cases, name, ours, arguments.model, arguments.work, precision, arguments.median_only)
        if at_once is None:
            at_once = ours
    # A second sequence in the same steps: in a program, a row does not depend on its neighbours.
    whole, part = runner.logits(tokens, tokens[: min(len(tokens) * 2 // 3, MANY_TOKENS)])
    cases.same(f"{precision} {target} beside a second sequence", whole, at_once)
    cases.same(f"{precision} {target} as the second sequence", part, at_once[: len(part)])


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--driver", required=True, help="a shared object with the driver's entry points")
    parser.add_argument("--targets", default="sm_80,sm_90a", help="GPU targets, with commas between them")
    parser.add_argument("--long", action="store_true", help="also float32, and one token at a time")
    parser.add_argument("--median-only", action="store_true", help="bf16: hold the median of the error alone")
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with expected/tokens.json and expected/truth.npy")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    cases = tools.Cases()
    usual = "bf16" if (arguments.model / "expected/hf_bf16.npy").exists() else "f32"
    many = len(tools.read_tokens(arguments.model)) > MANY_TOKENS
    for precision in tools.PRECISIONS if arguments.long else [usual]:
        targets = arguments.targets.split(",")
        if many:
            targets = targets[:1] if precision == "f32" else targets[-1:]
        plan = tools.compile_plan(arguments, arguments.model, arguments.work / f"{precision}.gpu.yplan", precision,
                                  targets, "--emit", "ptx")
        for target in targets:
            check_target(cases, arguments, plan, precision, target)
        plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
