# SPDX-License-Identifier: Apache-2.0
"""Holds greedy continuations of a checkpoint with a tokenizer to expected/greedy.json: in float32 token for token, in
bfloat16 up to the first whose two best logits are close.

Also: the same text with prompts cut into single tokens and on three threads, the same draws from the same seed, and
conversations that go on in one cache as if each turn were read whole.
"""

import json
import pathlib

import jinja2.sandbox
import tools

CLOSE = 0.5  # A gap between the best two logits that rounding to bfloat16 may turn around.


def generate(arguments, plan, start, count, *more):
    """The answer to `start`: --prompt, --tokens, or --user and --system, with their values."""
    return json.loads(tools.run([arguments.runner, plan, *start, "--max-new-tokens", count, "--json", *more]))


def certain(entry, precision):
    """How many tokens of a continuation rounding cannot change."""
    close = [] if precision == "f32" else [step for step, gap in enumerate(entry["gaps"]) if gap < CLOSE]
    return min(close, default=len(entry["tokens"]))


def start_of(entry):
    """The flags of a prompt, or of a chat of one turn."""
    if "prompt" in entry:
        return ["--prompt", entry["prompt"]]
    return [word for message in entry["messages"] for word in (f"--{message['role']}", message["content"])]


def check_reply(cases, arguments, plan, target, precision, entry):
    start, count = start_of(entry), certain(entry, precision)
    for more in ([], ["--step-tokens", "1", "--threads", "3"]):
        reply = generate(arguments, plan, start, len(entry["tokens"]), "--temperature", "0", "--for", target, *more)
        ok = reply["tokens"][:count] == entry["tokens"][:count] and reply["prompt_tokens"] == entry["prompt_tokens"]
        if precision == "f32":
            ok = ok and reply["tokens"] == entry["tokens"] and reply["text"] == entry["text"]
        name = " ".join([precision, target, json.dumps(start), f"{count} tokens", *more])
        cases.check(name, ok, "" if ok else f"got {reply}, expected {entry}")


def check_conversation(cases, arguments, plan, target, entry):
    """Several turns, by --chat: where the model says what the chat has it say, the last reply is that of the chat."""
    said = [message["content"] for message in entry["messages"] if message["role"] == "user"]
    replies = [message["content"] for message in entry["messages"] if message["role"] == "assistant"] + [entry["text"]]
    out = tools.run([arguments.runner, plan, "--for", target, "--chat", "--temperature", "0"],
                    input="".join(f"{s}\n" for s in said).encode())
    wanted = "".join(f"{reply}\n" for reply in replies)
    cases.check(f"{target} --chat {said}", out.decode() == wanted,
                "" if out.decode() == wanted else f"got {out!r}, expected {wanted!r}")


def check_long_conversation(cases, arguments, plan, target, *sampling):
    """Every reply of a conversation over many turns, on both sides of a chunk border, is the reply to the template
    rendered whole, drawn ones too: what the cache holds is what the template says."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((arguments.model / "chat_template.jinja").read_text())
    said = ["Hello!", "What is the capital of Norway?", "Tell me a story.", "What is two plus five?", "What is a yupana?",
            "Tell me a story.", "  Hello!  ", "What is three plus four?", "Tell me a story."]
    how = ["--for", target, *sampling]
    out = tools.run([arguments.runner, plan, "--chat", "--max-new-tokens", "40", "--system", "You are a helpful assistant.",
                     *how], input="".join(f"{s}\n" for s in said).encode()).decode()
    messages, wanted = [{"role": "system", "content": "You are a helpful assistant."}], ""
    for content in said:
        messages.append({"role": "user", "content": content})
        text = template.render(messages=messages, bos_token="<|begin_of_text|>", add_generation_prompt=True)
        ids = json.loads(tools.run([arguments.runner, plan, "--tokenize"], input=json.dumps(text).encode()))
        reply = generate(arguments, plan, ["--tokens", ",".join(map(str, ids))], 40, *how)
        messages.append({"role": "assistant", "content": reply["text"]})
        wanted += reply["text"] + "\n"
    ok = out == wanted and len(ids) > 256
    cases.check(" ".join([plan.stem, f"--chat of {len(ids)} tokens", *how]), ok,
                "" if ok else f"got {out!r}, expected {wanted!r}")


def check_seeds(cases, arguments, plan, target, prompt):
    """A draw depends on its seed and on nothing else."""
    draws = [generate(arguments, plan, ["--prompt", prompt], 24, "--temperature", "1.5", "--seed", seed, "--threads", threads,
                      "--for", target)["tokens"] for seed, threads in ((1, 1), (1, 3), (2, 2))]
    cases.check("seed 1 twice", draws[0] == draws[1], f"{draws[:2]}")
    cases.check("seeds 1 and 2 differ", draws[0] != draws[2], f"{draws[0]}")


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    work = tools.work_folder(arguments)
    cases = tools.Cases()
    everything = json.loads((arguments.model / "expected/greedy.json").read_text())
    conversations = [entry for entry in everything if len(entry.get("messages", [])) > 2]
    replies = [entry for entry in everything if entry not in conversations]
    for kind in ("prompt", "messages"):
        held = sum(certain(entry, "bf16") for entry in replies if kind in entry)
        assert held >= 20, f"bfloat16 is held to next to nothing: {held} tokens after {kind}"
    targets = tools.host_targets(arguments)
    for precision in tools.PRECISIONS:
        plan = tools.compile_plan(arguments, arguments.model, work / f"{precision}.yplan", precision, targets)
        for target in targets:
            for entry in replies:
                check_reply(cases, arguments, plan, target, precision, entry)
            # How clear the replies in between are is not on record.
            for entry in conversations if precision == "f32" else []:
                check_conversation(cases, arguments, plan, target, entry)
            check_long_conversation(cases, arguments, plan, target, "--temperature", "0")
        check_long_conversation(cases, arguments, plan, targets[-1], "--temperature", "0.8", "--repetition-penalty", "1.1",
                                "--seed", "3")
        check_seeds(cases, arguments, plan, targets[-1], replies[0]["prompt"])
        plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
