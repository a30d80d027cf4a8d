"""The written-out usual case: what it covers, and that it records what the general one does."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau._core import arguments

USUAL = {
    "a number that differs from its default": lambda x, y: F.leaky_relu(x, 0.2),
    "one that equals it": lambda x, y: F.leaky_relu(x, float("0.01")),
    "two of them": lambda x, y: F.hardtanh(x, -0.5, 0.25),
    "one of two": lambda x, y: F.softplus(x, 2.0),
    "by keyword": lambda x, y: flambeau.add(x, y, alpha=0.5),
    "three of them": lambda x, y: F.selu(x) + F.elu(x, 0.5),
    "one dimension": lambda x, y: x.sum(1, keepdim=True) + x.mean(0),
    "a list of dimensions": lambda x, y: x.sum([0, -1]),
    "another dtype": lambda x, y: x.to(flambeau.float64).sum(),
    "a list of tensors": lambda x, y: flambeau.cat([x, x]).sum() + flambeau.stack((y, y)).sum() + x.sum(),
    "nested static arguments": lambda x, y: F.conv1d(x[None], x[:, :3, None], padding=1),
    "nothing for a static argument": lambda x, y: F.softmax(x, 1),
    "several results": lambda x, y: F.layer_norm(x, (4,), y, y),
    "several results of one tensor": lambda x, y: x.max(1)[0],
}


@pytest.mark.parametrize("name", USUAL)
def test_is_usual(name, monkeypatch):
    """The second time nothing asks the general case, whose results and gradients the usual one has."""

    def run():
        x = flambeau.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
        y = flambeau.linspace(0.5, 1, 4)
        found = USUAL[name](x, y)
        monkeypatch.undo()
        found.square().sum().backward()
        return found.detach().numpy(), x.grad.numpy()

    first = run()
    real = arguments.run_call

    def refuse(call, *rest):
        assert call.op.view or call.name in ("linspace", "full"), f"{call.name} took the general case"
        return real(call, *rest)

    monkeypatch.setattr(arguments, "run_call", refuse)
    again = run()
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one, other)


def test_dimensions_that_are_no_ints_are_told_of():
    x = flambeau.ones(2, 3)
    x.sum(1), x.sum([0, 1])
    with pytest.raises(TypeError, match=r"sum\(\)"):
        x.sum(1.5)
    with pytest.raises(TypeError, match=r"sum\(\)"):
        x.sum([0, 1.5])


def test_a_list_of_other_things_is_told_of():
    x = flambeau.ones(2)
    flambeau.cat([x, x])
    flambeau.cat([x, x])
    with pytest.raises(TypeError, match="expected Tensor as element 1 in argument 0, but got int"):
        flambeau.cat([x, 1])
    with pytest.raises(ValueError, match="expected a non-empty list of Tensors"):
        flambeau.cat([])


def test_numbers_equal_to_a_default_share_its_call_only_with_its_type():
    x = flambeau.tensor([2])
    assert flambeau.add(x, x, alpha=1).dtype is flambeau.int64
    with pytest.raises(RuntimeError, match="alpha must not be a floating point number"):
        flambeau.add(x, x, alpha=1.0)
    with pytest.raises(RuntimeError, match="Boolean alpha only supported for Boolean results"):
        flambeau.add(x, x, alpha=True)


def test_several_results_know_inference_mode():
    x = flambeau.ones(2, 3)
    for _ in range(2):
        with flambeau.inference_mode():
            values, indices = x.max(1)
        assert values.is_inference()
        assert indices.is_inference()


def test_several_results_know_which_of_them_have_gradients():
    x = flambeau.ones(2, 3, requires_grad=True)
    for _ in range(2):
        values, indices = x.max(1)
        assert values.requires_grad
        assert not indices.requires_grad
        assert values.grad_fn.name() == "MaxBackward0"
