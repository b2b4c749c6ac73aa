# SPDX-License-Identifier: Apache-2.0
"""yupana inspect --html: a well-formed page that reaches nothing outside itself, whose numbers are those of
`inspect --json`, and in which no name of a plan is markup; and how it fails.

usage: html_test.py YUPANA MODELS GOLDEN
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from page import ATTACK, Page, make_page, write_attack

YUPANA, MODELS, GOLDEN = map(pathlib.Path, sys.argv[1:4])


def inspect(*words):
    return subprocess.run([YUPANA, "inspect", *words], capture_output=True, timeout=60)


class Html(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.plan = cls.folder / "nano.yplan"
        subprocess.run([YUPANA, "compile", MODELS / "nano", "-o", cls.plan, "--target", "x86-64-v3,sm_90a", "--emit=ptx"],
                       check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def read(self, plan):
        report = json.loads(inspect("--json", plan).stdout)
        return report, Page(make_page(YUPANA, plan).read_text())

    def check_numbers(self, plan):
        report, page = self.read(plan)
        weights = [[w["name"], *([w["offset"]] if w["section"] is not None else []), w["bytes"]] for w in report["weights"]]
        self.assertEqual(page.values("weights"), weights)
        self.assertEqual(sum(row[-1] for row in page.values("kinds")), sum(w["bytes"] for w in report["weights"]))
        self.assertEqual(sum(row[1] for row in page.values("kinds")), len(report["weights"]))
        self.assertEqual(sum(row[1] for row in page.values("forms")), sum(w["bytes"] for w in report["weights"]))
        self.assertEqual(page.values("sections"),
                         [[s["kind"], s["offset"], s["bytes"], s["alignment"]] for s in report["sections"]])
        self.assertEqual([row[4].text for row in page.tables["sections"]], [s["sha256"] for s in report["sections"]])
        self.assertEqual(page.values("groups") if report["cache_groups"] else [], [[g["name"], g["page_tokens"], g["page_bytes"], len(g["layers"])]
                                                 for g in report["cache_groups"]])
        model, limits = report["model"], report["limits"]
        values = [value for row in page.tables["facts"] for cell in row for value in cell.values]
        for value in (report["bytes"], model["layers"], model["hidden_size"], model["vocab_size"], model["parameters"],
                      limits["max_context"], limits["max_batch"], limits["max_step_tokens"], limits["max_logit_rows"]):
            self.assertIn(value, values)
        for index, target in enumerate(report["targets"]):
            self.check_target(page, f"t{index}-", target)

    def check_target(self, page, prefix, target):
        memory = target["memory"]
        self.assertEqual([row[1] for row in page.values(prefix + "memory")],
                         [memory[name] for name in ("weights", "activations", "cache", "inputs", "code")])
        self.assertEqual(page.values(prefix + "programs"),
                         [[p["function"], p["max_tokens"], len(p["launches"])] for p in target["programs"]])
        self.assertEqual([row[:3] for row in page.values(prefix + "kernels")],
                         [[k["symbol"], k["arguments"], sum(k["launches"])] for k in target["kernels"]])
        for number, arena in enumerate(target["arenas"]):
            if not arena["buffers"]:
                continue
            self.assertEqual(page.values(f"{prefix}buffers-{number}"),
                             [[b["name"], b["offset"], b["bytes"], b["first_launch"], b["last_launch"]]
                              for b in arena["buffers"]])
        for number, step in enumerate(target["steps"]):
            launches = target["programs"][step["program"]]["launches"]
            rows = page.tables[f"{prefix}step-{number}"]
            *shown, total = [row for row in rows if "colspan" not in row[0].attributes]
            self.assertEqual(total[4].values + total[5].values,
                             [round(sum(launch[what] for launch in step["launches"])) for what in ("bytes", "flops")]
                             if all(total[i].values for i in (4, 5)) else None)
            for row in shown:
                self.assertIn(row[2].text, [launch["tile"] or "–" for launch in step["launches"]])
                same = [launch for launch, entry in zip(step["launches"], launches)
                        if row[0].text.split()[-1] == entry["kernel"] and row[1].text == launch["on"] and
                        row[4].values == [launch["bytes"]] and row[5].values == [launch["flops"]]]
                self.assertTrue(same, row[0].text)
            for launch, entry in zip(step["launches"], launches):
                self.assertTrue(any(row[0].text.split()[-1] == entry["kernel"] and row[4].values == [launch["bytes"]] and
                                    row[5].values == [launch["flops"]] for row in shown), entry)

    def test_numbers(self):
        self.check_numbers(self.plan)

    def test_golden_plans(self):
        for name in ("minimal", "full"):
            with self.subTest(name=name):
                plan = self.folder / f"{name}.yplan"
                plan.write_bytes((GOLDEN / plan.name).read_bytes())
                self.check_numbers(plan)

    def test_drawing(self):
        """Every buffer is a rectangle, as long as its launches and as high as its bytes, where the arena is to scale."""
        report, page = self.read(self.plan)
        arena = report["targets"][0]["arenas"][0]
        rectangles = [r for r in page.rectangles if r["class"] != "shade"][:len(arena["buffers"])]
        expected = sorted((b["first_launch"], b["last_launch"] - b["first_launch"] + 1,
                           round(1000 * b["bytes"] / arena["bytes"], 2),
                           round(1000 * (1 - (b["offset"] + b["bytes"]) / arena["bytes"]), 2)) for b in arena["buffers"])
        found = sorted((int(r["x"]), int(r["width"]), float(r["height"]), float(r["y"])) for r in rectangles)
        self.assertEqual(len(found), len(expected))
        for a, b in zip(found, expected):
            self.assertEqual(a[:2], b[:2])
            self.assertAlmostEqual(a[2], b[2], delta=0.011)
            self.assertAlmostEqual(a[3], b[3], delta=0.011)

    def test_names_are_text(self):
        _, page = self.read(write_attack(YUPANA, GOLDEN, self.folder))
        self.assertIn(ATTACK, page.title)
        self.assertGreaterEqual(page.text.count(ATTACK), 5)
        self.assertNotIn("\u202e", page.text)
        self.assertIn("\ufffddesrever", page.text)

    def test_same_page_twice(self):
        first = make_page(YUPANA, self.plan).read_bytes()
        self.assertEqual(make_page(YUPANA, self.plan).read_bytes(), first)
        done = inspect("--json", self.plan, "--html", self.folder / "other.html")
        self.assertEqual((self.folder / "other.html").read_bytes(), first)
        self.assertEqual(json.loads(done.stdout)["plan"], str(self.plan))

    def fails(self, code, part, *words):
        done = inspect(*words)
        self.assertEqual((done.returncode, done.stdout), (code, b""), done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertIn(part, done.stderr.decode())

    def test_refusals(self):
        before = self.plan.read_bytes()
        link = self.folder / "link.html"
        os.link(self.plan, link)
        for name in (self.plan, link):
            self.fails(2, "would destroy the input", self.plan, "--html", name)
        self.assertEqual(self.plan.read_bytes(), before)
        self.fails(2, "--html", self.plan, "--html", "")
        self.fails(7, "/dev/full: cannot be written", self.plan, "--html", "/dev/full")
        self.fails(7, "cannot be created", self.plan, "--html", self.folder / "nowhere" / "page.html")
        self.fails(3, "none.yplan", self.folder / "none.yplan", "--html", self.folder / "page.html")
        self.assertFalse((self.folder / "page.html").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
