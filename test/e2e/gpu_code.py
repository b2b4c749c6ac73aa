# SPDX-License-Identifier: Apache-2.0
"""Every kernel of the released models compiles for every GPU target: ptxas neither spills nor warns of lost performance,
which would be an error. So do small models, whose loops are short and whose tiles are partly empty: a few of them for
sm_90a, and with --all every bundled one for every target. Code depends on the configuration alone, so that no
weights are needed.

usage: gpu_code.py YUPANA RANDOM-CHECKPOINT MODELS [--all]
"""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

YUPANA, PRESETS, MODELS = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
TARGETS = ["sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a"]
# Hidden size, width of experts and of dense layers, key heads, query heads for each, their width, experts, experts of a
# token, vocabulary.
SHAPES = [(512, 64, 1000, 4, 1, 64, 16, 2, 32000), (640, 96, 256, 4, 2, 128, 16, 1, 1536),
          (512, 512, 256, 1, 2, 32, 128, 2, 1536)]
SKIPPED = 77


def presets():
    loader = importlib.machinery.SourceFileLoader("random_checkpoint", str(PRESETS))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return {name: {**module.COMMON, **module.PRESETS[name]} for name in ("scout", "maverick", "mini")}


def small(mini):
    """Dimensions of three models by name, as presets are."""
    for hidden, width, dense, heads, group, head_dim, experts, chosen, vocabulary in SHAPES:
        yield f"hidden{hidden}x{width}", {
            **mini, "vocab_size": vocabulary, "hidden_size": hidden, "intermediate_size": width,
            "intermediate_size_mlp": dense, "num_attention_heads": heads * group, "num_key_value_heads": heads,
            "head_dim": head_dim, "num_local_experts": experts, "num_experts_per_tok": chosen}


def has_ptxas():
    home = os.environ.get("CUDA_HOME")
    return bool(home and os.access(os.path.join(home, "bin", "ptxas"), os.X_OK)) or bool(shutil.which("ptxas"))


def check_dimensions(folder, name, dimensions, targets):
    # Four layers have all kernels that the released number of layers has.
    text = {**dimensions, "model_type": "llama4_text", "num_hidden_layers": 4,
            "bos_token_id": dimensions["vocab_size"] - 2, "eos_token_id": [dimensions["vocab_size"] - 1]}
    model = folder / name
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"architectures": ["Llama4ForCausalLM"], "torch_dtype": "bfloat16",
                                                   **text}))
    check(folder, name, model, targets)


def check(folder, name, model, targets):
    plan = folder / (name + ".yplan")
    done = subprocess.run([YUPANA, "compile", model, "-o", plan, "--strip-weights", "--precision", "bf16", "--target",
                           ",".join(targets)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: compile ended with {done.returncode}: {done.stderr}")
    report = json.loads(subprocess.run([YUPANA, "inspect", plan, "--json"], capture_output=True, text=True,
                                       check=True).stdout)
    assert [target["name"] for target in report["targets"]] == targets, report["targets"]
    for target in report["targets"]:
        images = [image for kernel in target["kernels"] for image in kernel["images"]]
        assert len(images) == len(target["kernels"]) > 8, (name, target["name"], len(images))
        for image in images:
            assert image["format"] == "cubin" and image["registers"] > 0 and image["spill_bytes"] == 0, image
    text = subprocess.run([YUPANA, "inspect", plan], capture_output=True, text=True, check=True).stdout
    assert " registers, " in text and " bytes shared" in text, text


def main():
    if not has_ptxas():
        print("skipped: there is no ptxas")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in ("scout", "maverick"):
            check_dimensions(folder, name, presets()[name], TARGETS)
        for name, dimensions in small(presets()["mini"]):
            check_dimensions(folder, name, dimensions, ["sm_90a"])
        everything = sys.argv[4:] == ["--all"]
        for model in [MODELS / "nano", *sorted(MODELS.glob("parity/*"))]:
            if everything or model.name in ("nano", "wide-heads"):
                check(folder, model.name, model, TARGETS if everything else ["sm_90a"])


if __name__ == "__main__":
    main()
