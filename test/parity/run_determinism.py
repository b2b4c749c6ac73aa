# SPDX-License-Identifier: Apache-2.0
"""The same checkpoint compiles to the same bytes: with any number of workers, in any folder, from any folder, again."""

import hashlib
import pathlib
import shutil

import tools


def main():
    parser = tools.parser(__doc__)
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    work = tools.work_folder(arguments)
    for name in ("compiler", "runner", "model"):
        setattr(arguments, name, pathlib.Path(getattr(arguments, name)).resolve())
    cases, targets = tools.Cases(), tools.host_targets(arguments)
    for precision in tools.PRECISIONS:
        first = None
        # Whether the same folder gives the same plan again does not depend on the precision.
        again = [("one", 2)] if precision == "bf16" else []
        for folder, workers in (("one", 1), ("two/deeper", 3), *again):
            place = work / folder
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(arguments.model, place / arguments.model.name, ignore=shutil.ignore_patterns("expected"))
            plan = f"out{workers}.yplan"
            tools.run([arguments.compiler, "compile", arguments.model.name, "-o", plan, "--precision", precision, "--target",
                       ",".join(targets), "-j", workers], cwd=place)
            digest = hashlib.sha256((place / plan).read_bytes()).hexdigest()
            first = first or digest
            cases.check(f"{precision} {','.join(targets)} in {folder} with -j {workers}", digest == first, digest)
            shutil.rmtree(place)
    cases.exit()


if __name__ == "__main__":
    main()
