"""Pointwise operations beside PyTorch's: values, dtypes, gradients at edge points, in place, errors, in tiers
0 and 2.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.trace import engine

INF, NAN = math.inf, math.nan
EDGES = [-INF, -3.0, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, 3.0, 6.0, 20.5, INF, NAN]
FINITE = [-3.0, -1.5, -1.0, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 6.0]
UNIT = [-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]
POSITIVE = [0.0, 0.25, 0.5, 1.0, 2.0, 7.5]


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


def lookup(library: Any, path: str) -> Callable[..., Any]:
    if path.startswith("nn.functional.") and library is flambeau:
        from flambeau._core.declare import registry

        return registry[path]  # type: ignore[no-any-return]
    for part in path.split("."):
        library = getattr(library, part)
    return library  # type: ignore[no-any-return]


def outcome(
    library: Any, path: str, arrays: list[np.ndarray[Any, Any]], *rest: Any, **options: Any
) -> list[np.ndarray[Any, Any]]:
    """The result of a function and the gradients of its floating inputs, under fixed cotangents."""
    inputs = [library.tensor(array.tolist(), dtype=getattr(library, array.dtype.name)) for array in arrays]
    for each in inputs:
        if each.is_floating_point() or each.is_complex():
            each.requires_grad_()
    result = lookup(library, path)(*inputs, *rest, **options)
    found = [result.detach().numpy()]
    if result.requires_grad:
        weights = np.linspace(1, 2, result.numel()).reshape(tuple(result.shape)).astype(found[0].dtype)
        result.backward(library.tensor(weights.tolist(), dtype=result.dtype))
        found += [each.grad.numpy(force=True) for each in inputs if each.grad is not None]
    return found


def assert_same(path: str, arrays: list[np.ndarray[Any, Any]], *rest: Any, **options: Any) -> None:
    expected = outcome(torch, path, arrays, *rest, **options)
    found = outcome(flambeau, path, arrays, *rest, **options)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


UNARY = {
    group: (values, names.split())
    for group, values, names in [
        (
            "edges",
            EDGES,
            "neg abs sign sgn square exp2 sigmoid tanh atan erf erfc floor ceil trunc round nan_to_num",
        ),
        (
            "edges of activations",
            EDGES,
            " ".join(
                "nn.functional." + name
                for name in [
                    "relu",
                    "relu6",
                    "leaky_relu",
                    "elu",
                    "selu",
                    "celu",
                    "hardtanh",
                    "hardsigmoid",
                    "softshrink",
                    "hardshrink",
                    "softplus",
                    "logsigmoid",
                ]
            ),
        ),
        (
            "finite",
            FINITE,
            "sin cos tan sinh cosh asinh exp expm1 sinc deg2rad rad2deg frac special.entr special.ndtr",
        ),
        (
            "finite activations",
            FINITE,
            " ".join(
                "nn.functional." + name
                for name in ["gelu", "silu", "mish", "softsign", "tanhshrink", "hardswish"]
            ),
        ),
        ("unit", UNIT, "asin acos atanh logit"),
        ("positive", POSITIVE, "sqrt rsqrt log log2 log10 log1p reciprocal acosh"),
    ]
}


@pytest.mark.parametrize("group", UNARY)
def test_unary_functions_agree_at_edge_points(group: str, tier: int) -> None:
    values, names = UNARY[group]
    # XLA compiles each structure: a representative part of the table is enough there.
    for name in names if tier == 0 else names[::4]:
        assert_same(name, [np.array(values, np.float32)])


BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "hypot",
    "copysign",
    "pow",
    "remainder",
    "fmod",
    "logaddexp",
    "logaddexp2",
    "xlogy",
    "special.xlog1py",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_xor",
]


@pytest.mark.parametrize("name", BINARY)
def test_binary_functions_agree(name: str) -> None:
    engine.tier = 0
    try:
        left = np.array([[0.0], [1.0], [-2.0], [2.5]], np.float32)
        right = np.array([-1.5, 1.0, 2.0, 2.5], np.float32)
        assert_same(name, [left, right])
    finally:
        engine.tier = None


@pytest.mark.parametrize(
    "name",
    [
        "add",
        "sub",
        "mul",
        "floor_divide",
        "remainder",
        "fmod",
        "pow",
        "maximum",
        "eq",
        "bitwise_and",
        "gcd",
        "lcm",
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int32])
def test_integers_agree(name: str, dtype: Any) -> None:
    left, right = np.array([[7], [3], [12]], dtype), np.array([2, 3, 5], dtype)
    assert_same(name, [left, right])


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_signs_of_division_agree(name: str, tier: int) -> None:
    for dtype in (np.int64, np.float32):
        left = np.array([[7], [-7], [1], [-1], [0]], dtype)
        right = np.array([3, -3, 2, -2], dtype)
        if name == "floor_divide":
            for mode in ("floor", "trunc"):
                assert_same("div", [left, right], rounding_mode=mode)
        else:
            assert_same(name, [left, right])


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("clamp", (), {"min": -1.0, "max": 1.0}),
    ("clamp", (), {"min": 0.5}),
    ("clamp_min", (0,), {}),
    ("clamp_max", (1.0,), {}),
    ("add", (3,), {"alpha": 0.5}),
    ("sub", (2.5,), {}),
    ("mul", (True,), {}),
    ("div", (3,), {}),
    ("round", (), {"decimals": 1}),
    ("pow", (0,), {}),
    ("pow", (1,), {}),
    ("pow", (3,), {}),
    ("pow", (0.5,), {}),
    ("pow", (-2,), {}),
    ("pow", (2.5,), {}),
    ("nan_to_num", (1.0, 2.0, 3.0), {}),
    ("logit", (0.25,), {}),
    ("nn.functional.gelu", (), {"approximate": "tanh"}),
    ("nn.functional.leaky_relu", (0.2,), {}),
    ("nn.functional.threshold", (0.5, 7.0), {}),
    ("nn.functional.softplus", (), {"beta": 2, "threshold": 3}),
    ("nn.functional.elu", (0.5,), {}),
    ("nn.functional.celu", (2.0,), {}),
    ("nn.functional.hardtanh", (-0.5, 0.25), {}),
]


@pytest.mark.parametrize("case", CALLS, ids=str)
def test_arguments_agree(case: tuple[str, tuple[Any, ...], dict[str, Any]]) -> None:
    name, rest, options = case
    assert_same(name, [np.array(EDGES, np.float32)], *rest, **options)


def test_tensor_bounds_of_clamp_share_the_gradient_as_pytorch() -> None:
    x = np.array([-2.0, 0.0, 1.0, 3.0], np.float32)
    assert_same("clamp", [x, np.zeros(4, np.float32), np.ones(4, np.float32)])
    assert_same("clamp", [x, np.ones(4, np.float32), np.zeros(4, np.float32)])


@pytest.mark.parametrize("name", ["add", "mul", "div", "sub"])
def test_the_first_operand_may_be_a_number(name: str) -> None:
    ours = getattr(flambeau, name)(2, flambeau.tensor([1.0, 4.0]))
    theirs = getattr(torch, name)(2, torch.tensor([1.0, 4.0]))
    assert ours.tolist() == theirs.tolist()


OPERATORS: list[Callable[[Any], Any]] = [
    lambda x: x + 1,
    lambda x: 1 + x,
    lambda x: x - 1,
    lambda x: 1 - x,
    lambda x: x * 2,
    lambda x: 2 * x,
    lambda x: x / 2,
    lambda x: 2 / x,
    lambda x: x // 2,
    lambda x: 5 // x,
    lambda x: x % 2,
    lambda x: 5 % x,
    lambda x: x**2,
    lambda x: 2**x,
    lambda x: -x,
    lambda x: abs(x),
    lambda x: +x,
    lambda x: x == 2,
    lambda x: x != 2,
    lambda x: x < 2,
    lambda x: x <= 2,
    lambda x: x > 2,
    lambda x: x >= 2,
    lambda x: x == None,  # noqa: E711
    lambda x: x * np.float64(2),
    lambda x: np.float64(2) * x,
    lambda x: x + np.ones(3),
    lambda x: x * 1j,
]


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept")
@pytest.mark.parametrize("number", range(len(OPERATORS)))
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_operators_agree(number: int, dtype: str) -> None:
    def run(library: Any) -> Any:
        found = OPERATORS[number](library.tensor([1, 2, 3], dtype=getattr(library, dtype)))
        return found if isinstance(found, bool) else (found.tolist(), str(found.dtype))

    assert run(flambeau) == run(torch)


@pytest.mark.parametrize("symbol", ["&", "|", "^", "<<", ">>"])
def test_bit_operators_agree(symbol: str) -> None:
    for text in (f"x {symbol} 2", f"5 {symbol} x", f"x {symbol} x"):
        results = [eval(text, {"x": library.tensor([1, 2, 3])}).tolist() for library in (flambeau, torch)]
        assert results[0] == results[1]


IN_PLACE = ["add_", "mul_", "sub_", "div_", "pow_", "clamp_min_"]


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_forms_agree_with_their_gradients(name: str) -> None:
    def run(library: Any) -> list[Any]:
        x = library.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x * 2
        same = getattr(y, name)(2.0) is y
        y.sum().backward()
        return [same, y.tolist(), x.grad.tolist(), y._version]

    assert run(flambeau) == run(torch)


def test_an_in_place_function_keeps_what_it_overwrote_for_its_gradient() -> None:
    def run(library: Any) -> list[float]:
        x = library.tensor([0.5, 1.0], requires_grad=True)
        y = x * 2
        y.sin_()
        y[0].exp_()
        y.sum().backward()
        return x.grad.tolist()  # type: ignore[no-any-return]

    assert run(flambeau) == pytest.approx(run(torch), rel=1e-5)


ERRORS: list[Callable[[Any], Any]] = [
    lambda t: t.tensor([True]) - t.tensor([True]),
    lambda t: t.nn.functional.softshrink(t.ones(3), -0.5),
    lambda t: t.nn.functional.softshrink(t.ones(3).half(), 1e6),
    lambda t: t.nn.functional.softshrink(t.ones(3), float("nan")),
    lambda t: t.nn.functional.softshrink(t.ones(3).long(), -0.5),
    lambda t: t.nn.functional.glu(t.ones(())),
    lambda t: t.polygamma(1.5, t.ones(2)),
    lambda t: t.tensor([True]) - t.tensor([1]),
    lambda t: -t.tensor([True]),
    lambda t: ~t.tensor([1.0]),
    lambda t: t.tensor([1, 2]) // 0,
    lambda t: t.tensor([1, 2]) % t.tensor([1, 0]),
    lambda t: t.tensor([1, 2]) ** -1,
    lambda t: t.add(t.tensor([1]), 1, alpha=0.5),
    lambda t: t.tensor([1]).add_(1.5),
    lambda t: t.tensor([1.0]) + t.ones(2, 3) + t.ones(2),
    lambda t: t.div(t.ones(2), 2, rounding_mode="up"),
    lambda t: t.clamp(t.ones(2)),
    lambda t: t.where(t.ones(2), 1, 2),
    lambda t: t.lerp(t.ones(2), t.ones(2).double(), 0.5),
    lambda t: t.floor(t.tensor([True])),
    lambda t: t.tensor([1 + 1j]) < 2,
    lambda t: t.ones(2) & 1,
    lambda t: t.ones(2) + "a",
    lambda t: t.ones(2) < "a",
    lambda t: t.ones(2) + None,
    lambda t: t.add(t.ones(2), None),
    lambda t: t.isclose(t.ones(2), t.ones(2).double()),
    lambda t: t.ones(2).copy_(t.ones(3)),
    lambda t: t.ones(2).copy_(t.ones(3, 2)),
    lambda t: t.heaviside(t.ones(2), t.ones(2).double()),
    lambda t: t.ones(2).to("meta").to("cpu"),
    lambda t: bool(t.ones(2)),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_have_pytorchs_type_and_first_line(number: int) -> None:
    found = []
    for library in (flambeau, torch):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            ERRORS[number](library)
        found.append((caught.type, str(caught.value).split("\n")[0]))
    assert found[0] == found[1]


def test_where_takes_numbers_on_both_sides() -> None:
    for arguments in ((1, 2), (1.0, 2), (1.5, 2.5)):
        ours = flambeau.where(flambeau.tensor([True, False]), *arguments)
        theirs = torch.where(torch.tensor([True, False]), *arguments)
        assert (ours.tolist(), str(ours.dtype)) == (theirs.tolist(), str(theirs.dtype))


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision_is_rounded_once(name: str) -> None:
    values = [0.1, 1.5, -2.25, 7.0]
    for path in ("add", "mul", "nn.functional.gelu", "exp"):
        found = []
        for library in (flambeau, torch):
            x = library.tensor(values, dtype=getattr(library, name))
            result = lookup(library, path)(*([x, x] if path in ("add", "mul") else [x]))
            found.append(result.float().tolist())
        assert found[0] == pytest.approx(found[1], rel=0.01 if path in ("exp", "nn.functional.gelu") else 0)


def test_node_names_are_pytorchs() -> None:
    def names(t: Any) -> list[str]:
        x = t.tensor([0.5], requires_grad=True)
        results = [
            x + 1,
            1 - x,
            x * 2,
            x / 2,
            2 / x,
            x**2,
            x**x,
            2**x,
            x % 2,
            x.clamp(0),
            x.clamp_min(0),
            x.abs(),
            x.exp(),
            x.to(t.float64),
            x.clone(),
            t.where(x > 0, x, 0.0),
            x.square(),
            x.sigmoid(),
            x.lerp(x, 0.5),
            x.maximum(x),
        ]
        return [result.grad_fn.name() for result in results]

    assert names(flambeau) == names(torch)


def test_numbers_do_not_build_new_calls() -> None:
    from flambeau._ops.pointwise import mul

    x = flambeau.ones(3, 7)
    x * 0.1
    before = len(mul.calls)
    for number in (0.2, 0.3, -1.0):
        x * number
    assert len(mul.calls) == before


def test_strides_of_results_follow_the_operands() -> None:
    def strides(t: Any) -> list[Any]:
        x = t.ones(2, 3, 4, 5).to(memory_format=t.channels_last)
        return [
            (x + 1).stride(),
            (x * x).stride(),
            x.sin().stride(),
            x.clone().stride(),
            x.contiguous().stride(),
        ]

    assert strides(flambeau) == strides(torch)


CONVERSIONS: list[Callable[[Any], Any]] = [
    lambda t: t.tensor([1.9, -1.9]).to(t.int64),
    lambda t: t.tensor([1.9, -1.9, 300.0]).to(t.uint8),
    lambda t: t.tensor([1, 300, -1]).to(t.int8),
    lambda t: t.tensor([0.0, 2.0, NAN]).bool(),
    lambda t: t.tensor([1 + 2j]).float(),
    lambda t: t.tensor([1]).type("torch.DoubleTensor"),
    lambda t: t.tensor([1]).to("cpu", t.float32),
    lambda t: t.tensor([1]).to(t.tensor([1.0])),
    lambda t: t.tensor([1]).to(dtype=t.float16, copy=True),
    lambda t: t.tensor([1]).type_as(t.tensor(1.0)),
    lambda t: t.tensor([1.0, 2.0]).copy_(t.tensor(3)),
]


@pytest.mark.parametrize("number", range(len(CONVERSIONS)))
def test_conversions_agree(number: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = CONVERSIONS[number](flambeau), CONVERSIONS[number](torch)
    assert (ours.tolist(), str(ours.dtype)) == (theirs.tolist(), str(theirs.dtype))


def test_to_the_same_dtype_is_the_tensor_itself() -> None:
    x = flambeau.ones(2)
    assert x.to(flambeau.float32) is x
    assert x.float() is x
    assert x.to("cpu") is x
    assert x.to(flambeau.float32, copy=True) is not x


def test_gradients_flow_through_casts_and_copies() -> None:
    def run(t: Any) -> list[Any]:
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = t.zeros(2, 2, dtype=t.float64)
        y.copy_(x.double() * 3)
        (y * y).sum().backward()
        return [x.grad.tolist(), str(x.grad.dtype)]

    assert run(flambeau) == run(torch)


def test_second_derivatives_agree() -> None:
    def run(t: Any) -> list[float]:
        x = t.tensor([0.3, 1.2], dtype=t.float64, requires_grad=True)
        y = (x.tanh() * x.exp() + x**3 / (1 + x * x)).sum()
        (first,) = t.autograd.grad(y, x, create_graph=True)
        (second,) = t.autograd.grad(first.sum(), x)
        return second.tolist()  # type: ignore[no-any-return]

    assert run(flambeau) == pytest.approx(run(torch), rel=1e-9)


def test_python_functions_are_called_on_elements() -> None:
    def run(t: Any) -> list[Any]:
        x = t.tensor([1.0, 2.0])
        same = x.apply_(lambda each: each * 3) is x
        return [same, x.tolist(), x.map_(t.tensor([1.0, 5.0]), lambda a, b: a - b).tolist()]

    assert run(flambeau) == run(torch)


def test_rrelu_draws_pytorchs_slopes() -> None:
    def run(t: Any) -> list[Any]:
        t.manual_seed(3)
        x = t.tensor([-1.0, 2.0, -3.0, 0.0], requires_grad=True)
        y = t.rrelu(x, 0.1, 0.3, True)
        y.sum().backward()
        return [y.tolist(), x.grad.tolist()]

    assert run(flambeau) == run(torch)
