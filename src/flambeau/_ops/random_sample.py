"""Samples from distributions with tensors as parameters: `normal`, `bernoulli`, `poisson`, `multinomial`."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.by_elements import by_elements
from flambeau._core.declare import RAW, Array, Index, broadcast_shapes
from flambeau._core.dispatch import function, op, write_out
from flambeau._core.modes import modes, no_grad
from flambeau._core.random import Generator
from flambeau._core.tensor import Tensor
from flambeau._core.value import Value, meta_of
from flambeau._ops.bounds import when_known
from flambeau._ops.construct import finished
from flambeau._ops.pointwise import add, mul
from flambeau._ops.random import (
    OPTIONS,
    Shape,
    Values,
    check_probabilities,
    drawn,
    drawn_in_order,
    generator_for,
    in_batch,
    is_float,
    mismatch,
    number,
    of_out,
    trials,
    with_history,
)
from flambeau._ops.random_new import new
from flambeau._ops.sizes import integer, sizes_of


@op(promote=RAW, shape=lambda mean, std, values: values, node="NormalBackward3")
def replaced_both(xp: Any, mean: Array, std: Array, values: Index) -> Array:
    """The same for numbers that two tensors say how to draw."""
    return values


@replaced_both.gradient("mean", "std")
def _(xp: Any, g: Array) -> tuple[Array, Array]:
    return xp.zeros_like(g), xp.zeros_like(g)


_NORMAL_FORMS = (
    "Tensor mean, Tensor std, *, torch.Generator generator = None, Tensor out = None; "
    "Tensor mean, float std = 1, *, torch.Generator generator = None, Tensor out = None; "
    "float mean, Tensor std, *, torch.Generator generator = None, Tensor out = None; "
    "float mean, float std, tuple of ints size, *, torch.Generator generator = None, Tensor out = None, "
    f"{OPTIONS}"
)


@function("normal")
def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Normals with a mean and a deviation for each element, or a tensor of `size` with the same for all.

    Args:
        mean, std: tensors that broadcast, or numbers.
        size: the shape, if both are numbers.

    Raises: RuntimeError, if a deviation is negative.
    """
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        if size is not None or not all(isinstance(each, Tensor) or is_float(each) for each in (mean, std)):
            raise mismatch("normal", (mean, std, *(() if size is None else (size,))), {}, _NORMAL_FORMS)
        return _normal_of(mean, std, generator, out)
    if size is None or not (is_float(mean) and is_float(std)):
        raise mismatch("normal", (mean, std), {}, _NORMAL_FORMS)
    return new(
        "normal",
        sizes_of((size,), "normal", "size", 3),
        lambda g, shape, kind, contiguous: g.normal(shape, mean, std, kind, contiguous),
        generator,
        out,
        dtype,
        layout,
        device,
        requires_grad,
    )


def _check_deviations(std: Value) -> None:
    if not (std.numpy() >= 0).all():
        raise RuntimeError("normal expects all elements of std >= 0.0")


def _normal_of(mean: Any, std: Any, generator: Any, out: Tensor | None) -> Tensor:
    tensors = [each for each in (mean, std) if isinstance(each, Tensor)]
    if isinstance(std, Tensor) and std.is_complex():
        raise RuntimeError("normal expects standard deviation to be non-complex")
    like = tensors[0]._meta
    shape = broadcast_shapes(*[each._meta.shape for each in tensors])
    dtype = like.dtype if out is None else of_out("normal", out, None, shape)[0]
    meta = meta_of(shape, dtype, like.device)
    source = generator_for(generator, meta.device, "normal")

    if isinstance(std, Tensor):
        when_known(std._read(), _check_deviations)
    elif not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    width = 1.0 if isinstance(std, Tensor) else std
    result = drawn(lambda batch: source.normal((*batch, *shape), 0.0, width, meta.np), meta)
    with no_grad():
        if isinstance(std, Tensor):
            result = mul(result, std).to(dtype)  # type: ignore[attr-defined]
        result = add(result, mean).to(dtype)  # type: ignore[attr-defined]
    if out is not None:
        return write_out(out, result, "normal")
    if len(tensors) == 2 and modes.grad and (mean.requires_grad or std.requires_grad):
        return replaced_both(mean, std, result)
    return with_history(
        "NormalBackward1" if isinstance(mean, Tensor) else "NormalBackward2", tensors[0], result
    )


@function("bernoulli", "Tensor.bernoulli")
@by_elements(draws=True)
def bernoulli(
    input: Tensor, p: Any = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Ones with the probabilities in `input`, and zeros else; `p` is one probability for all.

    Raises: RuntimeError, if a probability is not between 0 and 1.
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"bernoulli(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    target = input._meta.dtype if out is None else of_out("bernoulli", out, None, ())[0]
    meta = meta_of(input._meta.shape, target, input._meta.device)
    source = generator_for(generator, meta.device, "bernoulli")
    chance = None if p is None else number(p, "bernoulli", "p", 2)
    if chance is None:
        check_probabilities(input._meta.dtype, target)

    def of_probabilities(batch: Shape) -> Values:
        chances = np.ascontiguousarray(input._host_array()).reshape(meta.shape)
        return source.bernoulli_probs(in_batch(chances, batch)).astype(meta.np)

    result = drawn(of_probabilities, meta) if chance is None else drawn_in_order(trials(chance), source, meta)
    return (
        with_history("BernoulliBackward", input, result)
        if out is None
        else write_out(out, result, "bernoulli")
    )


@function("poisson")
@by_elements(draws=True)
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """How many events come in a unit of time, if `input` come on average.

    Raises: RuntimeError, if a rate is negative.
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"poisson(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    source = generator_for(generator, input._meta.device, "poisson")
    result = drawn(lambda batch: source.poisson(in_batch(input._host_array(), batch)), input._meta)
    return with_history("PoissonBackward", input, result)


@function("multinomial", "Tensor.multinomial")
@by_elements(draws=True)
def multinomial(
    input: Tensor,
    num_samples: Any,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn in proportion to the weights in each row of `input`, `num_samples` for a row.

    Args:
        input: one row of weights or several; they need not sum to one.
        replacement: whether an index may come more than once.

    Raises: RuntimeError, if a row cannot be drawn from.
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"multinomial(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    count = integer(num_samples, "multinomial", "num_samples", 2)
    if out is not None and out._meta.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out._meta.dtype.scalar_type}")
    meta = input._meta
    source = generator_for(generator, meta.device, "multinomial")
    result_meta = meta_of((*meta.shape[:-1], count), dtypes.int64, meta.device)

    def draw(batch: Shape) -> Values:
        weights, stride = input._host_array(), input._stride
        by_columns = len(meta.shape) == 2 and stride is not None and 0 < stride[0] < stride[1]
        if not batch:
            return source.multinomial(weights, count, bool(replacement), by_columns)
        rows = in_batch(weights, batch).reshape(-1, meta.shape[-1])
        return source.multinomial(rows, count, bool(replacement)).reshape(*batch, *result_meta.shape)

    result = finished(drawn(draw, result_meta))
    return result if out is None else write_out(out, result, "multinomial")
