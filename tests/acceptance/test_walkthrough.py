"""The acceptance programs of the shared folder, where it lies beside the repository."""

import subprocess
import sys
from pathlib import Path

import pytest

ACCEPTANCE = Path(__file__).resolve().parents[3] / "shared" / "acceptance"
WALKTHROUGH = ACCEPTANCE / "walkthrough.py"


@pytest.mark.slow
@pytest.mark.skipif(not WALKTHROUGH.exists(), reason="../shared/acceptance is not beside this repository")
def test_walkthrough_runs_to_its_end():
    command = [sys.executable, "-m", "flambeau", "run", str(WALKTHROUGH)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
