"""The messages for everyday mistakes tell what was wrong, where, and what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OWN = Path(__file__).with_name("mistakes.py")
MISTAKES = Path(__file__).parents[3] / "shared" / "acceptance" / "mistakes.py"


@pytest.mark.slow
@pytest.mark.skipif(not MISTAKES.exists(), reason="../shared/acceptance/mistakes.py is not here")
def test_every_message_says_all_of_it():
    assert_all_said(MISTAKES)


@pytest.mark.slow
def test_every_message_of_layers_says_all_of_it():
    assert_all_said(OWN)


def assert_all_said(program: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "flambeau", "run", str(program)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "100 %" in run.stdout
