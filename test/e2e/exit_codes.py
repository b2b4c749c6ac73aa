# SPDX-License-Identifier: Apache-2.0
"""The exit codes of the programs, the sentence that comes with each, and that a failed compile leaves nothing behind."""

import argparse
import pathlib
import shutil
import signal
import subprocess
import sys
import time

failed = 0


def expect(name, code, command, says=()):
    """The program ends with `code`; a failure is one line on standard error that holds every string of `says`. A bare
    program explains itself in more."""
    global failed
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    # A compile may have told what it found before it failed.
    error = "\n".join(line for line in done.stderr.strip().splitlines() if not line.startswith("yupana: note: "))
    ok = done.returncode == code and all(part in (error if code else done.stdout) for part in says)
    ok = ok and (code == 0 or len(command) == 1 or len([line for line in error.splitlines() if line]) == 1)
    failed += not ok
    detail = "" if ok else f": exit code {done.returncode}, expected {code} and {list(says)}; it wrote: {error or done.stdout[:400]}"
    print(f"{'ok    ' if ok else 'FAILED'} {name}{detail}")


def copy_model(model, place, config=None, drop=()):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(model, place, ignore=shutil.ignore_patterns("expected", *drop))
    if config:
        path = place / "config.json"
        path.write_text(path.read_text().replace(*config))
    return place


def check_compile(yupana, model, work):
    plan = work / "out.yplan"
    compile_ = lambda folder, *more: [yupana, "compile", folder, "-o", plan, "--precision", "f32", *more]
    expect("no command", 2, [yupana], ["usage:", "compile"])
    expect("unknown command", 2, [yupana, "brew"], ["brew"])
    expect("unknown option", 2, compile_(model, "--frobnicate"), ["--frobnicate"])
    expect("unknown target", 2, compile_(model, "--target", "z80"), ["z80"])
    expect("unknown precision", 2, [yupana, "compile", model, "-o", plan, "--precision", "tf32"], ["tf32"])
    expect("no such folder", 3, compile_(work / "nowhere"), ["nowhere"])
    expect("no configuration", 3, compile_(copy_model(model, work / "bare", drop=["config.json"])), ["config.json"])
    torn = copy_model(model, work / "torn")
    (torn / "config.json").write_text('{"text_config":')
    expect("torn configuration", 4, compile_(torn), ["config.json"])
    shard = next(iter(sorted(copy_model(model, work / "short").glob("*.safetensors"))))
    shard.write_bytes(shard.read_bytes()[:-1])
    expect("truncated weights", 4, compile_(shard.parent), [shard.name])
    other = copy_model(model, work / "other", ('"hidden_act": "silu"', '"hidden_act": "swish7"'))
    expect("unsupported activation", 5, compile_(other), ["hidden_act", "swish7"])
    left = [path.name for path in work.iterdir() if path.is_file()]
    expect("a failed compile leaves nothing", 1 if left else 0, [sys.executable, "-c", f"print({left!r})"])


def check_interrupt(yupana, model, work):
    """Ctrl-C while kernels are compiled: its exit code, and nothing left where the plan would be."""
    global failed
    place = work / "interrupted"
    place.mkdir()
    process = subprocess.Popen([yupana, "compile", model, "-o", place / "out.yplan", "--precision", "f32", "-j", "1"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    code, left = process.wait(timeout=60), [path.name for path in place.iterdir()]
    ok = code == 130 and not left
    failed += not ok
    print(f"{'ok    ' if ok else 'FAILED'} interrupted compile{'' if ok else f': exit code {code}, expected 130; left: {left}'}")


def check_plan(yupana, runner, bench, model, work):
    plan = work / "good.yplan"
    expect("compile", 0, [yupana, "compile", model, "-o", plan, "--precision", "f32"])
    expect("inspect", 0, [yupana, "inspect", plan], ["weights", "chat format  begin"])
    expect("inspect --json", 0, [yupana, "inspect", plan, "--json"], ["{", '"generation": "<|header_start|>assistant'])
    expect("verify", 0, [yupana, "verify", plan])
    expect("check", 0, [yupana, "check", plan], ["runs on this machine"])
    for program in ([yupana, "check"], [yupana, "verify"], [runner], [bench]):
        more = ["--tokens", "1"] if program == [runner] else []
        expect(f"{program[-1]} for a target the plan lacks", 6, [*program, plan, "--for", "sm_90a", *more], ["x86-64-v", "sm_90a"])
        expect(f"{program[-1]} for no target", 2, [*program, plan, "--for", "z80", *more], ["z80"])
        expect(f"{program[-1]} --help", 0, [*program, "--help"], ["usage:"])
    expect("version", 0, [yupana, "version"])
    data = bytearray(plan.read_bytes())
    (work / "short.yplan").write_bytes(data[:-1])
    expect("check of a truncated plan", 4, [yupana, "check", work / "short.yplan"], ["short.yplan"])
    expect("truncated plan", 4, [runner, work / "short.yplan", "--tokens", "1,2"], ["short.yplan"])
    (work / "text.yplan").write_text("This is not a plan. " * 20)
    expect("no plan at all", 4, [runner, work / "text.yplan", "--tokens", "1,2"], ["text.yplan"])
    data[-4096] ^= 1
    (work / "flipped.yplan").write_bytes(data)
    expect("one bit of the weights", 8, [yupana, "verify", work / "flipped.yplan"], ["flipped.yplan"])
    expect("benchmark of no plan", 4, [bench, work / "text.yplan"], ["text.yplan"])
    expect("benchmark of a missing plan", 3, [bench, work / "nowhere.yplan"], ["nowhere.yplan"])
    expect("benchmark of nothing", 2, [bench], ["usage:"])
    expect("benchmark of more than was compiled for", 2, [bench, plan, "--batch", "9"], ["--max-batch"])
    expect("benchmark without room for keys and values", 7, [bench, plan, "--kv-memory", "100"], ["keys and values"])
    expect("missing plan", 3, [runner, work / "nowhere.yplan", "--tokens", "1"], ["nowhere.yplan"])
    expect("no input", 2, [runner, plan])
    expect("token out of range", 4, [runner, plan, "--tokens", "999999"], ["999999"])
    for program, name in ((runner, "yupana-run"), (bench, "yupana-bench"), (yupana, "yupana")):
        expect(f"{name} --version", 0, [program, "--version"], [name + " "])
    expect("system without user", 2, [runner, plan, "--system", "a", "--prompt", "b"], ["--system"])
    expect("run", 0, [runner, plan, "--tokens", "1,2", "--max-new-tokens", "2"])


def check_random(script, work):
    random = lambda *words: [sys.executable, "-B", script, *words]
    expect("random checkpoint --help", 0, random("--help"), ["usage:"])
    expect("random checkpoint without a preset", 2, random(work / "drawn"), ["--preset"])
    expect("random checkpoint with an unknown option", 2, random(work / "drawn", "--preset", "mini", "--fast"), ["--fast"])
    expect("random checkpoint over a folder that is there", 2, random(work, "--preset", "mini"), [work.name])
    expect("random checkpoint with a tokenizer that is not", 3,
           random(work / "drawn", "--preset", "mini", "--tokenizer", work / "nowhere"), ["nowhere"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--runner", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--random", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    check_compile(arguments.compiler, arguments.model, arguments.work)
    check_interrupt(arguments.compiler, arguments.model, arguments.work)
    check_plan(arguments.compiler, arguments.runner, arguments.bench, arguments.model, arguments.work)
    check_random(arguments.random, arguments.work)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
