# SPDX-License-Identifier: Apache-2.0
"""Compiles the bundled checkpoint for the tests of this folder: plan.py COMPILER CHECKPOINT PLAN."""

import subprocess
import sys

compiler, checkpoint, plan = sys.argv[1:]
# One target that every machine of the tests runs, and few programs, since what is tested is not the plan.
sys.exit(subprocess.run([compiler, "compile", checkpoint, "-o", plan, "--target", "x86-64-v3",
                         "--max-step-tokens", "16"]).returncode)
