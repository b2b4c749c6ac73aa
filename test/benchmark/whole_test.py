# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run to their end on a small checkpoint and write every number; llama.cpp is built where it is missing.
What they measure there means nothing.

usage: whole_test.py --environment FOLDER --programs FOLDER --random SCRIPT --work FOLDER
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

SMALL = ["--preset", "mini", "--layers", "4", "--hidden-size", "256", "--intermediate-size", "256", "--intermediate-size-mlp",
         "512", "--vocab-size", "1000", "--num-attention-heads", "4", "--head-dim", "64", "--num-local-experts", "16"]
HERE = pathlib.Path(__file__).parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--environment", "--programs", "--random", "--work"):
        parser.add_argument(flag, required=True, type=pathlib.Path)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    model = options.work / "small"
    subprocess.run([sys.executable, "-B", options.random, model, *SMALL], check=True)
    run = lambda script, *words: subprocess.run([sys.executable, "-B", HERE / script, "--checkpoint", model, "--programs",
                                                 options.programs, "--work", options.work / "scratch", "--rounds", "2",
                                                 "--json", options.work / f"{script}.json", *words], check=True)
    run("cpu_peer.py", "--environment", options.environment, "--prompts", "32,96", "--new-tokens", "8", "--repetitions", "1")
    run("disk_speed.py")
    run("prefill_share.py", "--base", options.programs, "--targets", "x86-64-v3", "--prompts", "32", "--repetitions", "1")
    peer, disk, share = (json.loads((options.work / f"{name}.py.json").read_text())
                         for name in ("cpu_peer", "disk_speed", "prefill_share"))
    assert list(peer["summary"]) == ["prefill 32", "prefill 96", "decode 8"], peer["summary"]
    assert all(len(case["ratio"]["ratios"]) == 2 and case["ratio"]["min"] > 0 for case in peer["summary"].values())
    assert peer["same_model"]["worst_away_from_ties"] <= peer["same_model"]["limit"]
    assert len(disk["rounds"]) == 2 and disk["summary"]["weights_against_copy"]["min"] > 0
    assert list(share["summary"]) == ["bf16 x86-64-v3 32", "f32 x86-64-v3 32"], share["summary"]
    assert all(len(case["gain"]["ratios"]) == 2 and case["share"]["min"] > 0 for case in share["summary"].values())
    assert not (options.work / "scratch").exists()


if __name__ == "__main__":
    main()
