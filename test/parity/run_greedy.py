# SPDX-License-Identifier: Apache-2.0
"""Holds greedy continuations of a checkpoint with a tokenizer to expected/greedy.json, token for token.

Plain prompts alone; chats need the chat format. Also: the same text with prompts cut into single tokens and on three
threads, and the same draws from the same seed.
"""

import json
import pathlib

import tools


def generate(arguments, plan, prompt, count, *more):
    out = tools.run([arguments.runner, plan, "--prompt", prompt, "--max-new-tokens", count, "--json", *more])
    return json.loads(out)


def check_prompt(cases, arguments, plan, entry):
    prompt, wanted = entry["prompt"], entry["tokens"]
    for more in ([], ["--step-tokens", "1", "--threads", "3"]):
        reply = generate(arguments, plan, prompt, len(wanted), "--temperature", "0", *more)
        ok = reply["tokens"] == wanted and reply["text"] == entry["text"] and reply["prompt_tokens"] == entry["prompt_tokens"]
        cases.check(" ".join([json.dumps(prompt), *more]), ok, "" if ok else f"got {reply}, expected {entry}")


def check_seeds(cases, arguments, plan, prompt):
    """A draw depends on its seed and on nothing else."""
    draws = [generate(arguments, plan, prompt, 24, "--temperature", "1.5", "--seed", seed, "--threads", threads)["tokens"]
             for seed, threads in ((1, 1), (1, 3), (2, 2))]
    cases.check("seed 1 twice", draws[0] == draws[1], f"{draws[:2]}")
    cases.check("seeds 1 and 2 differ", draws[0] != draws[2], f"{draws[0]}")


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    work = tools.work_folder(arguments)
    cases = tools.Cases()
    entries = [e for e in json.loads((arguments.model / "expected/greedy.json").read_text()) if "prompt" in e]
    for target in tools.host_targets():
        print(target)
        plan = tools.compile_plan(arguments, arguments.model, work / f"{target}.yplan", "--target", target)
        for entry in entries:
            check_prompt(cases, arguments, plan, entry)
        check_seeds(cases, arguments, plan, entries[0]["prompt"])
        plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
