# SPDX-License-Identifier: Apache-2.0
"""Golden plans: each folder holds, for every NAME.mlir of its format version, the plan it must become byte for byte
(NAME.yplan), the metadata explained byte by byte by flatc (NAME.afb), and what `yupana inspect --json` says of it
(NAME.json, without what depends on the machine or follows from the rest).

usage: golden_test.py YUPANA FLATC SCHEMA FOLDER [--update]

--update writes the files instead of comparing; do that for a new format version alone, in a new folder.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

PRODUCER = "yupana golden"


def run(*words, cwd=None):
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def annotate(flatc, schema, plan, folder):
    """The metadata section as `flatc --annotate` explains it."""
    kind, _, offset, size = struct.unpack_from("<IIQQ", plan, 64)
    assert kind == 1, "the first section of a plan that the compiler writes is its metadata"
    shutil.copy(schema, os.path.join(folder, "plan.fbs"))
    with open(os.path.join(folder, "metadata.bin"), "wb") as file:
        file.write(plan[offset:offset + size])
    run(flatc, "--annotate", "plan.fbs", "--", "metadata.bin", cwd=folder)
    with open(os.path.join(folder, "metadata.afb")) as file:
        return file.read()


def describe(yupana, path):
    report = json.loads(run(yupana, "inspect", "--json", path))
    del report["plan"]
    for target in report["targets"]:
        # Steps are counted from the rest.
        del target["fit"], target["reason"], target["steps"]
    return json.dumps(report, indent=1) + "\n"


def main():
    yupana, flatc, schema, folder = sys.argv[1:5]
    update = sys.argv[5:] == ["--update"]
    names = sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".mlir"))
    assert names, f"no .mlir in {folder}"
    failures = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            path = os.path.join(temporary, name + ".yplan")
            run(yupana, "export", os.path.join(folder, name + ".mlir"), "-o", path, "--producer", PRODUCER)
            run(yupana, "verify", path)
            with open(path, "rb") as file:
                plan = file.read()
            made = {"yplan": plan, "afb": annotate(flatc, schema, plan, temporary).encode(),
                    "json": describe(yupana, path).encode()}
            for suffix, content in made.items():
                golden = os.path.join(folder, f"{name}.{suffix}")
                if update:
                    with open(golden, "wb") as file:
                        file.write(content)
                    continue
                with open(golden, "rb") as file:
                    if file.read() != content:
                        failures.append(golden)
    if failures:
        sys.exit("these differ from what is made of their .mlir now: " + ", ".join(failures))
    print(f"{len(names)} plans as committed")


main()
