# SPDX-License-Identifier: Apache-2.0
"""Draws one random checkpoint (random_checkpoint.py) and holds it to parity (run_parity.py): in float32 to truth, in
bfloat16, where there is no peer, to itself however it is cut.

The seed names the model: a failure is repeated with the same seed.
"""

import pathlib
import shutil
import sys

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

    cases, tokens = tools.Cases(), tools.read_tokens(model)
    # As many models for each level: the seed decides, so that a failure is repeated.
    targets = tools.host_targets(arguments)
    for precision in tools.PRECISIONS if targets else ():
        target = targets[arguments.seed % len(targets)]
        plan = tools.compile_plan(arguments, model, work / f"{precision}.yplan", precision, [target])
        runner = tools.Runner(arguments, plan, target)
        (base,) = runner.logits(tokens)
        run_parity.contract(cases, f"{precision} {target}", base, model, work, precision)
        run_parity.check_cuts(cases, runner, tokens, base, few=True)
        plan.unlink()
    if not cases.failed:
        shutil.rmtree(model)
    cases.exit()


if __name__ == "__main__":
    main()
