# SPDX-License-Identifier: Apache-2.0
"""Draws one random checkpoint (random_checkpoint.py) and holds it to parity (run_parity.py --quick).

The seed names the model: a failure is repeated with the same seed.
"""

import pathlib
import shutil
import sys

import numpy as np

import run_parity
import tools


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    work = tools.work_folder(arguments)
    model = work / "model"
    shutil.rmtree(model, ignore_errors=True)
    script = pathlib.Path(__file__).with_name("random_checkpoint.py")
    print(tools.run([sys.executable, "-B", script, "--seed", arguments.seed, "--out", model]).decode().strip(), flush=True)

    cases = tools.Cases()
    tokens, truth = tools.read_tokens(model), np.load(model / "expected/truth.npy")
    # Half of the models for each level: the seed decides, so that a failure is repeated.
    targets = tools.host_targets()
    for target in targets[arguments.seed % len(targets):][:1]:
        plan = tools.compile_plan(arguments, model, work / f"{target}.yplan", "--target", target)
        run_parity.check_plan(cases, target, tools.Runner(arguments, plan), tokens, truth, quick=True)
        plan.unlink()
    if not cases.failed:
        shutil.rmtree(model)
    cases.exit()


if __name__ == "__main__":
    main()
