"""Samples of gamma and Dirichlet distributions, with gradients to their parameters, and binomial ones without.

A sample moves with its parameter so that the share of samples below it stays: its gradient is minus the derivative of
the cumulative distribution by the parameter, over the density. Source: Figurnov et al. 2018, arXiv:1805.08498.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Index, broadcast_shapes, same
from flambeau._core.dispatch import function, op
from flambeau._core.later import Later
from flambeau._core.modes import modes
from flambeau._core.random import Generator
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.construct import finished
from flambeau._ops.random import Shape, Values, drawn, generator_for, in_batch, with_history

jss = Later("jax.scipy.special")


def differentiable_once(name: str) -> Callable[[Any], Any]:
    """For a function of arrays whose gradient raises, as PyTorch's does: nobody has written it."""

    def wrap(function: Any) -> Any:
        once = jax.custom_jvp(function)

        @once.defjvp
        def _(primals: Any, tangents: Any) -> Any:
            raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

        return once

    return wrap


# -- gamma -----------------------------------------------------------------------------------------


@differentiable_once("_standard_gamma_grad")
def _gamma_slope(shape: Any, value: Any) -> Any:
    jnp = jax.numpy
    # At zero, where samples of small shapes underflow, it does not move.
    return jnp.where(value > 0, jax.lax.random_gamma_grad(shape, jnp.where(value > 0, value, 1)), 0)


@op("_standard_gamma_grad", shape=same)
def _standard_gamma_grad(input: Array, output: Array) -> Array:
    """How a gamma distributed sample `output` of rate one moves with its shape `input`."""
    return _gamma_slope(input, output)


@op(promote=RAW, shape=lambda input, values: values, node="StandardGammaBackward0")
def drawn_gamma(xp: Any, input: Array, values: Index) -> Array:
    """The numbers as samples that move with the shapes `input`."""
    return values


@drawn_gamma.gradient("input", dual=False)
def _(xp: Any, g: Array, input: Array, output: Array) -> Array:
    return g * _standard_gamma_grad.body(input, output)


@function("_standard_gamma")
def _standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """A gamma distributed number of rate one for each shape in `input`."""
    meta = _meta_of("_standard_gamma", "input", input)
    source = generator_for(generator, meta.device, "_standard_gamma")

    def draw(batch: Shape) -> Values:
        shapes = in_batch(input._host_array(), batch)
        found: Values = np.fmax(source.gamma(shapes).astype(shapes.dtype), _smallest(shapes.dtype))
        return found

    result = drawn(draw, meta)
    if modes.grad and input.requires_grad:
        return drawn_gamma(input, result)
    return finished(result)


def _meta_of(name: str, argument: str, given: Any, position: int = 1) -> Meta:
    if not isinstance(given, Tensor):
        kind = type(given).__name__
        raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {kind}")
    return given._meta


def _check_wide(kernel: str, meta: Meta) -> None:
    if meta.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{meta.dtype.scalar_type}'")


def _smallest(dtype: Any) -> Any:
    """The smallest normal number."""
    return dtype.type(dtypes.finfo(dtypes.from_numpy_dtype(dtype)).tiny)


# -- Dirichlet -------------------------------------------------------------------------------------


@differentiable_once("_dirichlet_grad")
def _dirichlet_slope(x: Any, alpha: Any, beta: Any) -> Any:
    jnp = jax.numpy
    inside = (x > 0) & (x < 1)
    x = jnp.where(inside, x, 0.5)
    moving = jnp.where(x <= 0.5, _moving_up(x, alpha, beta), _moving_down(x, alpha, beta))
    return jnp.where(inside, moving * x, 0)


@op("_dirichlet_grad", shape=same)
def _dirichlet_grad(x: Array, alpha: Array, total: Array) -> Array:
    """How a Dirichlet distributed `x` moves with its own concentration `alpha`, over `1 - x`.

    One part of such a sample is beta distributed, with what is left of the concentrations' `total` against it.
    """
    wide = jax.numpy.float64
    alpha, beta = alpha.astype(wide), total.astype(wide) - alpha.astype(wide)
    return _dirichlet_slope(x.astype(wide), alpha, beta).astype(x.dtype)


def _moving_up(x: Any, a: Any, b: Any) -> Any:
    """The result over x, by the series of the cumulative distribution in powers of x."""
    jnp = jax.numpy
    total, by_a, _ = _series(x, a, b)
    return -((jnp.log(x) - jss.digamma(a + 1) + jss.digamma(a + b)) * total + by_a) / a


def _moving_down(x: Any, a: Any, b: Any) -> Any:
    """The same by the series in powers of 1 - x, where the other part takes the place of this one."""
    jnp = jax.numpy
    total, _, by_b = _series(1 - x, b, a)
    return ((jnp.log(x) - jss.digamma(a) + jss.digamma(a + b)) * total + by_b) / b


def _series(x: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """The sum of the hypergeometric series 2F1(a + b, 1, a + 1, x), and its derivatives by a and b at fixed x."""
    jnp = jax.numpy

    def unfinished(state: tuple[Any, ...]) -> Any:
        n, term, _, _, total, *_ = state
        return (n < _LONGEST) & jnp.any(term > 1e-17 * total)

    def advance(state: tuple[Any, ...]) -> tuple[Any, ...]:
        n, term, log_by_a, log_by_b, total, by_a, by_b = state
        term = term * (a + b + n) / (a + 1 + n) * x
        log_by_b = log_by_b + 1 / (a + b + n)
        log_by_a = log_by_a + 1 / (a + b + n) - 1 / (a + 1 + n)
        return n + 1, term, log_by_a, log_by_b, total + term, by_a + term * log_by_a, by_b + term * log_by_b

    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    state = (jnp.zeros(()), one, zero, zero, one, zero, zero)
    *_, total, by_a, by_b = jax.lax.while_loop(unfinished, advance, state)
    return total, by_a, by_b


_LONGEST = 100_000


@op(promote=RAW, shape=lambda input, values: values, node="_DirichletBackward")
def drawn_dirichlet(xp: Any, input: Array, values: Index) -> Array:
    """The numbers as samples that move with the concentrations `input`."""
    return values


@drawn_dirichlet.gradient("input", dual=False)
def _(xp: Any, g: Array, input: Array, output: Array) -> Array:
    total = xp.broadcast_to(input.sum(-1, keepdims=True), input.shape)
    moving = _dirichlet_grad.body(output, input, total)
    return moving * (g - (output * g).sum(-1, keepdims=True))


@function("_sample_dirichlet")
def _sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers that sum to one along the last dimension, from a Dirichlet distribution with these concentrations."""
    meta = _meta_of("_sample_dirichlet", "input", input)
    _check_wide("dirichlet", meta)
    source = generator_for(generator, meta.device, "_sample_dirichlet")

    def draw(batch: Shape) -> Values:
        weights = source.gamma(in_batch(input._host_array(), batch).astype(np.float64))
        weights = np.fmax(weights, _smallest(weights.dtype))
        values = (weights / weights.sum(-1, keepdims=True)).astype(meta.np)
        one = values.dtype.type(1)
        found: Values = np.clip(values, _smallest(values.dtype), np.nextafter(one, values.dtype.type(0)))
        return found

    result = drawn(draw, meta)
    if modes.grad and input.requires_grad:
        return drawn_dirichlet(input, result)
    return finished(result)


# -- binomial --------------------------------------------------------------------------------------


@function("binomial")
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of `count` trials succeed with probability `prob`, both floating and of shapes that broadcast."""
    counted, likely = _meta_of("binomial", "count", count), _meta_of("binomial", "prob", prob, 2)
    for argument, each in (("count", counted), ("prob", likely)):
        if not each.dtype.is_floating_point:
            found = each.dtype.scalar_type
            raise ValueError(f"binomial only supports floating-point dtypes for {argument}, got: {found}")
    shape = broadcast_shapes(counted.shape, likely.shape)
    if likely.dtype is not counted.dtype:
        found, wanted = likely.dtype.scalar_type, counted.dtype.scalar_type
        raise RuntimeError(f"Found dtype {found} but expected {wanted}")
    _check_wide("binomial_cpu", counted)
    meta = meta_of(shape, counted.dtype, counted.device)
    source = generator_for(generator, meta.device, "binomial")

    def draw(batch: Shape) -> Values:
        counts, probs = np.broadcast_arrays(count._host_array(), prob._host_array())
        return source.binomial(in_batch(counts, batch), in_batch(probs, batch))

    return with_history("BinomialBackward", count, drawn(draw, meta))
