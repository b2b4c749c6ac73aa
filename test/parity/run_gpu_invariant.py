# SPDX-License-Identifier: Apache-2.0
"""With --batch-invariant GPU code gives a token the same bits however a prompt is cut and whoever shares its steps.

Programs for decoding and for prompts cut K in other ranges, so such a plan has one step program.
"""

import json
import pathlib

import tools


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--driver", required=True, help="a shared object with the driver's entry points")
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with expected/tokens.json")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    cases = tools.Cases()
    targets = ["sm_80", "sm_90a", "sm_100a"]
    plan = tools.compile_plan(arguments, arguments.model, arguments.work / "invariant.yplan", "bf16", targets,
                              "--emit", "ptx", "--batch-invariant")
    for target in json.loads(tools.run([arguments.compiler, "inspect", plan, "--json"]))["targets"]:
        count = sum(program["function"] == "step" for program in target["programs"])
        cases.check(f"step programs of {target['name']}", count == 1, str(count))
    tokens = tools.read_tokens(arguments.model)[:24]
    for target in ("sm_80", "sm_90a"):
        runner = tools.Runner(arguments, plan, target, ["--device", "cuda", "--driver", arguments.driver])
        (at_once,) = runner.logits(tokens)
        for step in (7, 1):
            cases.same(f"{target} {step} tokens a step", *runner.logits(tokens, step=step), at_once)
        batch = runner.logits(tokens[:11], tokens, tokens[:3], step=16)
        for index, logits in enumerate(batch):
            cases.same(f"{target} sequence {index} of a batch", logits, at_once[: len(logits)])
    plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
