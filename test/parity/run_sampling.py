# SPDX-License-Identifier: Apache-2.0
"""Holds drawn replies of a checkpoint to a sampler in float64, token for token.

The logits that led to each token come from a second run over prompt and reply, by --logits: the penalty counts tokens
of both. Also: the same draws alone, beside other sequences, with prompts cut into pieces, on one to three threads and
after truncating; what generation_config.json says is what no flag means.
"""

import json
import pathlib

import numpy as np
import tools

PENALTY = ["--repetition-penalty", "1.3"]
SETTINGS = {
    "plain": ["--temperature", "1", "--top-k", "0", "--top-p", "1"],
    "temperature": ["--temperature", "1.7", "--top-k", "0", "--top-p", "1"],
    "top k": ["--temperature", "1.5", "--top-k", "5", "--top-p", "1"],
    "top p": ["--temperature", "1.5", "--top-k", "0", "--top-p", "0.8"],
    "min p": ["--temperature", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0.05"],
    "penalty": ["--temperature", "1", "--top-k", "0", "--top-p", "1", *PENALTY],
    "greedy with a penalty": ["--temperature", "0", *PENALTY],
    "everything": ["--temperature", "1.2", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.01", *PENALTY],
}


def philox(seed, sequence, position):
    """The first word of Philox 4x32-10, in [0, 1)."""
    mask = 0xFFFFFFFF
    c, k = [sequence & mask, sequence >> 32, position, 0], [seed & mask, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c[0] * 2.0 ** -32


def weights(logits, held, temperature, top_k, top_p, min_p, penalty):
    """What every id weighs in the draw, as transformers' logits processors have it."""
    x = logits.astype(np.float64)
    held = sorted(set(held))
    x[held] = np.where(x[held] > 0, x[held] / penalty, x[held] * penalty)
    if temperature == 0:
        return (np.arange(len(x)) == np.argmax(x)).astype(np.float64)
    kept = np.argsort(-x, kind="stable")[:top_k or len(x)]
    result = np.zeros(len(x))
    result[kept] = np.exp((x[kept] - x.max()) / temperature)
    below = np.cumsum(result[kept]) - result[kept]
    result[kept[below >= top_p * result.sum()]] = 0
    result[result < min_p] = 0
    return result


def parameters(flags):
    given = {flag: float(value) for flag, value in zip(flags[::2], flags[1::2])}
    return (given["--temperature"], int(given.get("--top-k", 0)), given.get("--top-p", 1.0), given.get("--min-p", 0.0),
            given.get("--repetition-penalty", 1.0))


def fault(logits, tokens, prompt, flags, seed, sequence):
    """Why a reply is not what was to be drawn; empty if it is."""
    for position in range(prompt, len(tokens)):
        w = weights(logits[position - 1], tokens[:position], *parameters(flags))
        drawn, token, total = philox(seed, sequence, position), tokens[position], w.sum()
        below = w[:token].sum()
        # Exponentials are float32 in the plan.
        if not w[token] or not below / total - 1e-5 <= drawn <= (below + w[token]) / total + 1e-5:
            return f"token {token} at position {position}, drawn {drawn} of {below / total} to {(below + w[token]) / total}"
    return ""


def replies(arguments, plan, prompts, seed, *flags):
    words = [word for prompt in prompts for word in ("--prompt", prompt)]
    out = json.loads(tools.run([arguments.runner, plan, *words, "--json", "--max-new-tokens", "40", "--seed", seed,
                                "--kv-memory", "64M", *flags]))
    return out if isinstance(out, list) else [out]


def check_settings(cases, arguments, plan, runner, prompts):
    for seed, (name, flags) in enumerate(SETTINGS.items(), 1):
        base = replies(arguments, plan, prompts, seed, *flags)
        sequences = [reply["prompt_tokens"] + reply["tokens"] for reply in base]
        rows = runner.logits(*sequences)
        for index, reply in enumerate(base):
            wrong = fault(rows[index], sequences[index], len(reply["prompt_tokens"]), flags, seed, index)
            cases.check(f"{name}, sequence {index}, {len(reply['tokens'])} tokens", not wrong, wrong)
        tokens = [reply["tokens"] for reply in base]
        cases.check(f"{name}, alone", replies(arguments, plan, prompts[:1], seed, *flags)[0]["tokens"] == tokens[0])
        for more in (["--threads", "1"], ["--threads", "3", "--step-tokens", "1"], ["--threads", "2", "--step-tokens", "7"]):
            again = [reply["tokens"] for reply in replies(arguments, plan, prompts, seed, *flags, *more)]
            cases.check(f"{name}, {' '.join(more)}", again == tokens)
        other = [reply["tokens"] for reply in replies(arguments, plan, prompts, seed + 100, *flags)]
        cases.check(f"{name}, another seed", (other != tokens) == (flags[1] != "0"))


def check_defaults(cases, arguments, plan, model, prompts):
    """The flags that generation_config.json stands for give what it gives by itself."""
    config = json.loads((model / "generation_config.json").read_text())
    assert config["do_sample"] and "top_k" not in config
    flags = ["--temperature", config["temperature"], "--top-p", config["top_p"], "--top-k", "50"]
    cases.check("defaults of generation_config.json",
                replies(arguments, plan, prompts, 3)[0]["tokens"] == replies(arguments, plan, prompts, 3, *flags)[0]["tokens"])


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--truncate", required=True, help="the program truncate_sampling")
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    work = tools.work_folder(arguments)
    cases = tools.Cases()
    prompts = ["The capital of France is", "Once upon a time there was a", "2 + 3 ="]
    for target in tools.host_targets(arguments):
        print(target)
        plan = tools.compile_plan(arguments, arguments.model, work / f"{target}.yplan", "f32", [target])
        check_settings(cases, arguments, plan, tools.Runner(arguments, plan, target), prompts)
        check_defaults(cases, arguments, plan, arguments.model, prompts[:1])
        tools.run([arguments.truncate, plan])
        cases.check("after truncating", True)
        plan.unlink()
    cases.exit()


if __name__ == "__main__":
    main()
