"""`nn.init` beside PyTorch's: the same numbers for the same seed, warnings and refusals."""

from __future__ import annotations

import pytest
from side_by_side import assert_same

CALLS = [
    "uniform_(empty(3, 5))",
    "uniform_(empty(3, 5), -2, 3, generator=generator())",
    "normal_(empty(40), 1.0, 2.0)",
    "normal_(empty(3, 5), generator=generator())",
    "trunc_normal_(empty(3, 50))",
    "trunc_normal_(empty(3, 50), 1.0, 0.5, 0.8, 1.3, generator=generator())",
    "trunc_normal_(empty(3), mean=10)",
    "trunc_normal_(empty(3, 50), std=0.02)",
    "trunc_normal_(empty(3, 50), 0, 2, -0.1, 0.1)",
    "trunc_normal_(empty(20, dtype=torch.bfloat16), 0, 1, -0.7, 0.7)",
    "trunc_normal_(empty(20, dtype=torch.float64), 3, 1, -0.7, 0.7)",
    "trunc_normal_(empty(3), std=0)",
    "trunc_normal_(empty(3), a=2, b=-2)",
    "constant_(empty(2, 3), 0.3)",
    "ones_(empty(2, 3))",
    "zeros_(torch.ones(2, 3))",
    "eye_(torch.ones(3, 5))",
    "eye_(empty(3))",
    "dirac_(torch.ones(3, 4, 5))",
    "dirac_(torch.ones(4, 2, 3, 3), 2)",
    "dirac_(torch.ones(2, 2, 2, 3, 3))",
    "dirac_(empty(3))",
    "dirac_(empty(3, 3, 3), 2)",
    "xavier_uniform_(empty(6, 4, 3))",
    "xavier_uniform_(empty(6, 4), gain=2.0, generator=generator())",
    "xavier_normal_(empty(6, 4))",
    "xavier_normal_(empty(3))",
    "kaiming_uniform_(empty(6, 4, 3), a=0.2)",
    "kaiming_uniform_(empty(6, 4), mode='fan_out', nonlinearity='relu')",
    "kaiming_uniform_(empty(3, 0))",
    "kaiming_uniform_(empty(3, 3), mode='x')",
    "kaiming_uniform_(empty(3))",
    "kaiming_normal_(empty(6, 4), nonlinearity='tanh', generator=generator())",
    "kaiming_normal_(empty(6, 4), nonlinearity='y')",
    "kaiming_normal_(empty(0, 3))",
    "orthogonal_(empty(4, 3))",
    "orthogonal_(empty(3, 4, 2), gain=2.0)",
    "orthogonal_(empty(3))",
    "orthogonal_(empty(3, 0))",
    "sparse_(empty(7, 3), 0.3)",
    "sparse_(empty(3), 0.1)",
    "uniform(empty(3))",
    "xavier_uniform(empty(3))",
    "calculate_gain('foo')",
    "calculate_gain('leaky_relu', 'a')",
    "calculate_gain('leaky_relu', True)",
    "calculate_gain('leaky_relu', 2)",
    "calculate_gain('leaky_relu')",
    "[calculate_gain(name) for name in ('linear', 'conv2d', 'sigmoid', 'tanh', 'relu', 'selu')]",
]


@pytest.mark.parametrize("call", CALLS)
def test_as_in_pytorch(call):
    def scenario(torch, log):
        names = {**vars(torch.nn.init), "torch": torch, "empty": torch.empty}
        names["generator"] = lambda: torch.Generator().manual_seed(7)
        log.result(lambda: eval(call, names))
        log(torch.rand(2))

    assert_same(scenario, tolerance=1e-6)


def test_parameters_are_filled_without_recording():
    def scenario(torch, log):
        parameter = torch.nn.Parameter(torch.zeros(3, 2))
        log(torch.nn.init.uniform_(parameter) is parameter, parameter.grad_fn, parameter)

    assert_same(scenario)
