# SPDX-License-Identifier: Apache-2.0
"""The Python wheel installs without a compiler and does what yupana-run does: text, streams, conversations, logits,
tokens and errors. The Python program of README.md is true.

    wheel_test.py BUILD PLAN WORK [--fresh]

With --fresh the wheel goes into a virtual environment of its own with numpy from PyPI, else into a folder beside the
numpy of this Python.
"""

import hashlib
import pathlib
import shutil
import subprocess
import sys

from common import PROMPT, ROOT, clean_environment, expect, expected_text, readme_block, run


def make_wheel(build, work):
    """Two wheels of the same library are the same bytes, and what the record says is so."""
    library = work / "libyupana.so"
    run("strip", "-o", library, build / "lib/libyupana.so")
    wheels = [pathlib.Path(run(sys.executable, "-B", ROOT / "tools/package/wheel.py", library, work / name).strip())
              for name in ("dist", "again")]
    digests = {hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}
    expect(len(digests) == 1, "equal input gives equal wheels")
    return wheels[0]


def install(wheel, work, fresh):
    """A Python that has the wheel: its command and its environment."""
    environment = work / "environment"
    if fresh:
        run("/usr/bin/python3", "-m", "venv", environment)
        python = environment / "bin/python3"
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
        return python, clean_environment()
    if subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        shutil.unpack_archive(wheel, environment, "zip")
    else:
        run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore",
            "--no-deps", "--no-index", "--target", environment, wheel)
    return sys.executable, clean_environment(PYTHONPATH=str(environment))


def main():
    build, plan, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    python, environment = install(make_wheel(build, work), work, "--fresh" in sys.argv)
    runner = build / "bin/yupana-run"
    expected = expected_text(runner, plan)
    logits = work / "logits.npy"
    run(runner, plan, "--prompt", PROMPT, "--logits", logits)
    drawn = run(runner, plan, "--prompt", PROMPT, "--max-new-tokens", 12, "--temperature", 1.5, "--seed", 7)
    answer = run(runner, plan, "--user", "What is the capital of France?", "--temperature", 0)
    print(run(python, "-B", ROOT / "test/package/wheel_checks.py", plan, PROMPT, expected, logits, drawn, answer,
              env=environment, cwd=work), end="")
    (work / "readme.py").write_text(readme_block("python"))
    shutil.copy(plan, work / "model.yplan")
    said = run(python, "-B", work / "readme.py", env=environment, cwd=work)
    expect("Paris" in said, f"the program of README.md names Paris, but wrote {said!r}")


if __name__ == "__main__":
    main()
