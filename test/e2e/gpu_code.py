# SPDX-License-Identifier: Apache-2.0
"""Every kernel of the released models compiles for every GPU target: ptxas neither spills nor warns of lost performance,
which would be an error. Code depends on the configuration alone, so that no weights are needed.

usage: gpu_code.py YUPANA RANDOM-CHECKPOINT
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

YUPANA, PRESETS = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
TARGETS = ["sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a"]
SKIPPED = 77


def presets():
    loader = importlib.machinery.SourceFileLoader("random_checkpoint", str(PRESETS))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return {name: {**module.COMMON, **module.PRESETS[name]} for name in ("scout", "maverick")}


def has_ptxas():
    home = os.environ.get("CUDA_HOME")
    return bool(home and os.access(os.path.join(home, "bin", "ptxas"), os.X_OK)) or bool(shutil.which("ptxas"))


def check(folder, name, dimensions):
    # Four layers have all kernels that the released number of layers has.
    text = {**dimensions, "model_type": "llama4_text", "num_hidden_layers": 4, "bos_token_id": 200000,
            "eos_token_id": [200001]}
    model, plan = folder / name, folder / (name + ".yplan")
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"architectures": ["Llama4ForCausalLM"], "torch_dtype": "bfloat16",
                                                   **text}))
    done = subprocess.run([YUPANA, "compile", model, "-o", plan, "--strip-weights", "--target", ",".join(TARGETS)],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: compile ended with {done.returncode}: {done.stderr}")
    report = json.loads(subprocess.run([YUPANA, "inspect", plan, "--json"], capture_output=True, text=True,
                                       check=True).stdout)
    assert [target["name"] for target in report["targets"]] == TARGETS, report["targets"]
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
        for name, dimensions in presets().items():
            check(pathlib.Path(folder), name, dimensions)


if __name__ == "__main__":
    main()
