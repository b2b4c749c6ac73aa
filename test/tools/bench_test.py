# SPDX-License-Identifier: Apache-2.0
"""yupana-bench: what it counts is what the checkpoint's dimensions say, what it measures is there and is plausible, and
how it ends.

usage: bench_test.py YUPANA YUPANA_BENCH MODELS
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from terminal import run_on_terminal

YUPANA, BENCH, MODELS = map(pathlib.Path, sys.argv[1:4])
SHORT = ["--repetitions", 1, "--warmup", 0, "--prompt-tokens", 20, "--max-new-tokens", 30]


def run(*words):
    return subprocess.run([str(word) for word in (BENCH, *words)], capture_output=True, text=True, timeout=120)


def measured(*words):
    done = run(*words, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


class Model:
    """A checkpoint of test/models/parity, and the figures that follow from its config.json."""

    def __init__(self, name, folder):
        self.plan = folder / f"{name}.yplan"
        subprocess.run([YUPANA, "compile", MODELS / "parity" / name, "-o", self.plan, "--precision", "f32"], check=True,
                       capture_output=True)
        self.inspected = json.loads(subprocess.run([YUPANA, "inspect", "--json", self.plan], check=True,
                                                   capture_output=True).stdout)
        config = json.loads((MODELS / "parity" / name / "config.json").read_text())
        self.config = config.get("text_config", config)

    def is_moe(self, layer):
        step = self.config["interleave_moe_layer_step"]
        return bool(step) and (layer + 1) % step == 0

    def weight_bytes(self, experts_hit):
        """Read by a step of one token in which so many experts of a layer are hit."""
        total = 0
        for weight in self.inspected["weights"]:
            is_row = weight["name"] == "embedding" and not self.config.get("tie_word_embeddings")
            if is_row or " table: " in weight["source"]:
                total += weight["bytes"] / weight["shape"][0]
            elif ".experts." in weight["name"]:
                total += weight["bytes"] * experts_hit / self.config["num_local_experts"]
            else:
                total += weight["bytes"]
        return total

    def attended(self, layer, position):
        chunk = self.config["attention_chunk_size"]
        return (position % chunk if chunk and (layer + 1) % 4 else position) + 1

    def layers(self):
        return range(self.config["num_hidden_layers"])

    def cache_bytes(self, position):
        per_position = 2 * self.config["num_key_value_heads"] * self.config["head_dim"] * 4
        return sum(per_position * self.attended(layer, position) for layer in self.layers())

    def prompt_flops(self, tokens):
        c = self.config
        h, q, kv = c["hidden_size"], c["num_attention_heads"] * c["head_dim"], c["num_key_value_heads"] * c["head_dim"]
        parameters = 0
        for layer in self.layers():
            parameters += h * (2 * q + 2 * kv)
            if self.is_moe(layer):
                parameters += h * c["num_local_experts"] + 3 * h * c["intermediate_size"] * (1 + c["num_experts_per_tok"])
            else:
                parameters += 3 * h * c["intermediate_size_mlp"]
        return 2 * parameters + 2 * h * c["vocab_size"] / tokens

    def attention_flops(self, tokens):
        width = self.config["num_attention_heads"] * self.config["head_dim"]
        return sum(4 * width * self.attended(layer, p) for p in range(tokens) for layer in self.layers()) / tokens


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.top2 = Model("top2", cls.folder)
        cls.plan = cls.top2.plan

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def fails(self, code, part, *words):
        done = run(*words)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(part, done.stderr)

    def check_counts(self, model):
        report = measured(model.plan, *SHORT, "--per-kernel")
        decode, prefill = report["decode"], report["prefill"]
        self.check_kernels(model, report)
        k = model.config["num_experts_per_tok"]
        self.assertEqual(decode["weight_bytes_per_token"], round(model.weight_bytes(k)))
        cache = sum(model.cache_bytes(position) for position in range(20, 50)) / 30
        self.assertEqual(decode["cache_bytes_per_token"], round(cache))
        self.assertAlmostEqual(decode["bytes_per_token"], model.weight_bytes(k) + cache, delta=1)
        self.assertEqual(prefill["flops_per_token"], round(model.prompt_flops(20)))
        self.assertEqual(prefill["attention_flops_per_token"], round(model.attention_flops(20)))
        return report

    def check_kernels(self, model, report):
        """Kernels add up to the step, in time and in what the dimensions say; activations come to weights and cache."""
        k, phases = model.config["num_experts_per_tok"], report["kernels"]
        self.assertEqual(list(phases), ["prefill", "decode"])
        self.assertEqual((phases["prefill"]["steps"], phases["decode"]["steps"]), (1, 30))
        for phase in phases.values():
            kernels = phase["kernels"]
            self.assertAlmostEqual(sum(kernel["seconds"] for kernel in kernels) + phase["seconds_between"],
                                   phase["seconds"], places=9)
            for kernel in kernels:
                self.assertGreater(kernel["seconds"], 0)
                self.assertGreater(kernel["least_seconds"], 0)
                # Sums of the same numbers in another order differ in the last digit.
                self.assertLessEqual(kernel["least_seconds"], kernel["seconds"] * (1 + 1e-12))
                self.assertIn(kernel["bound"], ("memory", "arithmetic"))
                self.assertGreater(kernel["share_of_roofline"], 0)
                self.assertLess(kernel["share_of_step"], 1)
            self.assertEqual(len({(kernel["kernel"], kernel["on"]) for kernel in kernels}), len(kernels))
        total = lambda name, what: sum(kernel[what] for kernel in phases[name]["kernels"])
        flops = 20 * (model.prompt_flops(20) + model.attention_flops(20))
        self.assertAlmostEqual(total("prefill", "flops"), flops, delta=len(phases["prefill"]["kernels"]))
        positions = range(20, 50)
        flops = model.prompt_flops(1) + sum(model.attention_flops(p + 1) * (p + 1) - model.attention_flops(p) * p
                                            for p in positions) / 30
        self.assertAlmostEqual(total("decode", "flops"), flops, delta=len(phases["decode"]["kernels"]))
        least = model.weight_bytes(k) + sum(model.cache_bytes(position) for position in positions) / 30
        self.assertGreater(total("decode", "bytes"), least)
        self.assertLess(total("decode", "bytes"), 1.5 * least)

    def test_counts(self):
        report = self.check_counts(self.top2)
        self.assertEqual(report["decode"]["experts"],
                         {"per_layer": 8, "per_token": 2, "hit_per_step": 2, "hit_is": "exact"})
        self.assertNotIn("experts", self.check_counts(Model("tied", self.folder))["decode"])
        self.check_counts(Model("odd", self.folder))

    def test_batch(self):
        """Experts that four tokens of four sequences hit are an expected number; the other weights are shared."""
        report = measured(self.plan, *SHORT, "--batch", 4)
        hit = 8 * (1 - (1 - 2 / 8) ** 4)
        self.assertAlmostEqual(report["decode"]["experts"]["hit_per_step"], hit)
        self.assertIn("expected", report["decode"]["experts"]["hit_is"])
        rows = self.top2.weight_bytes(hit) - self.top2.weight_bytes(0)
        for weight in self.top2.inspected["weights"]:
            if weight["name"] == "embedding" or " table: " in weight["source"]:
                rows += weight["bytes"] / weight["shape"][0] * 3
        self.assertAlmostEqual(report["decode"]["weight_bytes_per_token"], (self.top2.weight_bytes(0) + rows) / 4, delta=1)

    def test_measures(self):
        report = measured(self.plan, *SHORT, "--repetitions", 3, "--threads", 2, "--step-tokens", 7)
        for part in ("prefill", "decode"):
            rate = report[part]["tokens_per_s"]
            self.assertTrue(0 < rate["min"] <= rate["median"] <= rate["max"], rate)
        machine = report["machine"]
        self.assertGreater(machine["read_bandwidth"], 1e8)
        self.assertGreater(machine["f32_flops"], 1e8)
        self.assertEqual(len(machine["read_bandwidth_samples"]), 4)
        features = pathlib.Path("/proc/cpuinfo").read_text()
        self.assertEqual(machine["bf16_flops"] is not None, "avx512_bf16" in features)
        self.assertEqual(machine["tile_flops"] is not None, "amx_bf16" in features)
        # The plan is in float32 for this very machine.
        wide = report["target"] != "x86-64-v3"
        self.assertEqual(report["prefill"]["share_is_of"], "machine.f32_flops" if wide else "machine.f32_flops_256")
        self.assertGreater(report["prefill"]["share_of_flops"], 0)
        self.assertTrue(report["prefill"]["share_counts_attention"])
        self.assertGreater(report["decode"]["share_of_bandwidth"], 0)
        self.assertEqual((report["model"], report["precision"], report["threads"], report["batch"]), ("top2", "f32", 2, 1))
        self.assertEqual(report["target"], self.top2.inspected["targets"][0]["name"])
        self.assertRegex(report["version"], r"^\d+\.\d+\.\d+$")
        self.assertGreater(report["load_s"], 0)
        # What the machine is measured with, hundreds of megabytes, is not the model's.
        self.assertTrue(1 << 20 < report["peak_rss"] < 256 << 20, report["peak_rss"])

    def test_ceiling_is_that_of_the_code(self):
        """Only the levels with dot products and tile registers are held against them; x86-64-v3 has no wider registers
        than 256 bits."""
        plan, levels = self.folder / "levels.yplan", ["x86-64-v3", "x86-64-v4-bf16", "x86-64-v4-amx"]
        subprocess.run([YUPANA, "compile", MODELS / "parity/top2", "-o", plan, "--precision", "bf16", "--target",
                        ",".join(levels)], check=True, capture_output=True)
        features = pathlib.Path("/proc/cpuinfo").read_text()
        runs = 1 + ("avx512_bf16" in features) + ("amx_bf16" in features)
        ceilings = "machine.f32_flops_256", "machine.bf16_flops", "machine.tile_flops"
        for level, ceiling in list(zip(levels, ceilings, strict=True))[:runs]:
            report = measured(plan, *SHORT, "--for", level)
            self.assertEqual((report["precision"], report["target"], report["prefill"]["share_is_of"]),
                             ("bf16", level, ceiling))

    def test_given_ceilings(self):
        """Shares are of what is given, and the machine is not measured."""
        given = ["--bandwidth", "2e9", "--flops", "3.5e+10"]
        report = measured(self.plan, *SHORT, *given, "--per-kernel")
        self.assertEqual(report["given"], {"read_bandwidth": 2e9, "flops": 3.5e10})
        self.assertIsNone(report["machine"]["read_bandwidth"])
        decode, prefill = report["decode"], report["prefill"]
        self.assertAlmostEqual(decode["share_of_bandwidth"],
                               decode["tokens_per_s"]["median"] * decode["bytes_per_token"] / 2e9, delta=1e-3)
        flops = prefill["flops_per_token"] + prefill["attention_flops_per_token"]
        self.assertEqual(prefill["share_is_of"], "given.flops")
        self.assertAlmostEqual(prefill["share_of_flops"], prefill["tokens_per_s"]["median"] * flops / 3.5e10, delta=1e-3)
        for kernel in report["kernels"]["prefill"]["kernels"] + report["kernels"]["decode"]["kernels"]:
            floor = max(kernel["bytes"] / 2e9, kernel["flops"] / 3.5e10)
            self.assertAlmostEqual(kernel["share_of_roofline"], floor / kernel["seconds"], delta=1e-3 + floor * 1e-3)
        self.assertIsNone(measured(self.plan, *SHORT)["given"])
        self.assertIn("held against 2 GB/s and 35 GFLOP/s, as given", run(self.plan, *SHORT, *given).stdout)

    def test_takes_the_faster_level(self):
        """Of code with dot products and code without, whichever this machine multiplies faster with."""
        both = subprocess.run([YUPANA, "compile", MODELS / "parity" / "scout", "-o", self.folder / "both.yplan", "--target",
                               "x86-64-v4,x86-64-v4-bf16", "--precision", "bf16"], capture_output=True, text=True)
        self.assertEqual(both.returncode, 0, both.stderr)
        report = run(self.folder / "both.yplan", *SHORT, "--json")
        if report.returncode == 6:
            self.skipTest("this machine has no AVX-512")
        report = json.loads(report.stdout)
        dots, fmas = (max(report["machine"][f"{name}_flops_samples"], default=0) for name in ("bf16", "f32"))
        if not dots:
            self.assertEqual(report["target"], "x86-64-v4")
        elif dots < 0.9 * fmas:
            self.assertEqual(report["target"], "x86-64-v4")
        elif dots > 1.4 * fmas:
            self.assertEqual(report["target"], "x86-64-v4-bf16")
        for target in ("x86-64-v4", "x86-64-v4-bf16") if dots else ("x86-64-v4",):
            self.assertEqual(measured(self.folder / "both.yplan", *SHORT, "--for", target)["target"], target)

    def test_prompts_alone(self):
        report = measured(self.plan, *SHORT, "--max-new-tokens", 0)
        self.assertIsNone(report["decode"])
        self.assertNotIn("decode", run(self.plan, *SHORT, "--max-new-tokens=0").stdout)

    def test_mapped_weights(self):
        report = measured(self.plan, *SHORT, "--mmap")
        self.assertTrue(report["mmap"])
        self.assertGreater(report["decode"]["tokens_per_s"]["median"], 0)
        self.assertFalse(measured(self.plan, *SHORT)["mmap"])

    def test_table(self):
        done = run(self.plan, *SHORT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for pattern in (r"top2, f32, x86-64-v\S+, batch 1, \d+ threads?", r"loaded in", r"prefill 20 +[\d.]+ +[\d.]+ +[\d.]+",
                        r"decode 30 +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ % of the read bandwidth", r"this machine reads"):
            self.assertRegex(done.stdout, pattern)

    def test_usage(self):
        self.fails(2, "no plan given")
        self.fails(2, "second plan", self.plan, "other")
        self.fails(2, "unknown option --fast", self.plan, "--fast")
        self.fails(2, "needs a value", self.plan, "--batch")
        for flag, value in (("--batch", "0"), ("--repetitions", "0"), ("--threads", "x"), ("--prompt-tokens", "-1"),
                            ("--warmup", "1.5"), ("--kv-memory", "4X"), ("--step-tokens", "4294967296"),
                            ("--bandwidth", "0"), ("--bandwidth", "-1e9"), ("--flops", "fast"), ("--flops", "1e999"),
                            ("--flops", "nan"), ("--bandwidth", "")):
            self.fails(2, f'{flag} is "{value}"', self.plan, flag, value)
        self.fails(2, "give both", self.plan, "--bandwidth", "1e9")
        self.fails(2, "give both", self.plan, "--flops=1e9")
        self.fails(2, "--max-context", self.plan, "--prompt-tokens", 32768)
        self.fails(2, "--max-batch", self.plan, "--batch", 9)
        self.fails(2, "--step-tokens allows 2", self.plan, "--batch", 3, "--step-tokens", 2)
        self.assertIn("usage: yupana-bench PLAN", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^yupana-bench \d+\.\d+\.\d+\n$")

    def test_files_targets_and_memory(self):
        self.fails(3, "nowhere", self.folder / "nowhere")
        bad = self.folder / "bad.yplan"
        bad.write_bytes(b"no plan" * 100)
        self.fails(4, "bad.yplan", bad)
        data = bytearray(self.plan.read_bytes())
        weights = next(s for s in self.top2.inspected["sections"] if s["kind"] == "weights")
        data[weights["offset"] + 1000] ^= 1
        bad.write_bytes(data)
        self.fails(8, "bad.yplan", bad, *SHORT)
        self.fails(6, "not for sm_90a", self.plan, "--for", "sm_90a")
        self.fails(2, '"z80"', self.plan, "--for", "z80")
        self.fails(7, "keys and values", self.plan, *SHORT, "--kv-memory", 100)
        self.fails(7, "pages", self.plan, *SHORT, "--prompt-tokens", 500, "--kv-memory", "80K")
        self.assertEqual(run(self.plan, *SHORT, "--kv-memory", "1M").returncode, 0)

    def test_interrupted(self):
        process = subprocess.Popen([BENCH, self.plan, "--repetitions", "1000000"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, error), (130, b"", b""))

    def test_progress(self):
        code, written = run_on_terminal([BENCH, self.plan, *SHORT])
        self.assertEqual(code, 0)
        self.assertRegex(written, r"\r\x1b\[Kloading \[[#.]{30}\] ")
        self.assertTrue(written.endswith("\r\x1b[K"), repr(written))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
