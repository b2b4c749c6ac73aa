# SPDX-License-Identifier: Apache-2.0
"""Layers of Scout and Maverick at their dimensions, with experts and vocabulary cut, on the stand-in for the driver: its
checks find nothing, and logits are near a CPU's. Scout's is a mixture with normed queries and keys; of Maverick a dense
layer and a mixture. It took 433 s of processor time, so it runs with --all alone.

usage: true_dimensions.py YUPANA RANDOM-CHECKPOINT
"""

import pathlib
import subprocess
import sys
import tempfile
import time

YUPANA, RANDOM = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
TARGETS = "x86-64-v3,sm_90a"


def run(*words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{words[1]}: exit code {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def check(folder, preset, layers):
    begin = time.time()
    checkpoint, plan = folder / preset, folder / "model.yplan"
    run(sys.executable, RANDOM, checkpoint, "--preset", preset, "--layers", layers, "--num-local-experts", 2,
        "--vocab-size", 512)
    run(YUPANA, "compile", checkpoint, "-o", plan, "--target", TARGETS, "--emit", "ptx", "--precision", "bf16",
        "--max-context", 1024, "--max-step-tokens", 64)
    print(f"{preset}: {run(YUPANA, 'verify', plan, '--simulate').splitlines()[-1]}; {time.time() - begin:.0f} s", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        check(pathlib.Path(folder), "scout", 1)
    with tempfile.TemporaryDirectory() as folder:
        check(pathlib.Path(folder), "maverick", 2)


if __name__ == "__main__":
    main()
