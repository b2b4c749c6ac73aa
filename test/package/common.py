# SPDX-License-Identifier: Apache-2.0
"""What the tests of packages share."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "The capital of France is"


def run(*command, code=0, **options):
    """Runs a command, whose exit code is expected to be `code`, and returns what it wrote to standard output."""
    command = [str(part) for part in command]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != code:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(condition, sentence):
    if not condition:
        sys.exit(f"not so: {sentence}")


def readme_block(language):
    """The one block of code in README.md that is marked with `language`."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
    expect(len(blocks) == 1, f"README.md has one block of {language}, but there are {len(blocks)}")
    return blocks[0]


def expected_text(runner, plan):
    """What yupana-run makes of PROMPT with the best 32 tokens."""
    text = run(runner, plan, "--prompt", PROMPT, "--max-new-tokens", 32, "--temperature", 0)
    expect("Paris" in text, f"the bundled model names Paris, but wrote {text!r}")
    return text


def clean_environment(**more):
    """The environment without what could make a build find things outside an installation."""
    kept = {name: value for name, value in os.environ.items() if not re.match(r"(LD_|PKG_|CMAKE_|PYTHON|C(PLUS)?_?INC)", name)}
    return {**kept, **more}
