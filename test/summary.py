# SPDX-License-Identifier: Apache-2.0
"""Counts the results of one or more build folders after ctest, and ends with `N passed, N failed, N skipped`.

A lit run counts as its files and a GoogleTest program as its cases; every other test of ctest counts as one.
Each folder holds test-results/ctest.xml, test-results/gtest/*.xml and, where lit ran, test/lit.json.
"""

import argparse
import json
import pathlib
import sys
import xml.etree.ElementTree as xml

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def ctest_results(path):
    for case in xml.parse(path).getroot().iter("testcase"):
        status = case.get("status")
        yield case.get("name"), PASSED if status == "run" else FAILED if status == "fail" else SKIPPED


def gtest_results(path):
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None:
            yield name, FAILED
        else:
            yield name, SKIPPED if case.find("skipped") is not None or case.get("status") == "notrun" else PASSED


def lit_results(path):
    outcome = {"PASS": PASSED, "FLAKYPASS": PASSED, "XFAIL": PASSED, "UNSUPPORTED": SKIPPED, "SKIPPED": SKIPPED}
    for test in json.loads(path.read_text())["tests"]:
        # A filtered run lists what it left out, too.
        if test["code"] != "EXCLUDED":
            yield test["name"], outcome.get(test["code"], FAILED)


def folder_results(folder):
    """Yields (name, outcome); a program whose cases are known gives way to them, unless it alone failed."""
    cases = {path.stem: list(gtest_results(path)) for path in sorted((folder / "test-results/gtest").glob("*.xml"))}
    if (folder / "test/lit.json").exists():
        cases["lit"] = list(lit_results(folder / "test/lit.json"))
    for name, outcome in ctest_results(folder / "test-results/ctest.xml"):
        parts = cases.get(name, [])
        yield from parts
        if not parts or (outcome == FAILED and FAILED not in [part for _, part in parts]):
            yield name, outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="BUILD")
    arguments = parser.parse_args()
    count = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    for folder in arguments.folders:
        if not (folder / "test-results/ctest.xml").exists():
            print(f"failed: {folder}: its tests did not run")
            count[FAILED] += 1
            continue
        for name, outcome in folder_results(folder):
            count[outcome] += 1
            if outcome != PASSED:
                print(f"{outcome}: {folder.resolve().name}: {name}")
    print(f"{count[PASSED]} passed, {count[FAILED]} failed, {count[SKIPPED]} skipped")
    return 1 if count[FAILED] or not count[PASSED] else 0


if __name__ == "__main__":
    sys.exit(main())
