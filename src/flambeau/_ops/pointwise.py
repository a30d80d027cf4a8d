"""Arithmetic on elements: what broadcasts its operands and computes each element alone."""

from __future__ import annotations

from typing import Any

from flambeau._core.declare import FLOATING, PROMOTE, Array, Operand, Scalar, broadcast
from flambeau._core.dispatch import op


@op("add", "Tensor.add", "Tensor.add_", out=True, promote=PROMOTE, shape=broadcast)
def add(xp: Any, input: Array, other: Operand, *, alpha: Scalar = 1) -> Array:
    """`input + alpha * other`, with broadcasting and type promotion.

    >>> import flambeau
    >>> flambeau.add(flambeau.tensor([1, 2]), 0.5)
    tensor([1.5000, 2.5000])
    """
    return xp.add(input, other if type(alpha) is int else other * alpha)


@add.gradient("input")
def _(g: Array) -> Array:
    return g


@add.gradient("other")
def _(g: Array, alpha: Scalar) -> Array:
    return g if type(alpha) is int else g * alpha


@op("mul", "multiply", "Tensor.mul", "Tensor.mul_", "Tensor.multiply", "Tensor.multiply_", out=True, promote=PROMOTE, shape=broadcast)
def mul(xp: Any, input: Array, other: Operand) -> Array:
    """`input * other`, with broadcasting and type promotion."""
    return xp.multiply(input, other)


@mul.gradient("input")
def _(xp: Any, g: Array, other: Array) -> Array:
    return g * xp.conj(other)


@mul.gradient("other")
def _(xp: Any, g: Array, input: Array) -> Array:
    return g * xp.conj(input)


@op("sigmoid", "special.expit", "Tensor.sigmoid", "Tensor.sigmoid_", out=True, promote=FLOATING, shape=broadcast)
def sigmoid(xp: Any, input: Array) -> Array:
    """`1 / (1 + exp(-input))`, elementwise."""
    return 1 / (1 + xp.exp(-input))


@sigmoid.gradient("input")
def _(xp: Any, g: Array, output: Array) -> Array:
    return g * xp.conj(output * (1 - output))


@op("relu", "nn.functional.relu_", "Tensor.relu", "Tensor.relu_", promote=PROMOTE, shape=broadcast)
def relu(xp: Any, input: Array) -> Array:
    """`max(input, 0)`, elementwise; the gradient at 0 is 0."""
    return xp.where(input <= 0, xp.zeros((), input.dtype), input)


@relu.gradient("input")
def _(xp: Any, g: Array, output: Array) -> Array:
    return xp.where(output > 0, g, xp.zeros((), g.dtype))
