"""What type checkers and editors learn. `make check` has mypy read this file, and the tests run it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import flambeau
import flambeau.nn.functional as F
from flambeau import Tensor, distributions, nn

ROOT = Path(__file__).parent.parent


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor, twice: bool = False) -> tuple[Tensor, int]:
        return assert_type(self.layer(x), Tensor) * (2 if twice else 1), 1


def test_a_call_takes_and_returns_what_forward_does() -> None:
    model = Net()
    y, count = assert_type(model(flambeau.ones(4, 3), twice=True), tuple[Tensor, int])
    assert (tuple(y.shape), count) == ((4, 2), 1)
    function: Callable[[Tensor], Any] = model
    assert function(flambeau.ones(3))[0].shape == (2,)


def test_methods_and_functions_have_results() -> None:
    x = assert_type(flambeau.arange(6.0).reshape(2, 3), Tensor)
    assert assert_type(x.sum(1) * 2, Tensor).tolist() == [6.0, 24.0]
    assert assert_type(F.relu(-x), Tensor).sum().item() == 0
    assert assert_type(x.max(), Tensor).item() == 5
    values, indices = x.max(1)
    assert assert_type(values, Tensor).tolist() == [2.0, 5.0]
    assert assert_type(x.max(1).indices, Tensor).tolist() == indices.tolist()
    weight = assert_type(nn.Parameter(x).requires_grad_(False), nn.Parameter)
    assert not weight.requires_grad


def test_stubs_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "stubs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_distributions_make_tensors() -> None:
    normal = distributions.Normal(0.0, flambeau.ones(2))
    assert assert_type(normal.rsample((3,)), Tensor).shape == (3, 2)
    assert assert_type(normal.log_prob(normal.mean).sum(), Tensor).item() < 0
    assert assert_type(distributions.kl_divergence(normal, normal), Tensor).tolist() == [0.0, 0.0]
    assert assert_type(distributions.Bernoulli(logits=flambeau.zeros(2)).probs, Tensor).tolist() == [0.5, 0.5]
