import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.slow
def test_lenet_learns_digits_and_survives_saving(tmp_path):
    out = tmp_path / "lenet.pt"
    command = [sys.executable, EXAMPLES / "lenet_mnist.py", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert out.exists()
    assert "predictions are equal" in done.stdout
    assert float(re.search(r"held back: ([\d.]+)%", done.stdout)[1]) >= 97
