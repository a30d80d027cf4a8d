"""Third-party packages run unchanged, as the programs beside this repository check them; here two quick ones."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ZOO = Path(__file__).parents[2] / "shared" / "zoo"
PACKAGES = ("timm", "torchvision", "vit_pytorch", "einops")
ABSENT = [name for name in PACKAGES if find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ZOO / "run.py").exists(), reason="../shared/zoo is not here"),
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}"),
]


@pytest.mark.parametrize("case", ["vit_pytorch_models.simple_vit", "timm_models.vit_tiny"])
def test_package_runs_unchanged(case, tmp_path):
    command = [
        sys.executable,
        ZOO / "run.py",
        "--impl",
        "flambeau",
        "--only",
        case,
        "--out",
        tmp_path / "result",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    (result,) = map(json.loads, (tmp_path / "result").read_text().splitlines())
    assert result["status"] == "pass", done.stdout + done.stderr


def test_import_of_a_package_that_brings_operators():
    code = "import flambeau; flambeau.install_as_torch(); import torchvision; print(torchvision.models.resnet18().fc)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "Linear(in_features=512, out_features=1000, bias=True)\n", done.stderr
