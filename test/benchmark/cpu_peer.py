#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Yupana against llama.cpp on this CPU: the same weights, interleaved in one run, as paired ratios.

Example: tools/random-checkpoint mini --preset mini && test/benchmark/cpu_peer.py --checkpoint mini

What is compared, and why that is fair:
* The peer is llama.cpp from the source package on PyPI, pinned, built here for this very CPU (GGML_NATIVE) with its
  defaults: flash attention as it decides, llamafile's matrix products, OpenMP, chunks of 512 tokens, a cache of 16
  bits.
* Both hold the same values in the same type (hf_to_gguf.py), read into memory, and use the same number of threads. That
  both compute the same model is checked first, token by token; without that nothing is measured.
* Prefill is one prompt of random ids, logits of its last token; decode is one sequence, a token a step, behind a prompt
  of the first length. llama.cpp is timed inside its process around llama_decode alone, Yupana by yupana-bench, which
  also chooses each token within that time.
* A round measures every case with one program right after the other; which goes first changes every round. The result
  is the median of the rounds' ratios of tokens per second.

The floor beside them: a prompt takes its FLOPs, attention's included, over the arithmetic peak, a decode step its bytes
over the read bandwidth; peak and bandwidth are what yupana-bench measures around each of its runs.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys

import numpy as np

import measure

sys.path.insert(0, str(measure.ROOT / "test/parity"))
import compare
import reference

LLAMA, GGUF = "llama-cpp-python==0.3.36", "gguf==0.17.1"
BUILD_OPTIONS = ("-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF "
                 "-DLLAMA_BUILD_TESTS=OFF")
CHECKED_TOKENS = 96
# A token stands near a tie of two experts where a router prefers one by less than this many standard deviations of its
# logits: rounding to bfloat16 may then choose the other one, rightly, and the logits are then as far apart as those of two
# tokens. Through attention, such a token also moves what later ones compute, which the limits below leave room for; two
# different models are apart by a third of the range and more on every token.
NEAR_TIE = {"bf16": 0.1, "f32": 1e-3}
# Largest difference of two logits over the range of the token's logits, away from ties: of any token, of the median one.
AGREEMENT = {"bf16": (0.12, 0.06), "f32": (1e-3, 1e-4)}
FEWEST_AWAY_FROM_TIES = 8


def set_up(environment):
    """A virtual environment with llama.cpp, built from source, and gguf; made once."""
    python = environment / "bin/python3"
    probe = [str(python), "-c", "import llama_cpp, gguf"]
    if python.exists() and subprocess.run(probe, capture_output=True).returncode == 0:
        return python
    print(f"building {LLAMA} into {environment}, which takes minutes", file=sys.stderr, flush=True)
    environment.parent.mkdir(parents=True, exist_ok=True)
    measure.run([sys.executable, "-m", "venv", environment])
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    measure.run([*pip, "--only-binary=:all:", GGUF])
    os.environ["CMAKE_ARGS"] = BUILD_OPTIONS
    os.environ.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(len(os.sched_getaffinity(0))))
    measure.run([*pip, "--no-binary", "llama-cpp-python", LLAMA], timeout=7200)
    return python


class Llama:
    """The worker that drives llama.cpp."""

    def __init__(self, python, model, threads, context):
        self.command = [str(python), "-B", str(pathlib.Path(__file__).with_name("llama_worker.py")), str(model),
                        "--threads", str(threads), "--context", str(context)]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"llama.cpp ended with exit code {self.process.wait()}: {shlex.join(self.command)}")
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def rates(self, case, options):
        times = self.ask(do="measure", prompt=case["prompt"], new=case["new"], repetitions=options.repetitions, warmup=1)
        tokens, key = (case["new"], "decode_s") if case["new"] else (case["prompt"], "prefill_s")
        return {"tokens_per_s": statistics.median(tokens / time for time in times[key])}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Yupana:
    """yupana-bench, a process for every measurement."""

    def __init__(self, options, plan):
        self.options, self.plan = options, plan
        self.version = ""

    def command(self, case):
        return [self.options.programs / "yupana-bench", self.plan, "--prompt-tokens", case["prompt"], "--max-new-tokens",
                case["new"], "--repetitions", self.options.repetitions, "--warmup", 1, "--threads", self.options.threads,
                "--json"]

    def rates(self, case):
        report = json.loads(measure.run(self.command(case))[0])
        self.version, self.target = report["version"], report["target"]
        machine = report["machine"]
        part = report["decode" if case["new"] else "prefill"]
        rates = {"tokens_per_s": part["tokens_per_s"]["median"], "read_bandwidth": machine["read_bandwidth"]}
        # Of the instructions that its code multiplies with: "machine.tile_flops".
        rates["peak_flops"] = machine[report["prefill"]["share_is_of"].removeprefix("machine.")] or 0
        if case["new"] and machine["read_bandwidth"]:
            rates["floor_s_per_token"] = part["bytes_per_token"] / machine["read_bandwidth"]
        elif rates["peak_flops"]:
            flops = part["flops_per_token"] + (part["attention_flops_per_token"] or 0)
            rates["floor_s_per_token"] = flops / rates["peak_flops"]
        return rates


def stored_precision(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    return "f32" if "float32" in json.dumps([config.get("torch_dtype"), config.get("dtype")]) else "bf16"


def near_ties(checkpoint, tokens, least):
    """[tokens] True where float64 arithmetic finds a router that nearly chose another expert; and its logits."""
    near = np.zeros(len(tokens), bool)
    top_k = reference.text_config(str(checkpoint))["top_k"]

    def record(layer, residual, chosen, router):
        if chosen is not None and router.shape[1] > top_k:
            ordered = -np.sort(-router, -1)
            near[(ordered[:, top_k - 1] - ordered[:, top_k]) / router.std() < least] = True

    truth = reference.forward(str(checkpoint), tokens, record)
    return near, truth


def check_same_model(options, plan, llama, precision):
    """Compares the logits of every token of a prompt; ends the benchmark where they are not those of one model."""
    config = json.loads((options.checkpoint / "config.json").read_text())
    vocabulary = config.get("text_config", config)["vocab_size"]
    tokens = [int(token) for token in np.random.default_rng(1).integers(0, vocabulary, CHECKED_TOKENS)]
    theirs_file, ours_file = options.work / "llama.npy", options.work / "yupana.npy"
    llama.ask(do="logits", tokens=tokens, out=str(theirs_file))
    measure.run([options.programs / "yupana-run", plan, "--tokens", ",".join(map(str, tokens)), "--logits", ours_file])
    ours, theirs = (np.load(file).astype(np.float64) for file in (ours_file, theirs_file))
    near, truth = near_ties(options.checkpoint, tokens, NEAR_TIE[precision])
    return judge(ours, theirs, truth, near, precision)


def judge(ours, theirs, truth, near, precision):
    """The verdict on logits [tokens, vocabulary] as facts for the result."""
    apart = np.abs(ours - theirs).max(-1) / (truth.max(-1) - truth.min(-1))
    limit, median_limit = AGREEMENT[precision]
    away = apart[~near]
    facts = {"tokens": len(apart), "near_ties": int(near.sum()), "near_ties_that_differ": int((apart[near] > limit).sum()),
             "limit": limit, "worst_away_from_ties": float(away.max(initial=0)),
             "median_away_from_ties": float(np.median(away)) if away.size else 0.0,
             "median_error_yupana": float(np.median(compare.errors(ours, truth))),
             "median_error_llama_cpp": float(np.median(compare.errors(theirs, truth)))}
    if away.size < FEWEST_AWAY_FROM_TIES:
        sys.exit(f"only {away.size} of {len(apart)} tokens are away from ties of two experts, which is too few to tell whether "
                 "the two compute the same model")
    wrong = int((~(away <= limit)).sum())
    if wrong or not np.median(away) <= median_limit:
        sys.exit(f"the two do not compute the same model: {wrong} of {away.size} tokens away from ties of two experts differ by "
                 f"more than {limit} of the range of their logits: {json.dumps(facts)}")
    return facts


def cases_of(options):
    prompts = [{"name": f"prefill {tokens}", "prompt": tokens, "new": 0} for tokens in options.prompts]
    return [*prompts, {"name": f"decode {options.new_tokens}", "prompt": options.prompts[0], "new": options.new_tokens}]


def measure_rounds(options, yupana, llama):
    rounds = []
    for number in range(options.rounds):
        for case in cases_of(options):
            found = {}
            for side in measure.in_turn(("yupana", "llama_cpp"), number):
                found[side] = yupana.rates(case) if side == "yupana" else llama.rates(case, options)
            ratio = found["yupana"]["tokens_per_s"] / found["llama_cpp"]["tokens_per_s"]
            rounds.append({"round": number, "case": case["name"], **found, "ratio": ratio})
            print(f"round {number + 1} {case['name']}: {ratio:.2f}", file=sys.stderr, flush=True)
    return rounds


def summarise(options, rounds):
    summary = {}
    for case in cases_of(options):
        own = [entry for entry in rounds if entry["case"] == case["name"]]
        series = {side: [entry[side]["tokens_per_s"] for entry in own] for side in ("yupana", "llama_cpp")}
        floors = [entry["yupana"].get("floor_s_per_token") for entry in own]
        summary[case["name"]] = {
            "ratio": measure.paired(series["yupana"], series["llama_cpp"]),
            "yupana_tokens_per_s": measure.spread(series["yupana"]),
            "llama_cpp_tokens_per_s": measure.spread(series["llama_cpp"])}
        if all(floors):
            for side in series:
                shares = [rate * floor for rate, floor in zip(series[side], floors)]
                summary[case["name"]][f"{side}_share_of_floor"] = measure.spread(shares)
    return summary


def text_table(summary):
    share = lambda entry, side: f"{100 * entry[side]['median']:.0f} %" if side in entry else "?"
    rows = [("batch 1", "Yupana tok/s", "of machine", "llama.cpp tok/s", "of machine", "ratio", "least", "greatest")]
    for name, entry in summary.items():
        ratio = entry["ratio"]
        rows.append((name, f"{entry['yupana_tokens_per_s']['median']:.1f}", share(entry, "yupana_share_of_floor"),
                     f"{entry['llama_cpp_tokens_per_s']['median']:.1f}", share(entry, "llama_cpp_share_of_floor"),
                     f"{ratio['median']:.2f}", f"{ratio['min']:.2f}", f"{ratio['max']:.2f}"))
    return measure.table(rows)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = measure.ROOT / "build"
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser.add_argument("--checkpoint", type=pathlib.Path, help="the folder of a checkpoint, such as random-checkpoint makes")
    parser.add_argument("--setup", action="store_true", help="build llama.cpp where it is missing, and end without --checkpoint")
    parser.add_argument("--environment", type=pathlib.Path, default=build / "llama-cpp", help="where llama.cpp is built")
    parser.add_argument("--programs", type=pathlib.Path, default=build / "bin", help="where yupana and its tools are")
    parser.add_argument("--work", type=pathlib.Path, default=build / "cpu-peer", help="a folder for plan and GGUF, removed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=3, help="of a measurement within a round, after one to warm up")
    parser.add_argument("--prompts", type=numbers, default=[128, 512, 2048], metavar="N,N", help="tokens of the prompts")
    parser.add_argument("--new-tokens", type=int, default=64, help="tokens to decode")
    parser.add_argument("--commit", default=measure.commit(), help="what the programs were built from (default: HEAD)")
    parser.add_argument("--remark", default="", help="what else to know of the machine, for the result")
    parser.add_argument("--json", type=pathlib.Path, help="write every number here")
    options = parser.parse_args()
    if not options.checkpoint and not options.setup:
        parser.error("no --checkpoint given")
    return options


def main():
    options = parse_options()
    python = set_up(options.environment)
    if not options.checkpoint:
        return
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    plan, model, precision = options.work / "model.yplan", options.work / "model.gguf", stored_precision(options.checkpoint)
    measure.run([python, "-B", pathlib.Path(__file__).with_name("hf_to_gguf.py"), options.checkpoint, model])
    measure.run([options.programs / "yupana", "compile", options.checkpoint, "-o", plan, "--precision", precision])
    context = -(-(max(options.prompts) + options.new_tokens) // 256) * 256
    others = measure.Others()
    llama, yupana = Llama(python, model, options.threads, context), Yupana(options, plan)
    try:
        same = check_same_model(options, plan, llama, precision)
        print(f"both compute the same model: {json.dumps(same)}; measuring", file=sys.stderr, flush=True)
        rounds = measure_rounds(options, yupana, llama)
    finally:
        llama.close()
    others = others.shares()
    summary = summarise(options, rounds)
    measure.write_result(options.json, {
        "date": measure.today(), "commit": options.commit, "machine": measure.machine(options.remark, others),
        "threads": options.threads, "precision": precision, "model": options.checkpoint.resolve().name,
        "commands": {"this": "test/benchmark/cpu_peer.py --checkpoint CHECKPOINT" + "".join(
                         f" --{name} {value}" for name, value in (("threads", options.threads), ("rounds", options.rounds))),
                     "llama_cpp": f"CMAKE_ARGS='{BUILD_OPTIONS}' pip install --no-binary llama-cpp-python {LLAMA}",
                     "yupana": f"yupana compile CHECKPOINT -o PLAN --precision {precision}; yupana-bench PLAN --prompt-tokens "
                               f"N --max-new-tokens M --repetitions {options.repetitions} --warmup 1 --threads N --json"},
        "versions": {"yupana": yupana.version, "target": yupana.target, "llama_cpp_python": llama.facts["version"],
                     "gguf": GGUF.split("==")[1], "llama_cpp_system_info": llama.facts["system_info"]},
        "same_model": same, "summary": summary, "rounds": rounds})
    print(f"{options.checkpoint.resolve().name}, {precision}, {options.threads} threads, {measure.cpu_model()}, Yupana "
          f"{yupana.version} ({yupana.target}), {LLAMA}, {100 * others['other_programs']:.0f} % of the cores' time taken by "
          "other programs")
    print(f"same model: {same['tokens']} tokens, {same['near_ties']} near a tie of two experts, the others at most "
          f"{same['worst_away_from_ties']:.1e} of the range of their logits apart, "
          f"in the median {same['median_away_from_ties']:.1e}\n")
    print(text_table(summary))
    shutil.rmtree(options.work)


if __name__ == "__main__":
    main()
