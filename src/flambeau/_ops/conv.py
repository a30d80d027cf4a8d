"""Convolutions of one, two and three spatial dimensions, and transposed ones.

All of them come down to three products of input, weight and cotangent. In NumPy these are matrix products over windows
(im2col, Chellapilla, Puri and Simard 2006), in XLA those of `conv_forms`.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from flambeau._core.declare import RAW, Array
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops import conv_forms
from flambeau._ops.conv_checks import check_tensors, check_weight, conv_shape, transposed_shape
from flambeau._ops.conv_forms import Pairs
from flambeau._ops.sizes import per_dimension
from flambeau._ops.sums import channel_total

# -- the three products ----------------------------------------------------------------------------


def _windows(x: Array, kernel: Any, stride: Any, padding: Pairs, dilation: Any) -> Array:
    """`(N, C, *output sizes, *kernel sizes)`: the input under each position of the kernel, as a view."""
    if any(low or high for low, high in padding):
        x = np.pad(x, ((0, 0), (0, 0), *padding))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    found = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, x.ndim)))
    steps = tuple(slice(None, None, s) for s in stride)
    return found[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in dilation))]


def _convolve(xp: Any, x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """Input `(N, C, *)` and weight `(O, C / groups, *)` to `(N, O, *)`."""
    if xp is not np:
        return conv_forms.convolve(x, w, stride, padding, dilation, groups)
    spatial = w.ndim - 2
    windows = _windows(x, w.shape[2:], stride, padding, dilation)
    own = tuple(range(2 + spatial, 2 + 2 * spatial))
    parts = []
    for channels, filters in zip(np.split(windows, groups, 1), np.split(w, groups, 0), strict=True):
        product = np.tensordot(channels, filters, ((1, *own), (1, *range(2, 2 + spatial))))
        parts.append(np.moveaxis(product, -1, 1))
    return np.ascontiguousarray(np.concatenate(parts, 1) if groups > 1 else parts[0])


def _input_gradient(
    xp: Any, g: Array, w: Array, shape: Any, stride: Any, padding: Pairs, dilation: Any, groups: int
) -> Array:
    """The transpose of `_convolve` in its input, of shape `shape`."""
    if xp is not np:
        return conv_forms.input_gradient(g, w, shape, stride, padding, dilation, groups)
    padded = [n + low + high for n, (low, high) in zip(shape[2:], padding, strict=True)]
    result = np.zeros((*shape[:2], *padded), g.dtype)
    per_group = shape[1] // groups
    sizes = g.shape[2:]
    for number, (cotangent, filters) in enumerate(
        zip(np.split(g, groups, 1), np.split(w, groups, 0), strict=True)
    ):
        # (N, *output sizes, C, *kernel sizes): what each window's elements receive.
        spread = np.tensordot(cotangent, filters, ((1,), (0,)))
        target = result[:, number * per_group : (number + 1) * per_group]
        for offset in itertools.product(*map(range, w.shape[2:])):
            where = tuple(
                slice(o * d, o * d + s * (n - 1) + 1, s)
                for o, d, s, n in zip(offset, dilation, stride, sizes, strict=True)
            )
            place: Any = (..., *offset)
            target[(slice(None), slice(None), *where)] += np.moveaxis(spread[place], -1, 1)
    inner = tuple(slice(low, low + n) for n, (low, _) in zip(shape[2:], padding, strict=True))
    return np.ascontiguousarray(result[(slice(None), slice(None), *inner)])


def _weight_gradient(
    xp: Any, g: Array, x: Array, shape: Any, stride: Any, padding: Pairs, dilation: Any, groups: int
) -> Array:
    """The transpose of `_convolve` in its weight, of shape `shape`."""
    if xp is not np:
        return conv_forms.weight_gradient(g, x, shape, stride, padding, dilation, groups)
    spatial = len(shape) - 2
    windows = _windows(x, shape[2:], stride, padding, dilation)
    places = (0, *range(2, 2 + spatial))
    parts = [
        np.tensordot(cotangent, channels, (places, places))
        for cotangent, channels in zip(np.split(g, groups, 1), np.split(windows, groups, 1), strict=True)
    ]
    return np.concatenate(parts, 0) if groups > 1 else parts[0]


# -- the operations --------------------------------------------------------------------------------


def _cost(inputs: Any, results: Any) -> int:
    """Multiply-adds over 8: NumPy also pays for laying out the windows."""
    image, weight = inputs[0], inputs[1]
    places = max(meta.numel // max(meta.shape[1], 1) for meta in (image, results[0]))
    return int(places * weight.numel // 8 + image.numel + results[0].numel)


@op(
    promote=RAW, shape=conv_shape, result=lambda input, *_: input.dtype, cost=_cost, channels_last=True,
    node="ConvolutionBackward",
)  # fmt: skip
def convolution(
    xp: Any,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Array:
    """Slides `weight` over `input`; `padding` holds a pair for each spatial dimension."""
    result = _convolve(xp, input, weight, stride, padding, dilation, groups)
    return result if bias is None else result + bias.reshape(-1, *(1,) * (input.ndim - 2))


@convolution.gradient("input")
def _(
    xp: Any, g: Array, weight: Array, input_meta: Meta, stride: Any, padding: Any, dilation: Any, groups: int
) -> Array:
    return _input_gradient(xp, g, _conjugate(xp, weight), input_meta.shape, stride, padding, dilation, groups)


@convolution.gradient("weight")
def _(
    xp: Any, g: Array, input: Array, weight_meta: Meta, stride: Any, padding: Any, dilation: Any, groups: int
) -> Array:
    return _weight_gradient(
        xp, g, _conjugate(xp, input), weight_meta.shape, stride, padding, dilation, groups
    )


@convolution.gradient("bias")
def _(xp: Any, g: Array) -> Array:
    return channel_total(xp, g)


def _conjugate(xp: Any, value: Array) -> Array:
    return xp.conj(value) if value.dtype.kind == "c" else value


@op(
    promote=RAW, shape=transposed_shape, result=lambda input, *_: input.dtype, cost=_cost, channels_last=True,
    node="ConvolutionBackward",
)  # fmt: skip
def transposed_convolution(
    xp: Any, input: Array, weight: Array, bias: Array | None, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> Array:  # fmt: skip
    """The transpose of a convolution in its input, as an operation of its own."""
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, s, p, d, k, extra in zip(
            input.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True
        )
    )
    shape = (input.shape[0], weight.shape[1] * groups, *sizes)
    pairs = tuple((p, p) for p in padding)
    result = _input_gradient(xp, input, weight, shape, stride, pairs, dilation, groups)
    return result if bias is None else result + bias.reshape(-1, *(1,) * (input.ndim - 2))


@transposed_convolution.gradient("input")
def _(
    xp: Any, g: Array, weight: Array, input_meta: Meta, stride: Any, padding: Any, groups: int, dilation: Any
) -> Array:
    pairs = tuple((p, p) for p in padding)
    found = _convolve(xp, g, _conjugate(xp, weight), stride, pairs, dilation, groups)
    return found[tuple(slice(n) for n in input_meta.shape)]


@transposed_convolution.gradient("weight")
def _(
    xp: Any, g: Array, input: Array, weight_meta: Meta, stride: Any, padding: Any, groups: int, dilation: Any
) -> Array:
    # The convolution whose transpose this is takes g's place to input's: its weight gradient, roles exchanged.
    kernel, ends = weight_meta.shape[2:], []
    for n, m, k, s, p, d in zip(g.shape[2:], input.shape[2:], kernel, stride, padding, dilation, strict=True):
        # Output padding leaves rows at the end that no window reaches; they are cut off.
        ends.append((p, p - (n + 2 * p - d * (k - 1) - 1 - (m - 1) * s)))
    cut = tuple(slice(n + min(high, 0)) for n, (_, high) in zip(g.shape[2:], ends, strict=True))
    pairs = tuple((low, max(high, 0)) for low, high in ends)
    g = g[(slice(None), slice(None), *cut)]
    return _weight_gradient(xp, _conjugate(xp, input), g, weight_meta.shape, stride, pairs, dilation, groups)


@transposed_convolution.gradient("bias")
def _(xp: Any, g: Array) -> Array:
    return channel_total(xp, g)


# -- the public functions --------------------------------------------------------------------------


def _expanded(value: Any, count: int, name: str) -> tuple[int, ...]:
    """One number for each spatial dimension."""
    return per_dimension(
        value, count,
        lambda items: f"expected {name} to be a single integer value or a list of {count} values to match the convolution "
        f"dimensions, but got {name}={list(items)}",
    )  # fmt: skip


def _pairs(padding: Any, stride: Any, dilation: Any, kernel: Any) -> Pairs:
    count = len(stride)
    if padding == "valid":
        return ((0, 0),) * count
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    return tuple((p, p) for p in _expanded(padding, count, "padding"))


def _batched(input: Tensor, weight: Tensor, count: int, name: str) -> tuple[Tensor, bool]:
    """The input with a batch dimension, and whether it came with one."""
    check_tensors(input, weight, count, name)
    if input.ndim == count + 2:
        return input, True
    return input.unsqueeze(0), False  # type: ignore[attr-defined]


def _conv(
    name: str,
    count: int,
    input: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    batched, had_batch = _batched(input, weight, count, name)
    stride, dilation = _expanded(stride, count, "stride"), _expanded(dilation, count, "dilation")
    check_weight(batched._meta, weight._meta, stride, isinstance(padding, str))
    pairs = _pairs(padding, stride, dilation, weight._meta.shape[2:])
    result: Tensor = apply(convolution, (batched, weight, bias, stride, pairs, dilation, groups))
    return result if had_batch else result.squeeze(0)  # type: ignore[attr-defined]


def _conv_transpose(
    name: str, count: int, input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    batched, had_batch = _batched(input, weight, count, name)
    stride, dilation = _expanded(stride, count, "stride"), _expanded(dilation, count, "dilation")
    check_weight(batched._meta, weight._meta, stride)
    padding, extra = _expanded(padding, count, "padding"), _expanded(output_padding, count, "output_padding")
    result: Tensor = apply(
        transposed_convolution, (batched, weight, bias, stride, padding, extra, groups, dilation)
    )
    return result if had_batch else result.squeeze(0)  # type: ignore[attr-defined]


@function("conv1d", "nn.functional.conv1d")
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over one spatial dimension.

    Shape: input `(N, C, L)` or `(C, L)`, weight `(O, C / groups, K)`, bias `(O,)`; the result is `(N, O, L')` with
    `L' = floor((L + 2 * padding - dilation * (K - 1) - 1) / stride + 1)`.
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@function("conv2d", "nn.functional.conv2d")
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over two spatial dimensions; see `conv1d`.

    Shape: input `(N, C, H, W)` or `(C, H, W)`, weight `(O, C / groups, KH, KW)`, bias `(O,)`.
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@function("conv3d", "nn.functional.conv3d")
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over three spatial dimensions; see `conv1d`."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@function("conv_transpose1d", "nn.functional.conv_transpose1d")
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution over one dimension: input `(N, C, L)`, weight `(C, O / groups, K)`."""
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@function("conv_transpose2d", "nn.functional.conv_transpose2d")
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution over two dimensions: input `(N, C, H, W)`, weight `(C, O / groups, KH, KW)`."""
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@function("conv_transpose3d", "nn.functional.conv_transpose3d")
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution over three dimensions; see `conv_transpose2d`."""
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@function("convolution")
def general_convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Tensor:  # fmt: skip
    """Any of the above, by the number of spatial dimensions and `transposed`."""
    count = weight.ndim - 2
    if transposed:
        return _conv_transpose(
            "convolution", count, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _conv("convolution", count, input, weight, bias, stride, padding, dilation, groups)


@function("conv_tbc", "nn.functional.conv_tbc")
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution over the first dimension of `(time, batch, channels)`, weight `(K, C, O)`."""
    if input.ndim != 3 or weight.ndim != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    found = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)  # type: ignore[attr-defined]
    return found.permute(2, 0, 1)  # type: ignore[attr-defined]
