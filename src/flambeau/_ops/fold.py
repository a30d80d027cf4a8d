"""Images as columns of patches and back: `nn.functional.unfold` and `fold`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flambeau._core.declare import Array
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.pool import _ends, _padded, _places, _put_back


def _blocks(sizes: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[int, ...]:
    """How many patches fit, by dimension."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(sizes, kernel, dilation, padding, stride, strict=True)
    )


def _check_windows(kernel: Any, dilation: Any, padding: Any, stride: Any) -> None:
    for what, name, values in (("kernel size", "kernel", kernel), ("dilation", "dilation", dilation)):
        if min(values) <= 0:
            raise RuntimeError(
                f"{what} should be greater than zero, but got {name}_height: {values[0]} {name}_width: "
                f"{values[1]}"
            )
    if min(padding) < 0:
        raise RuntimeError(
            f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}"
        )
    if min(stride) <= 0:
        raise RuntimeError(
            f"stride should be greater than zero, but got stride_height: {stride[0]} stride_width: "
            f"{stride[1]}"
        )


def _unfold_shape(input: Meta, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[int, ...]:
    _check_windows(kernel, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[input.ndim == 4 :]:
        if input.ndim < 3:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but "
                "got 2)"
            )
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            "for input, "
            f"but got: {list(input.shape)}"
        )
    blocks = _blocks(input.shape[-2:], kernel, dilation, padding, stride)
    if min(blocks) < 1:
        shown = tuple(max(n, 0) for n in blocks)
        raise RuntimeError(
            f"Given input with spatial size {input.shape[-2:]}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, calculated shape of the array of sliding blocks as {shown}, but its "
            "components must be "
            "at least one."
        )
    if not (input.dtype.is_floating_point or input.dtype.is_complex or input.dtype.name == "bool"):
        raise NotImplementedError(f"\"im2col_out_cpu\" not implemented for '{input.dtype.scalar_type}'")
    return (*input.shape[:-3], input.shape[-3] * math.prod(kernel), math.prod(blocks))


def _fold_shape(
    input: Meta, sizes: Any, kernel: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[int, ...]:
    _check_windows(kernel, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input.shape[input.ndim == 3 :]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            "dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    rows, count = input.shape[-2:]
    if rows % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={rows} and kernel_size={kernel}."
        )
    blocks = _blocks(sizes, kernel, dilation, padding, stride)
    if count != math.prod(blocks):
        raise RuntimeError(
            f"Given output_size={sizes}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"stride={stride}, "
            "expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{blocks[0]} * "
            f"{blocks[1]} = {math.prod(blocks)}, but got input.size(2)={count}."
        )
    if not (input.dtype.is_floating_point or input.dtype.is_complex or input.dtype.name == "bool"):
        raise NotImplementedError(f"\"col2im_out_cpu\" not implemented for '{input.dtype.scalar_type}'")
    return (*input.shape[:-2], rows // math.prod(kernel), *sizes)


def _columns(xp: Any, x: Array, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    blocks = _blocks(x.shape[-2:], kernel, dilation, padding, stride)
    ends = _ends(x.shape[-2:], kernel, stride, padding, dilation, blocks)
    padded = _padded(xp, x, padding, ends, 0)
    # One dimension after the other: XLA writes a stack of few parts faster than one of many.
    rows, columns = (
        [slice(o * d, o * d + s * (n - 1) + 1, s) for o in range(k)]
        for k, d, s, n in zip(kernel, dilation, stride, blocks, strict=True)
    )
    by_rows = xp.stack([padded[..., where, :] for where in rows], -3)
    stacked = xp.stack([by_rows[..., where] for where in columns], -3)
    return stacked.reshape(*x.shape[:-3], x.shape[-3] * math.prod(kernel), math.prod(blocks))


def _image(xp: Any, x: Array, sizes: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    blocks = _blocks(sizes, kernel, dilation, padding, stride)
    ends = _ends(sizes, kernel, stride, padding, dilation, blocks)
    channels = x.shape[-2] // math.prod(kernel)
    patches = x.reshape(*x.shape[:-2], channels, math.prod(kernel), *blocks)
    places = enumerate(_places(kernel, stride, dilation, blocks))
    parts = ((where, patches[..., i, :, :]) for i, where in places)
    return _put_back(xp, (*x.shape[:-2], channels, *sizes), parts, padding, ends, x.dtype)


@function("nn.functional.assert_int_or_pair")
def assert_int_or_pair(arg: int | Sequence[int], arg_name: str, message: str) -> None:
    """Nothing for a number or two of them; `message` may have a place for the name of the argument.

    Raises: AssertionError for anything else.

    >>> import flambeau
    >>> flambeau.nn.functional.assert_int_or_pair((1, 2), "stride", "{} must be an int or a pair")
    """
    if not isinstance(arg, int) and len(arg) != 2:
        raise AssertionError(message.format(arg_name))


@op(shape=_unfold_shape, node="Im2ColBackward")
def im2col(xp: Any, input: Array, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    """The patches of an image as columns."""
    return _columns(xp, input, kernel, dilation, padding, stride)


@im2col.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    return _image(xp, g, input_meta.shape[-2:], kernel, dilation, padding, stride)


@op(shape=_fold_shape, node="Col2ImBackward")
def col2im(xp: Any, input: Array, sizes: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    """The sum of patches that stand in columns, each at its place in the image."""
    return _image(xp, input, sizes, kernel, dilation, padding, stride)


@col2im.gradient("input")
def _(xp: Any, g: Array, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    return _columns(xp, g, kernel, dilation, padding, stride)


def _pair(value: Any, name: str) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(values)}")
    return int(values[0]), int(values[1])


@function("nn.functional.unfold")
def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The patches of an image as columns.

    Shape: input `(N, C, H, W)` or without `N`; the result is `(N, C * kernel places, patches)`.
    Raises: RuntimeError, if no patch fits.
    """
    names = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    return apply(im2col, (input, *(_pair(value, name) for name, value in names.items())))


@function("nn.functional.fold")
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The sum of patches that stand in columns; `unfold`'s opposite where they do not overlap.

    Shape: input `(N, C * kernel places, patches)` or without `N`; the result is `(N, C, *output_size)`.
    """
    names = {"output_size": output_size, "kernel_size": kernel_size, "dilation": dilation, "padding": padding,
             "stride": stride}  # fmt: skip
    return apply(col2im, (input, *(_pair(value, name) for name, value in names.items())))
