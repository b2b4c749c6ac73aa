# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmarks that decide what a result says: ratios and tables, the check that both programs compute the
same model, and, where the package gguf is installed, that a GGUF file holds the checkpoint's values in llama.cpp's
layout.

usage: benchmark_test.py --environment FOLDER --random SCRIPT
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import cpu_peer
import disk_speed
import measure
import prefill_share

TINY = ["--preset", "mini", "--layers", "2", "--hidden-size", "64", "--intermediate-size", "48", "--intermediate-size-mlp", "80",
        "--vocab-size", "96", "--num-attention-heads", "4", "--head-dim", "16", "--num-local-experts", "4"]
# Runs inside the environment: what the file holds, as float32 arrays in the shapes that numpy has.
DUMP = """
import sys, gguf, numpy as np
reader, out = gguf.GGUFReader(sys.argv[1]), {}
for tensor in reader.tensors:
    data = tensor.data
    if tensor.tensor_type.name == "BF16":
        data = (np.ascontiguousarray(data).view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    out[tensor.name] = data.reshape(tensor.shape[::-1])
    out["kind of " + tensor.name] = tensor.tensor_type.name
text = lambda key: bytes(reader.fields[key].parts[-1]).decode()
number = lambda key: reader.fields[key].parts[-1][0]
out["architecture"], out["tokenizer"] = text("general.architecture"), text("tokenizer.ggml.model")
for key in ("expert_count", "expert_used_count", "expert_feed_forward_length", "attention.head_count_kv", "vocab_size"):
    out[key] = number("llama4." + key)
np.savez(sys.argv[2], **out)
"""


class Statistics(unittest.TestCase):
    def test_the_result_is_the_median_of_ratios_and_not_the_ratio_of_medians(self):
        found = measure.paired([10, 40, 30], [5, 10, 30])
        self.assertEqual(found, {"ratios": [2, 4, 1], "median": 2, "min": 1, "max": 4})
        self.assertEqual(measure.paired([1, 2], [2, 8], less_is_better=True)["ratios"], [2, 4])
        for ours, base in (([], []), ([1], [1, 2])):
            with self.assertRaises(ValueError):
                measure.paired(ours, base)

    def test_who_goes_first_changes_every_round(self):
        self.assertEqual([measure.in_turn(("a", "b"), number) for number in range(3)], [["a", "b"], ["b", "a"], ["a", "b"]])

    def test_table(self):
        self.assertEqual(measure.table([("", "ratio"), ("prefill 128", "2.40")]), "             ratio\nprefill 128   2.40")

    def test_a_share_of_other_programs_counts_none_of_our_own_time(self):
        others = measure.Others()
        others.begin = tuple(value - part for value, part in zip(others.now(), (1000, 250, 10)))
        found = others.shares()
        self.assertAlmostEqual(found["other_programs"], 0.25, delta=0.05)
        self.assertAlmostEqual(found["stolen"], 0.01, delta=0.01)

    def test_rounded(self):
        self.assertEqual(measure.rounded({"a": [1.23456789, 3], "b": "x"}), {"a": [1.2346, 3], "b": "x"})

    def test_disk_speed_divides_the_copy_by_the_weights_alone(self):
        rounds = [dict(compile_s=3.0, code_s=1.0, weights_s=2.0, copy_s=1.0, load_s=0.5, read_s=0.25)] * 3
        summary = disk_speed.summarise(rounds)
        self.assertEqual([summary[key]["median"] for key in ("weights_against_copy", "compile_against_copy",
                                                             "load_against_read")], [0.5, 1 / 3, 0.5])
        said = disk_speed.CODE_AND_WEIGHTS.search("x.yplan: 1.48 GB for x86-64-v4; code took 1.5 s, weights 2.0 s")
        self.assertEqual(said.groups(), ("1.5", "2.0"))


class PrefillShare(unittest.TestCase):
    REPORT = {"version": "1", "machine": {"bf16_flops": 4e11, "read_bandwidth": 3e10}, "prefill": {
        "tokens_per_s": {"median": 100.0, "min": 50.0, "max": 120.0}, "share_of_flops": 0.5, "share_is_of": "machine.bf16_flops"}}

    def test_cases_are_those_with_a_goal_unless_prompts_are_named(self):
        found = prefill_share.cases_of(["bf16", "f32"], ["x86-64-v3", "x86-64-v4-bf16"], [])
        self.assertEqual([(prefill_share.name_of(case), case["asked"]) for case in found],
                         [("bf16 x86-64-v3 512", 0.80), ("bf16 x86-64-v4-bf16 128", 0.75), ("bf16 x86-64-v4-bf16 512", 0.85),
                          ("bf16 x86-64-v4-bf16 2048", 0.75), ("f32 x86-64-v3 512", 0.85)])
        found = prefill_share.cases_of(["f32"], ["x86-64-v4"], [64, 512])
        self.assertEqual([(case["prompt"], case["asked"]) for case in found], [(64, None), (512, 0.85)])
        self.assertEqual(prefill_share.cases_of(["f32"], ["x86-64-v4-bf16"], []), [])

    def test_best_and_slowest_steps_are_held_against_the_peak_of_their_run(self):
        facts = prefill_share.facts_of(self.REPORT)
        self.assertEqual([facts[key] for key in ("share", "best_step", "slowest_step", "peak", "peak_flops")],
                         [0.5, 0.6, 0.25, "bf16_flops", 4e11])

    def test_a_share_is_the_median_of_rounds_and_a_gain_that_of_paired_ratios(self):
        cases = prefill_share.cases_of(["bf16"], ["x86-64-v3"], [])
        fact = lambda share, rate: {**prefill_share.facts_of(self.REPORT), "share": share, "tokens_per_s": rate}
        rounds = [{"case": "bf16 x86-64-v3 512", "now": fact(share, now), "base": fact(0.5, base)}
                  for share, now, base in ((0.7, 10, 5), (0.9, 40, 10), (0.8, 30, 30))]
        entry = prefill_share.summarise(cases, rounds)["bf16 x86-64-v3 512"]
        self.assertEqual((entry["share"]["median"], entry["gain"]["ratios"], entry["gain"]["median"]), (0.8, [2, 4, 1], 2))
        self.assertRegex(prefill_share.text_table({"a case": entry}), r"a case +0\.80 +0\.80 +0\.70 +0\.90 +0\.60 +30 +0\.50 +2\.00$")


class SameModel(unittest.TestCase):
    def setUp(self):
        self.truth = np.random.default_rng(2).normal(size=(20, 50))
        self.near = np.zeros(20, bool)

    def test_equal_logits_pass(self):
        facts = cpu_peer.judge(self.truth, self.truth + 1e-6, self.truth, self.near, "f32")
        self.assertEqual((facts["tokens"], facts["near_ties"], facts["near_ties_that_differ"]), (20, 0, 0))

    def test_a_token_near_a_tie_may_differ_and_is_counted(self):
        theirs = self.truth.copy()
        theirs[3] *= 0.5
        self.near[3] = True
        facts = cpu_peer.judge(self.truth, theirs, self.truth, self.near, "bf16")
        self.assertEqual((facts["near_ties"], facts["near_ties_that_differ"]), (1, 1))

    def test_another_model_ends_the_benchmark(self):
        for change in (lambda logits: logits * 0.5, lambda logits: logits[::-1], lambda logits: logits * np.nan):
            with self.assertRaises(SystemExit) as raised:
                cpu_peer.judge(self.truth, change(self.truth), self.truth, self.near, "bf16")
            self.assertIn("do not compute the same model", str(raised.exception.code))
        with self.assertRaises(SystemExit) as raised:
            cpu_peer.judge(self.truth, self.truth, self.truth, ~self.near, "bf16")
        self.assertIn("too few to tell", str(raised.exception.code))


class Gguf(unittest.TestCase):
    def setUp(self):
        self.python = OPTIONS.environment / "bin/python3"
        probe = [str(self.python), "-c", "import gguf"]
        if not self.python.exists() or subprocess.run(probe, capture_output=True).returncode != 0:
            self.skipTest(f"{OPTIONS.environment} has no gguf; cpu_peer.py --setup makes it")
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def make(self, name, *more):
        subprocess.run([sys.executable, "-B", OPTIONS.random, self.folder / name, *TINY, *more], check=True)
        return self.folder / name

    def convert(self, model):
        script = pathlib.Path(cpu_peer.__file__).with_name("hf_to_gguf.py")
        return subprocess.run([self.python, "-B", script, model, self.folder / "model.gguf"], capture_output=True, text=True)

    def test_values_and_layout(self):
        model = self.make("model")
        done = self.convert(model)
        self.assertEqual(done.returncode, 0, done.stderr)
        out = self.folder / "dump.npz"
        subprocess.run([self.python, "-B", "-c", DUMP, self.folder / "model.gguf", out], check=True)
        found, weights = np.load(out), cpu_peer.reference.Checkpoint(str(model))
        path = "model.layers.1."
        gate_up, down = (weights(f"{path}feed_forward.experts.{name}") for name in ("gate_up_proj", "down_proj"))
        self.assertEqual((found["blk.1.ffn_gate_exps.weight"].shape, found["blk.1.ffn_down_exps.weight"].shape),
                         ((4, 48, 64), (4, 64, 48)))
        for expert, row in ((0, 0), (3, 47), (2, 5)):
            np.testing.assert_array_equal(found["blk.1.ffn_gate_exps.weight"][expert, row], gate_up[expert, :, row])
            np.testing.assert_array_equal(found["blk.1.ffn_up_exps.weight"][expert, row], gate_up[expert, :, 48 + row])
            np.testing.assert_array_equal(found["blk.1.ffn_down_exps.weight"][expert, row], down[expert, :, row])
        for theirs, ours in (("token_embd", "model.embed_tokens"), ("output", "lm_head"), ("output_norm", "model.norm"),
                             ("blk.1.attn_q", path + "self_attn.q_proj"), ("blk.1.attn_output", path + "self_attn.o_proj"),
                             ("blk.1.ffn_gate_inp", path + "feed_forward.router"),
                             ("blk.1.ffn_up_shexp", path + "feed_forward.shared_expert.up_proj")):
            np.testing.assert_array_equal(found[theirs + ".weight"], weights(ours + ".weight"), theirs)
        kinds = {name: str(found[f"kind of {name}.weight"]) for name in ("blk.1.ffn_gate_inp", "blk.1.attn_norm", "blk.1.attn_k")}
        self.assertEqual(kinds, {"blk.1.ffn_gate_inp": "F32", "blk.1.attn_norm": "F32", "blk.1.attn_k": "BF16"})
        self.assertEqual((str(found["architecture"]), str(found["tokenizer"])), ("llama4", "none"))
        self.assertEqual([int(found[key]) for key in ("expert_count", "expert_used_count", "expert_feed_forward_length",
                                                      "attention.head_count_kv", "vocab_size")], [4, 1, 48, 2, 96])

    def test_what_llama_cpp_computes_otherwise_is_refused(self):
        done = self.convert(self.make("chunked", "--attention-chunk-size", "16"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("attention_chunk_size is 16, llama.cpp computes with 8192", done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=pathlib.Path, required=True)
    parser.add_argument("--random", type=pathlib.Path, required=True)
    OPTIONS = parser.parse_args()
    unittest.main(argv=sys.argv[:1], verbosity=2)
