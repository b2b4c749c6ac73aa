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
        for folder, workers in (("one", 1), ("two/deeper", 3), ("one", 2)):
            place = work / folder
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(arguments.model, place / arguments.model.name, ignore=shutil.ignore_patterns("expected"))
            plan = tools.compile_plan(arguments, arguments.model.name, pathlib.Path(f"out{workers}.yplan"), precision, targets,
                                      "-j", workers, cwd=place)
            digest = hashlib.sha256((place / plan).read_bytes()).hexdigest()
            first = first or digest
            cases.check(f"{precision} {','.join(targets)} in {folder} with -j {workers}", digest == first, digest)
            shutil.rmtree(place)
    cases.exit()


if __name__ == "__main__":
    main()
