"""New random tensors of a given shape, or of another tensor's: `rand`, `randn`, `randint`, `randperm`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.dispatch import function, write_out
from flambeau._core.random import Generator
from flambeau._core.tensor import Tensor
from flambeau._core.value import meta_of
from flambeau._ops.construct import as_device, as_dtype, finished
from flambeau._ops.factory import empty_like
from flambeau._ops.random import OPTIONS, Draw, Shape, Values, drawn_in_order, generator_for, mismatch, of_out
from flambeau._ops.sizes import integer, sizes_of


def _uniform(generator: Generator, shape: Shape, dtype: np.dtype[Any], contiguous: bool) -> Values:
    return generator.uniform(shape, dtype=dtype)


def _normal(generator: Generator, shape: Shape, dtype: np.dtype[Any], contiguous: bool) -> Values:
    return generator.normal(shape, dtype=dtype, contiguous=contiguous)


def _check_size(shape: Shape) -> None:
    for size in shape:
        if size < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {size}: {list(shape)}")
    if math.prod(shape) > 1 << 60:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")


def new(
    name: str,
    shape: Shape,
    draw: Draw,
    generator: Any,
    out: Tensor | None,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    usual: dtypes.dtype | None = None,
) -> Tensor:
    """A new tensor of drawn numbers, or the numbers in `out`; `usual` is the dtype where none is named."""
    _check_size(shape)
    if layout is not None and layout is not dtypes.strided:
        raise NotImplementedError(f"{name}: layout {layout} is not supported: tensors here are strided")
    stride = None
    if out is not None:
        dtype, device, stride = of_out(name, out, dtype, shape)
    wanted = as_dtype(dtype, name) if dtype is not None else usual or dtypes.get_default_dtype()
    meta = meta_of(shape, wanted, as_device(device, name))
    source = generator_for(generator, meta.device, name)
    result = finished(drawn_in_order(draw, source, meta, stride), requires_grad)
    return result if out is None else write_out(out, result, name)


def _size_argument(size: tuple[Any, ...], named: dict[str, Any], name: str) -> Shape:
    if "size" in named and not size:
        size = (named.pop("size"),)
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    return sizes_of(size, name)


@function("rand")
def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Tensor:
    """Numbers spread evenly over `[0, 1)`.

    >>> import flambeau
    >>> _ = flambeau.manual_seed(0)
    >>> flambeau.rand(2)
    tensor([0.4963, 0.7682])
    """
    shape = _size_argument(size, named, "rand")
    return new("rand", shape, _uniform, generator, out, dtype, layout, device, requires_grad)


@function("randn")
def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Tensor:
    """Normally distributed numbers of mean 0 and variance 1."""
    shape = _size_argument(size, named, "randn")
    return new("randn", shape, _normal, generator, out, dtype, layout, device, requires_grad)


_RANDINT_FORMS = (
    f"int high, tuple of ints size, *, torch.Generator generator, Tensor out = None, {OPTIONS}; "
    f"int low, int high, tuple of ints size, *, torch.Generator generator, Tensor out = None, {OPTIONS}"
)


@function("randint")
def randint(
    *args: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **named: Any,
) -> Tensor:
    """Whole numbers of `[low, high)`, int64 unless `dtype` says else: `randint(low=0, high, size)`.

    Raises: RuntimeError, if `low` is not below `high`, or one is out of the dtype's range.
    """
    low_comes_first = len(args) + len({"high", "size"} & set(named)) == 3
    names = ("low", "high", "size") if low_comes_first else ("high", "size")
    given = dict(zip(names, args, strict=False)) | named
    if len(args) > len(names) or set(given) - {"low", "high", "size"} or not {"high", "size"} <= set(given):
        raise mismatch("randint", args, named, _RANDINT_FORMS)
    place = {key: position for position, key in enumerate(given, 1)}
    low = integer(given.get("low", 0), "randint", "low", 1)
    high = integer(given["high"], "randint", "high", place["high"])
    size = given["size"]
    if not isinstance(size, (tuple, list)):
        kind = type(size).__name__
        raise TypeError(
            f"randint(): argument 'size' (position {place['size']}) must be tuple of ints, not {kind}"
        )
    shape = sizes_of((size,), "randint", "size", place["size"])
    return new(
        "randint",
        shape,
        _whole(low, high),
        generator,
        out,
        dtype,
        layout,
        device,
        requires_grad,
        dtypes.int64,
    )


def _whole(low: int, high: int) -> Draw:
    return lambda generator, shape, dtype, contiguous: generator.randint(low, high, shape, dtype)


@function("randperm")
def randperm(
    n: Any,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The whole numbers from 0 to n-1 in random order, int64 unless `dtype` says else.

    Raises: RuntimeError, if `n` is negative or the dtype cannot hold n-1.
    """
    count = integer(n, "randperm", "n", 1)
    return new(
        "randperm",
        (count,),
        _permutations,
        generator,
        out,
        dtype,
        layout,
        device,
        requires_grad,
        dtypes.int64,
    )


def _permutations(generator: Generator, shape: Shape, dtype: np.dtype[Any], contiguous: bool) -> Values:
    rows = [generator.randperm(shape[-1], dtype) for _ in range(math.prod(shape[:-1]))]
    return np.reshape(rows, shape) if len(shape) > 1 else rows[0]


def _like(
    name: str,
    input: Any,
    draw: Draw,
    generator: Any,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    memory_format: Any,
) -> Tensor:
    """A new tensor like `input`, filled in the order of its own memory."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if dtype is not None:
        dtype = as_dtype(dtype, name)
    like = empty_like(input, dtype=dtype, layout=layout, device=device, memory_format=memory_format)
    meta = like._meta
    source = generator_for(generator, meta.device, name)
    result = finished(drawn_in_order(draw, source, meta, like._stride), requires_grad)
    if like._stride is not None:
        result._stride = like._stride
    return result


@function("rand_like")
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = dtypes.preserve_format,
) -> Tensor:
    """Numbers spread evenly over `[0, 1)`, in the input's shape, dtype and device."""
    return _like("rand_like", input, _uniform, generator, dtype, layout, device, requires_grad, memory_format)


@function("randn_like")
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = dtypes.preserve_format,
) -> Tensor:
    """Normally distributed numbers in the input's shape, dtype and device."""
    return _like("randn_like", input, _normal, generator, dtype, layout, device, requires_grad, memory_format)


@function("randint_like")
def randint_like(
    input: Tensor,
    *args: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = dtypes.preserve_format,
    **named: Any,
) -> Tensor:
    """Whole numbers of `[low, high)` in the input's shape, dtype and device.

    It is called as `randint_like(input, high)` or `randint_like(input, low, high)`.
    """
    given = (
        dict(zip(("low", "high") if len(args) == 2 or "high" in named else ("high",), args, strict=False))
        | named
    )
    if len(args) > 2 or set(given) - {"low", "high"} or "high" not in given:
        raise mismatch(
            "randint_like", (input, *args), named, "Tensor input, int high; Tensor input, int low, int high"
        )
    low = integer(given.get("low", 0), "randint_like", "low", 2)
    high = integer(given["high"], "randint_like", "high", len(given) + 1)
    return _like(
        "randint_like",
        input,
        _whole(low, high),
        generator,
        dtype,
        layout,
        device,
        requires_grad,
        memory_format,
    )
