"""Dropout beside PyTorch's from the same seed: values, gradients, masks' order in memory, errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.trace import engine

Program = Callable[[Any], Any]


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


def numbers(t: Any, *shape: int, dtype: str = "float32", requires_grad: bool = False) -> Any:
    values = np.linspace(-3, 3, int(np.prod(shape))).reshape(shape)
    return t.tensor(values.tolist(), dtype=getattr(t, dtype)).requires_grad_(requires_grad)


def plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor | flambeau.Tensor):
        array = value.detach().double() if str(value.dtype) == "torch.bfloat16" else value.detach()
        return str(value.dtype), value.stride(), array.numpy().tolist()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def both(program: Program) -> list[Any]:
    """What the program gives in each library, and where it leaves the stream."""
    results = []
    for t in (torch, flambeau):
        t.manual_seed(11)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.append([plain(program(t)), t.rand(1).item()])
    return results


def check(program: Program) -> None:
    expected, found = both(program)
    np.testing.assert_equal(found, expected)


def with_gradient(function: Callable[[Any, Any], Any], *shape: int, dtype: str = "float32") -> Program:
    """The result of a function of (library, input), its node, and the input's gradient."""

    def program(t: Any) -> Any:
        input = numbers(t, *shape, dtype=dtype, requires_grad=True)
        result = function(t, input)
        outputs = result if isinstance(result, tuple) else (result,)
        cotangent = numbers(t, *outputs[0].shape, dtype=dtype) + 1
        outputs[0].backward(cotangent)
        return (
            [each.detach() for each in outputs],
            outputs[0].grad_fn and outputs[0].grad_fn.name(),
            input.grad,
        )

    return program


FUNCTIONS: dict[str, Callable[[Any, Any, float], Any]] = {
    "F.dropout": lambda t, x, p: t.nn.functional.dropout(x, p),
    "dropout": lambda t, x, p: t.dropout(x, p, True),
    "native_dropout": lambda t, x, p: t.native_dropout(x, p, True),
    "F.alpha_dropout": lambda t, x, p: t.nn.functional.alpha_dropout(x, p, True),
    "feature_dropout": lambda t, x, p: t.feature_dropout(x, p, True),
    "F.feature_alpha_dropout": lambda t, x, p: t.nn.functional.feature_alpha_dropout(x, p, True),
    "F.dropout1d": lambda t, x, p: t.nn.functional.dropout1d(x, p),
    "F.dropout2d": lambda t, x, p: t.nn.functional.dropout2d(x, p),
    "F.dropout3d": lambda t, x, p: t.nn.functional.dropout3d(x, p),
}


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name: str, p: float) -> None:
    engine.tier = 0
    try:
        check(with_gradient(lambda t, x: FUNCTIONS[name](t, x * 1, p), 4, 3, 5))
    finally:
        engine.tier = None


@pytest.mark.parametrize("name", ["F.dropout", "native_dropout", "F.alpha_dropout", "feature_dropout"])
def test_compiled_values_and_gradients(name: str) -> None:
    engine.tier = 2
    try:
        expected, found = both(with_gradient(lambda t, x: FUNCTIONS[name](t, x, 0.3), 4, 3, 5))
    finally:
        engine.tier = None
    assert found[1] == expected[1]
    for one, other in zip(found[0][0] + [found[0][2]], expected[0][0] + [expected[0][2]], strict=True):
        np.testing.assert_allclose(one[2], other[2], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("p", [0.3, 0.7])
def test_other_dtypes_round_as_pytorch_does(dtype: str, p: float) -> None:
    for name in ("F.dropout", "native_dropout", "F.alpha_dropout"):
        check(with_gradient(lambda t, x: FUNCTIONS[name](t, x, p), 60, dtype=dtype))  # noqa: B023


def test_scales_are_pytorchs_to_the_bit() -> None:
    for k in range(1, 100):
        check(lambda t: t.nn.functional.dropout(t.ones(3), k / 100))  # noqa: B023


LAYOUTS: dict[str, Program] = {
    "transposed": lambda t: numbers(t, 4, 5).t(),
    "channels last": lambda t: numbers(t, 2, 3, 4, 5).contiguous(memory_format=t.channels_last),
    "every second": lambda t: numbers(t, 20)[::2],
    "expanded": lambda t: numbers(t, 4).expand(3, 4),
    "0-d": lambda t: t.tensor(2.0),
    "empty": lambda t: t.ones(0, 3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_are_drawn_in_the_order_of_memory(layout: str) -> None:
    for name in ("F.dropout", "native_dropout", "F.alpha_dropout"):
        check(lambda t: FUNCTIONS[name](t, LAYOUTS[layout](t), 0.4))  # noqa: B023
    if layout in ("transposed", "channels last"):
        check(lambda t: t.feature_dropout(LAYOUTS[layout](t), 0.4, True))


def test_in_place() -> None:
    names = ["dropout_", "alpha_dropout_", "feature_dropout_", "feature_alpha_dropout_"]

    def program(t: Any) -> Any:
        results = []
        for name in names:
            leaf = numbers(t, 3, 4, requires_grad=True)
            computed = leaf * 1
            assert getattr(t, name)(computed, 0.4, True) is computed
            computed.sum().backward()
            results += [computed.grad_fn.name(), computed, leaf.grad]
        return results

    check(program)


def test_functional_in_place() -> None:
    def program(t: Any) -> Any:
        F, results = t.nn.functional, []
        for function in (
            F.dropout,
            F.alpha_dropout,
            F.feature_alpha_dropout,
            F.dropout1d,
            F.dropout2d,
            F.dropout3d,
        ):
            tensor = numbers(t, 3, 4, 2)
            results.append(function(tensor, 0.4, True, inplace=True) is tensor)
            results.append(tensor)
        single = numbers(t, 3, 4)
        results += [F.dropout1d(single, 0.4, inplace=True) is single, single]
        return results

    check(program)


def test_nothing_to_drop_gives_the_input_itself() -> None:
    leaf = flambeau.ones(3, requires_grad=True)
    F = flambeau.nn.functional
    assert F.dropout(leaf, 0.0) is leaf
    assert F.dropout(leaf, 0.5, training=False) is leaf
    assert F.alpha_dropout(leaf) is leaf
    assert flambeau.dropout(leaf, 0.5, False) is leaf
    assert flambeau.dropout_(leaf, 0.0, True) is leaf  # although it is a leaf that requires grad
    state = flambeau.get_rng_state().tolist()
    F.dropout(leaf, 1.0)
    assert flambeau.get_rng_state().tolist() == state


def test_infinities_become_nan_where_they_are_dropped() -> None:
    check(lambda t: t.nn.functional.dropout(t.full((6,), float("inf"))))
    check(lambda t: t.nn.functional.dropout(t.full((6,), -float("inf")), 1.0))


def test_a_leaf_that_requires_grad_is_not_overwritten() -> None:
    leaf = flambeau.ones(3, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"
    ):
        flambeau.nn.functional.dropout(leaf, inplace=True)


def test_the_gradient_can_be_differentiated() -> None:
    def program(t: Any) -> Any:
        x = numbers(t, 6, requires_grad=True)
        (first,) = t.autograd.grad((t.nn.functional.dropout(x, 0.3) ** 3).sum(), x, create_graph=True)
        (second,) = t.autograd.grad(first.sum(), x)
        return second

    expected, found = both(program)
    np.testing.assert_allclose(found[0][2], expected[0][2], rtol=1e-5)


def test_only_the_mask_is_saved() -> None:
    leaf = flambeau.ones(6, requires_grad=True)
    computed = leaf * 1
    dropped = flambeau.nn.functional.dropout(computed)
    computed.zero_()
    dropped.sum().backward()
    assert set(leaf.grad.tolist()) <= {0.0, 2.0}


def test_native_dropout_out_of_training() -> None:
    check(lambda t: t.native_dropout(numbers(t, 5), 0.5, False))
    check(lambda t: t.native_dropout(numbers(t, 5), 0.5, None))
    check(lambda t: t.native_dropout(numbers(t, 5), 0.0, True))


def test_gumbel_softmax(tier: int) -> None:
    for options in ({}, {"hard": True}, {"tau": 0.3, "dim": 0}, {"dim": 1, "hard": True}):
        program = with_gradient(lambda t, x: t.nn.functional.gumbel_softmax(x, **options), 3, 4)  # noqa: B023
        expected, found = both(program)
        assert found[1] == expected[1]
        assert found[0][1] == expected[0][1]
        np.testing.assert_allclose(found[0][0][0][2], expected[0][0][0][2], rtol=1e-5)
        np.testing.assert_allclose(found[0][2][2], expected[0][2][2], rtol=1e-4, atol=1e-6)


WARNED: list[Program] = [
    lambda t: t.nn.functional.dropout2d(t.ones(2, 3)),
    lambda t: t.nn.functional.dropout2d(t.ones(2, 3, 4)),
    lambda t: t.nn.functional.dropout3d(t.ones(2, 3)),
    lambda t: t.nn.functional.gumbel_softmax(t.ones(2, 3), eps=1e-9),
]


@pytest.mark.parametrize("program", WARNED)
def test_warnings(program: Program) -> None:
    texts = []
    for t in (torch, flambeau):
        with pytest.warns(UserWarning, match="deprecated|Received") as found:
            program(t)
        texts.append([str(each.message) for each in found])
    assert texts[1] == texts[0]


REFUSED: list[Program] = [
    lambda t: t.nn.functional.dropout(t.ones(3), -1),
    lambda t: t.nn.functional.dropout(t.ones(3), 1.5),
    lambda t: t.nn.functional.alpha_dropout(t.ones(3), 2.0),
    lambda t: t.nn.functional.feature_alpha_dropout(t.ones(3), 2.0),
    lambda t: t.nn.functional.dropout1d(t.ones(3), -0.1),
    lambda t: t.nn.functional.dropout1d(t.ones(3)),
    lambda t: t.nn.functional.dropout1d(t.ones(1, 2, 3, 4)),
    lambda t: t.nn.functional.dropout2d(t.ones(2, 3, 1, 1), 7),
    lambda t: t.nn.functional.dropout3d(t.ones(2, 3, 1, 1), 7),
    lambda t: t.nn.functional.dropout(3),
    lambda t: t.nn.functional.dropout(t.ones(3, dtype=t.int64)),
    lambda t: t.nn.functional.dropout(t.ones(3, dtype=t.bool)),
    lambda t: t.nn.functional.dropout(t.ones(3, dtype=t.complex64)),
    lambda t: t.nn.functional.feature_alpha_dropout(t.ones(3), 0.5, True),
    lambda t: t.feature_dropout(t.ones(3), 0.5, True),
    lambda t: t.dropout(t.ones(3), 2.0, True),
    lambda t: t.dropout(t.ones(3), -1.0, False),
    lambda t: t.alpha_dropout(t.ones(3), 2.0, True),
    lambda t: t.native_dropout(t.ones(3), 2.0, True),
    lambda t: t.native_dropout(t.ones(3, dtype=t.int64), 0.5, True),
    lambda t: t.nn.functional.gumbel_softmax(t.ones(3, dtype=t.int64)),
]


@pytest.mark.parametrize("program", REFUSED)
def test_what_is_refused_is_refused_in_the_same_words(program: Program) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011  (type and text are what is compared)
        program(torch)
    with pytest.raises(error.type) as found:
        program(flambeau)
    assert str(found.value).startswith(str(error.value))
