"""Random numbers in place: `uniform_`, `normal_` and the other fills, whose gradient is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core.dispatch import function
from flambeau._core.random import Generator
from flambeau._core.tensor import Tensor
from flambeau._ops.random import (
    Draw,
    Shape,
    Values,
    check_probabilities,
    drawn_in_order,
    generator_for,
    is_float,
    memory_order,
    mismatch,
    number,
    trials,
    with_history,
)


def _fill(input: Tensor, generator: Any, name: str, node: str, draw: Draw) -> Tensor:
    """What an in-place draw writes into `input`. On the meta device nothing is drawn, nor checked."""
    meta = input._meta
    source = generator_for(generator, meta.device, name)
    return with_history(node, input, drawn_in_order(draw, source, meta, input._stride))


def _bounds(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[float, float]:
    """`from` and `to` of `uniform_`; the first is a word of Python's, so it cannot be a parameter."""
    if len(args) > 2:
        raise TypeError(f"{name}() takes from 0 to 2 positional arguments but {len(args)} were given")
    given = dict(zip(("from", "to"), args, strict=False))
    for key, value in named.items():
        if key not in ("from", "to") or key in given:
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
        given[key] = value
    return number(given.get("from", 0.0), name, "from", 1), number(given.get("to", 1.0), name, "to", 2)


@function("Tensor.uniform_")
def uniform(input: Tensor, *args: Any, generator: Generator | None = None, **named: Any) -> Tensor:
    """Fills with numbers spread evenly over `[from, to)`: `uniform_(from=0, to=1)`.

    Raises: RuntimeError, if the bounds are out of order or out of the dtype's range.
    """
    low, high = _bounds("uniform_", args, named)
    return _fill(
        input,
        generator,
        "uniform_",
        "UniformBackward",
        lambda g, shape, dtype, _: g.uniform(shape, low, high, dtype),
    )


@function("Tensor.normal_")
def normal_fill(
    input: Tensor, mean: float = 0, std: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Fills with normally distributed numbers.

    Raises: RuntimeError, if `std` is negative.
    """
    centre, width = number(mean, "normal_", "mean", 1), number(std, "normal_", "std", 2)
    return _fill(
        input,
        generator,
        "normal_",
        "NormalBackward",
        lambda g, shape, dtype, contiguous: g.normal(shape, centre, width, dtype, contiguous),
    )


_RANDOM_FORMS = (
    "*, torch.Generator generator = None; int from, int to, *, torch.Generator generator = None; "
    "int to, *, torch.Generator generator = None"
)


@function("Tensor.random_")
def random(input: Tensor, *args: Any, generator: Generator | None = None, **named: Any) -> Tensor:
    """Fills with whole numbers of `[from, to)`: `random_()`, `random_(to)`, `random_(from, to)`.

    Without bounds they go up to the dtype's largest; of floating dtypes, to the last before they have gaps.

    Raises: RuntimeError, if the bounds are out of order or out of the dtype's range.
    """
    given = (
        dict(zip(("to",) if len(args) == 1 and "to" not in named else ("from", "to"), args, strict=False))
        | named
    )
    whole = all(
        isinstance(value, (int, np.integer, Tensor)) or (key, value) == ("to", None)
        for key, value in given.items()
    )
    if len(args) > 2 or set(given) - {"from", "to"} or ("from" in given and "to" not in given) or not whole:
        raise mismatch("random_", args, named, _RANDOM_FORMS)
    low = int(given.get("from", 0))
    high = None if given.get("to") is None else int(given["to"])
    node = f"RandomBackward{0 if 'from' in given else 1 if given else 2}"
    return _fill(
        input, generator, "random_", node, lambda g, shape, dtype, _: g.random(shape, low, high, dtype)
    )


@function("Tensor.bernoulli_")
def bernoulli_fill(input: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills with ones with probability `p`, a number or a tensor of them, and zeros else.

    Raises: RuntimeError, if a probability is not between 0 and 1.
    """
    if isinstance(p, Tensor):
        return _bernoulli_of_probabilities(input, p, generator)
    if not is_float(p):
        raise mismatch(
            "bernoulli_",
            (p,),
            {},
            "Tensor p, *, torch.Generator generator = None; "
            "float p = 0.5, *, torch.Generator generator = None",
        )
    return _fill(input, generator, "bernoulli_", "BernoulliBackward2", trials(p))


def _bernoulli_of_probabilities(input: Tensor, p: Tensor, generator: Any) -> Tensor:
    shape = input._meta.shape
    if p.ndim > len(shape):
        raise RuntimeError(
            f"expand(torch.{p._meta.dtype.scalar_type}Tensor{{{list(p._meta.shape)}}}, size={list(shape)}): "
            f"the number of sizes provided ({len(shape)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({p.ndim})"
        )
    check_probabilities(p._meta.dtype, input._meta.dtype)
    expanded = p.detach().expand(shape)  # type: ignore[attr-defined]

    def draw(generator: Generator, sizes: Shape, dtype: np.dtype[Any], contiguous: bool) -> Values:
        chances = expanded._host_array()
        if not contiguous:
            chances = chances.transpose(
                memory_order(shape, input._stride or ())
            )  # the target's memory has the say
        return generator.bernoulli_probs(np.broadcast_to(chances, sizes)).astype(dtype)

    return _fill(input, generator, "bernoulli_", "BernoulliBackward1", draw)


@function("Tensor.exponential_")
def exponential(input: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fills with waiting times between events that come `lambd` times in a unit.

    Raises: RuntimeError, if `lambd` is not positive or the dtype not floating.
    """
    rate = number(lambd, "exponential_", "lambd", 1)
    return _fill(
        input,
        generator,
        "exponential_",
        "ExponentialBackward",
        lambda g, shape, dtype, _: g.exponential(shape, rate, dtype),
    )


@function("Tensor.geometric_")
def geometric(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills with how many trials of chance `p` it takes to succeed.

    Raises: RuntimeError, if `p` is not between 0 and 1.
    """
    chance = number(p, "geometric_", "p", 1)
    return _fill(
        input,
        generator,
        "geometric_",
        "GeometricBackward",
        lambda g, shape, dtype, _: g.geometric(shape, chance, dtype),
    )


@function("Tensor.log_normal_")
def log_normal(
    input: Tensor, mean: float = 1, std: float = 2, *, generator: Generator | None = None
) -> Tensor:
    """Fills with the exponential of normals with that mean and deviation.

    Raises: RuntimeError, if `std` is not positive.
    """
    centre, width = number(mean, "log_normal_", "mean", 1), number(std, "log_normal_", "std", 2)
    return _fill(
        input,
        generator,
        "log_normal_",
        "LogNormalBackward",
        lambda g, shape, dtype, _: g.log_normal(shape, centre, width, dtype),
    )


@function("Tensor.cauchy_")
def cauchy(
    input: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Fills with numbers of Cauchy's distribution about `median`.

    Raises: RuntimeError, if `sigma` is not positive or the dtype not floating.
    """
    centre, width = number(median, "cauchy_", "median", 1), number(sigma, "cauchy_", "sigma", 2)
    return _fill(
        input,
        generator,
        "cauchy_",
        "CauchyBackward",
        lambda g, shape, dtype, _: g.cauchy(shape, centre, width, dtype),
    )
