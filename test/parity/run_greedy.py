# SPDX-License-Identifier: Apache-2.0
"""Holds greedy continuations of a checkpoint with a tokenizer to expected/greedy.json: in float32 token for token, in
bfloat16 up to the first whose two best logits are close.

Plain prompts alone; chats need the chat format. Also: the same text with prompts cut into single tokens and on three
threads, and the same draws from the same seed.
"""

import json
import pathlib

import tools

CLOSE = 0.5  # A gap between the best two logits that rounding to bfloat16 may turn around.


def generate(arguments, plan, prompt, count, *more):
    out = tools.run([arguments.runner, plan, "--prompt", prompt, "--max-new-tokens", count, "--json", *more])
    return json.loads(out)


def certain(entry, precision):
    """How many tokens of a continuation rounding cannot change."""
    close = [] if precision == "f32" else [step for step, gap in enumerate(entry["gaps"]) if gap < CLOSE]
    return min(close, default=len(entry["tokens"]))


def check_prompt(cases, arguments, plan, target, precision, entry):
    prompt, count = entry["prompt"], certain(entry, precision)
    for more in ([], ["--step-tokens", "1", "--threads", "3"]):
        reply = generate(arguments, plan, prompt, len(entry["tokens"]), "--temperature", "0", "--for", target, *more)
        ok = reply["tokens"][:count] == entry["tokens"][:count] and reply["prompt_tokens"] == entry["prompt_tokens"]
        if precision == "f32":
            ok = ok and reply["tokens"] == entry["tokens"] and reply["text"] == entry["text"]
        name = " ".join([precision, target, json.dumps(prompt), f"{count} tokens", *more])
        cases.check(name, ok, "" if ok else f"got {reply}, expected {entry}")


def check_seeds(cases, arguments, plan, target, prompt):
    """A draw depends on its seed and on nothing else."""
    draws = [generate(arguments, plan, prompt, 24, "--temperature", "1.5", "--seed", seed, "--threads", threads, "--for",
                      target)["tokens"] for seed, threads in ((1, 1), (1, 3), (2, 2))]
    cases.check("seed 1 twice", draws[0] == draws[1], f"{draws[:2]}")
    cases.check("seeds 1 and 2 differ", draws[0] != draws[2], f"{draws[0]}")


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    work = tools.work_folder(arguments)
    cases = tools.Cases()
    entries = [e for e in json.loads((arguments.model / "expected/greedy.json").read_text()) if "prompt" in e]
    assert sum(certain(entry, "bf16") for entry in entries) >= 20, "bfloat16 is held to next to nothing"
    targets = tools.host_targets()
    for precision in tools.PRECISIONS:
        plan = tools.compile_plan(arguments, arguments.model, work / f"{precision}.yplan", precision, targets)
        for target in targets:
            for entry in entries:
                check_prompt(cases, arguments, plan, target, precision, entry)
        check_seeds(cases, arguments, plan, targets[-1], entries[0]["prompt"])
        plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
