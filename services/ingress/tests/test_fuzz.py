"""A short round of the fuzzer, the same bodies each time. `make fuzz` goes on for as long as one likes."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz.py"
RUNS = 300


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="there is no atheris for this machine")
def test_no_body_that_the_fuzzer_makes_of_the_fixtures_is_answered_otherwise_than_told_or_loses_another(tmp_path):
    arguments = ["--runs", str(RUNS), "--seconds", "60", "--seed", "7", "--crashes", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(FUZZ), *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=150,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(re.search(r"Done (\d+) runs", done.stderr)[1]) >= RUNS
    covered = [int(each) for each in re.findall(r"cov: (\d+)", done.stderr)]
    assert covered[-1] > 200, "branches of ours are told apart, so the fuzzer is led by them"
