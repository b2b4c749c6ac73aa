# SPDX-License-Identifier: Apache-2.0
"""Holds the tokens that GPU code chooses to those of a CPU: in float32, greedily and drawn under every parameter, from
prompts and in a chat. Logits of the two differ by rounding, draws from the same logits do not.
"""

import json
import pathlib

import tools

TARGETS = ["x86-64-v3", "sm_80", "sm_90a"]
COUNT = 16
SAMPLINGS = [
    ["--temperature", "0"],
    ["--temperature", "0", "--repetition-penalty", "1.3"],
    ["--temperature", "1", "--top-k", "0", "--top-p", "1", "--seed", "9"],
    ["--temperature", "0.8", "--top-k", "50", "--top-p", "1", "--seed", "5"],
    ["--temperature", "1.3", "--top-k", "20", "--top-p", "0.9", "--min-p", "0.02", "--repetition-penalty", "1.2",
     "--seed", "7"],
]
STARTS = [["--prompt", "The yupana"], ["--user", "Count to ten."]]


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--driver", required=True, help="a shared object with the driver's entry points")
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint with a tokenizer and a chat template")
    arguments = parser.parse_args()
    tools.work_folder(arguments)
    cases = tools.Cases()
    plan = tools.compile_plan(arguments, arguments.model, arguments.work / "tokens.yplan", "f32", TARGETS, "--emit",
                              "ptx")
    devices = [["--device", "cpu"]] + [["--device", "cuda", "--driver", arguments.driver, "--for", target]
                                       for target in TARGETS[1:]]
    for start in STARTS:
        for sampling in SAMPLINGS:
            replies = [json.loads(tools.run([arguments.runner, plan, *start, "--max-new-tokens", COUNT, "--json",
                                             *sampling, *device]))["tokens"] for device in devices]
            for target, reply in zip(TARGETS[1:], replies[1:]):
                name = " ".join([target, *start, *sampling])
                cases.check(name, reply == replies[0], "" if reply == replies[0] else f"{reply}, on a CPU {replies[0]}")
    plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
