# SPDX-License-Identifier: Apache-2.0
"""The program for decoding gives the same bits for any number of multiprocessors, any cut of steps and any neighbours.

Blocks take equal shares of all units of a launch, so that borders of shares lie elsewhere for every number of
multiprocessors and every set of experts in use. The stand-in for the driver is told how many there are. Shares of a few
units, and more blocks than units, are among them. A plan for steps of at most eight tokens has this program alone.
"""

import os
import pathlib

import tools

MULTIPROCESSORS = [1, 3, 4, 7, 132]


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--driver", required=True, help="the stand-in for the driver")
    parser.add_argument("--targets", default="sm_80,sm_90a", help="GPU targets, with commas between them")
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with expected/tokens.json")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    cases = tools.Cases()
    targets = arguments.targets.split(",")
    plan = tools.compile_plan(arguments, arguments.model, arguments.work / "shares.yplan", "bf16", targets, "--emit",
                              "ptx", "--max-step-tokens", "8")
    tokens = tools.read_tokens(arguments.model)[:19]
    for target in targets:
        runner = tools.Runner(arguments, plan, target, ["--device", "cuda", "--driver", arguments.driver])
        expected = None
        for count in MULTIPROCESSORS:
            os.environ["YUPANA_SIM_SMS"] = str(count)
            (logits,) = runner.logits(tokens)
            expected = logits if expected is None else expected
            cases.same(f"{target} on {count} multiprocessors", logits, expected)
        for step, count in ((3, 5), (1, 2)):
            os.environ["YUPANA_SIM_SMS"] = str(count)
            cases.same(f"{target} {step} tokens a step", *runner.logits(tokens, step=step), expected)
        batch = runner.logits(tokens[:5], tokens, tokens[:3])
        for index, logits in enumerate(batch):
            cases.same(f"{target} sequence {index} of a batch", logits, expected[: len(logits)])
    plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
