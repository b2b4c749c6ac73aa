# SPDX-License-Identifier: Apache-2.0
"""With --batch-invariant GPU code gives a token the same bits however a prompt is cut and whoever shares its steps.

Targets whose programs could differ have one step program. That they would differ cannot be seen on the stand-in for the
driver, whose matrix instructions all add alike; so that one program serves every step is seen in the plan.
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
    programs_of = {"sm_80": 2, "sm_90a": 1, "sm_100a": 2}
    plan = tools.compile_plan(arguments, arguments.model, arguments.work / "invariant.yplan", "bf16", programs_of,
                              "--emit", "ptx", "--batch-invariant")
    for target in json.loads(tools.run([arguments.compiler, "inspect", plan, "--json"]))["targets"]:
        count = sum(program["function"] == "step" for program in target["programs"])
        cases.check(f"step programs of {target['name']}", count == programs_of[target["name"]], str(count))
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
