"""Fourier transforms: `torch.fft`.

Every function is one of two operations over several dimensions: complex to complex, or real to half (the
last dimension
keeps one of each pair of conjugates) and its opposite. A gradient is again a transform in the other
direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import Array, canonical_dim, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of

# -- arrays ----------------------------------------------------------------------------------------


def _scale(sizes: Sequence[int], norm: str, forward: bool) -> float:
    """What the sums are multiplied by: "backward" scales only backward transforms, "forward" only forward
    ones.
    """
    count = math.prod(sizes)
    if norm == "ortho":
        return 1 / math.sqrt(count)
    return 1 / count if (norm == "forward") == forward else 1.0


def _transform(xp: Any, x: Array, dims: Sequence[int], forward: bool) -> Array:
    """Without any scale."""
    if not dims:
        return x
    norm = "backward" if forward else "forward"
    return (xp.fft.fftn if forward else xp.fft.ifftn)(x, axes=dims, norm=norm).astype(x.dtype)


def _fitted(xp: Any, x: Array, dims: Sequence[int], sizes: Sequence[int]) -> Array:
    """Cut, or filled up with zeros at the end, to these sizes."""
    cut = [slice(None)] * x.ndim
    widths = [(0, 0)] * x.ndim
    for dim, size in zip(dims, sizes, strict=True):
        cut[dim] = slice(0, size)
        widths[dim] = (0, max(size - x.shape[dim], 0))
    x = x[tuple(cut)]
    return xp.pad(x, widths) if any(high for _, high in widths) else x


def _whole(xp: Any, half: Array, dims: Sequence[int], size: int) -> Array:
    """The whole of a transform whose last dimension is halved: the other half is conjugate and runs
    backwards.
    """
    last = dims[-1]
    count = size - half.shape[last]
    tail = xp.conj(xp.take(half, np.arange(count, 0, -1), last))
    for dim in dims[:-1]:
        n = tail.shape[dim]
        tail = xp.take(tail, (-np.arange(n)) % n, dim)
    return xp.concatenate([half, tail], last)


# -- the operations --------------------------------------------------------------------------------


def _resized(
    input: Meta, dims: Sequence[int], sizes: Sequence[int], last: int | None = None
) -> tuple[int, ...]:
    shape = list(input.shape)
    for dim, size in zip(dims, sizes, strict=True):
        shape[dim] = size
    if last is not None:
        shape[dims[-1]] = last
    return tuple(shape)


def _cost(inputs: Any, results: Any) -> int:
    count = max(results[0].numel, inputs[0].numel)
    return int(count * max(math.log2(count + 2), 1))


def _complex_meta(input: Meta, shape: tuple[int, ...]) -> Meta:
    return meta_of(shape, input.dtype if input.dtype.is_complex else input.dtype.to_complex(), input.device)


def _real_meta(input: Meta, shape: tuple[int, ...]) -> Meta:
    return meta_of(shape, input.dtype.to_real() if input.dtype.is_complex else input.dtype, input.device)


@op(shape=lambda x, dims, sizes, scale, forward: _complex_meta(x, _resized(x, dims, sizes)), cost=_cost,
    node=lambda inputs: "FftC2CBackward" if inputs[0].dtype.is_complex else "FftR2CBackward")  # fmt: skip
def fft_c2c(xp: Any, x: Array, dims: Any, sizes: Any, scale: float, forward: bool) -> Array:
    """The transform over `dims`, of the input cut or filled up to `sizes`."""
    x = _fitted(xp, x, dims, sizes)
    x = x.astype(np.result_type(x.dtype, np.complex64))
    found = _transform(xp, x, dims, forward)
    return found if scale == 1 else found * np.asarray(scale, x.real.dtype)


@fft_c2c.gradient("x")
def _(xp: Any, g: Array, x_meta: Meta, dims: Any, sizes: Any, scale: float, forward: bool) -> Array:
    found = _transform(xp, g, dims, not forward) * np.asarray(scale, g.real.dtype)
    return _fitted(xp, found, dims, [x_meta.shape[dim] for dim in dims])


def _half(sizes: Sequence[int]) -> int:
    return sizes[-1] // 2 + 1


@op(shape=lambda x, dims, sizes, scale: _complex_meta(x, _resized(x, dims, sizes, _half(sizes))), cost=_cost,
    node="FftR2CBackward")  # fmt: skip
def fft_r2c(xp: Any, x: Array, dims: Any, sizes: Any, scale: float) -> Array:
    """The forward transform of real numbers; of its last dimension only the half that determines the rest."""
    x = _fitted(xp, x, dims, sizes)
    found = xp.fft.rfft(x, axis=dims[-1]).astype(np.result_type(x.dtype, np.complex64))
    found = _transform(xp, found, dims[:-1], True)
    return found if scale == 1 else found * np.asarray(scale, x.dtype)


@fft_r2c.gradient("x")
def _(xp: Any, g: Array, x_meta: Meta, dims: Any, sizes: Any, scale: float) -> Array:
    whole = _fitted(xp, g, dims, sizes)
    found = xp.real(_transform(xp, whole, dims, False)) * np.asarray(scale, g.real.dtype)
    return _fitted(xp, found, dims, [x_meta.shape[dim] for dim in dims])


@op(
    shape=lambda x, dims, sizes, scale: _real_meta(x, _resized(x, dims, sizes)),
    cost=_cost,
    node="FftC2RBackward",
)
def fft_c2r(xp: Any, x: Array, dims: Any, sizes: Any, scale: float) -> Array:
    """The backward transform of a halved one: real numbers."""
    real = np.empty(0, x.dtype).real.dtype
    x = _fitted(xp, x, dims, [*sizes[:-1], _half(sizes)])
    x = x.astype(np.result_type(x.dtype, np.complex64))
    x = _transform(xp, x, dims[:-1], False)
    found = xp.fft.irfft(x, sizes[-1], axis=dims[-1], norm="forward").astype(real)
    return found if scale == 1 else found * np.asarray(scale, real)


@fft_c2r.gradient("x")
def _(xp: Any, g: Array, x_meta: Meta, dims: Any, sizes: Any, scale: float) -> Array:
    last = dims[-1]
    found = xp.fft.rfft(g, axis=last).astype(np.result_type(g.dtype, np.complex64))
    found = _transform(xp, found, dims[:-1], True) * np.asarray(scale, g.dtype)
    # What stands for a pair of conjugates counts twice.
    weights = np.full(found.shape[last], 2.0)
    weights[0] = 1
    if sizes[-1] % 2 == 0:
        weights[-1] = 1
    shape = [1] * found.ndim
    shape[last] = len(weights)
    found = found * weights.reshape(shape).astype(g.dtype)
    return _fitted(xp, found, dims, [x_meta.shape[dim] for dim in dims])


# -- arguments -------------------------------------------------------------------------------------


def _norm(norm: str | None) -> str:
    if norm not in (None, "backward", "ortho", "forward"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm or "backward"


def _as_float(input: Tensor, to_complex: bool = False) -> Tensor:
    """The input as numbers that can be transformed."""
    if not (input.is_floating_point() or input.is_complex()):
        input = input.to(dtypes.get_default_dtype())
    if input.dtype.is_floating_point and input.dtype.itemsize < 4:
        raise RuntimeError(f"Unsupported dtype {input.dtype.scalar_type}")
    return input


def _only_real(input: Tensor, name: str, many: bool) -> Tensor:
    if input.is_complex():
        what = "real-valued" if many else "real"
        raise RuntimeError(f"{name} expects a {what} input tensor, but got {input.dtype.scalar_type}")
    return _as_float(input)


def _one_dim(input: Tensor, dim: int) -> int:
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return canonical_dim(dim, input.ndim)


def _check_points(*sizes: int) -> None:
    for size in sizes:
        if size < 1:
            raise RuntimeError(f"Invalid number of data points ({size}) specified")


def _many_dims(input: Tensor, s: Any, dim: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions to transform, and their sizes."""
    if isinstance(s, int):
        s = (s,)
    if isinstance(dim, int):
        dim = (dim,)
    if dim is not None:
        dims = tuple(canonical_dim(d, input.ndim) for d in dim)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif s is not None:
        if len(s) > input.ndim:
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {input.ndim} dimensions."
            )
        dims = tuple(range(input.ndim - len(s), input.ndim))
    else:
        dims = tuple(range(input.ndim))
    sizes = [int(n) for n in s] if s is not None else [-1] * len(dims)
    for i, d in enumerate(dims):
        if sizes[i] == -1:
            sizes[i] = input.shape[d]
    return dims, tuple(sizes)


def _c2c(input: Tensor, dims: Any, sizes: Any, norm: str | None, forward: bool) -> Tensor:
    scale = _scale(sizes, _norm(norm), forward)
    _check_points(*sizes)
    return apply(fft_c2c, (_as_float(input), dims, sizes, scale, forward))


def _r2c(input: Tensor, dims: Any, sizes: Any, norm: str | None, forward: bool) -> Tensor:
    scale = _scale(sizes, _norm(norm), forward)
    _check_points(*sizes)
    found = apply(fft_r2c, (input, dims, sizes, scale))
    return found if forward else found.conj()


def _c2r(input: Tensor, dims: Any, sizes: Any, norm: str | None, forward: bool) -> Tensor:
    scale = _scale(sizes, _norm(norm), forward)
    _check_points(*sizes)
    input = _as_float(input)
    if forward:
        input = input.conj()  # type: ignore[attr-defined]
    return apply(fft_c2r, (input, dims, sizes, scale))


def _one(input: Tensor, n: int | None, dim: int) -> tuple[tuple[int], tuple[int]]:
    at = _one_dim(input, dim)
    return (at,), (input.shape[at] if n is None else n,)


def _one_back(input: Tensor, n: int | None, dim: int) -> tuple[tuple[int], tuple[int]]:
    at = _one_dim(input, dim)
    return (at,), (2 * (input.shape[at] - 1) if n is None else n,)


def _many_back(input: Tensor, s: Any, dim: Any, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    dims, sizes = _many_dims(input, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    given = (s,) if isinstance(s, int) else s
    if given is None or given[-1] == -1:
        sizes = (*sizes[:-1], 2 * (input.shape[dims[-1]] - 1))
    return dims, sizes


def _many_half(input: Tensor, s: Any, dim: Any, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    dims, sizes = _many_dims(input, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    return dims, sizes


# -- one dimension ---------------------------------------------------------------------------------


@function("fft.fft", out=True)
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform along a dimension.

    Args:
        n: cut the dimension, or fill it up with zeros, to this size first.
        norm: which direction is scaled by 1/n: "backward" (the default), "forward"; or both by its root,
        "ortho".
    """
    return _c2c(input, *_one(input, n, dim), norm, True)


@function("fft.ifft", out=True)
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `fft`."""
    return _c2c(input, *_one(input, n, dim), norm, False)


@function("fft.rfft", out=True)
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The transform of real numbers, without the half that is conjugate to the other."""
    input = _only_real(input, "rfft", False)
    return _r2c(input, *_one(input, n, dim), norm, True)


@function("fft.irfft", out=True)
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `rfft`; `n` tells odd sizes from even ones."""
    return _c2r(input, *_one_back(input, n, dim), norm, False)


@function("fft.hfft", out=True)
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The transform of a signal that is conjugate to its mirror image, given by one half; real."""
    return _c2r(input, *_one_back(input, n, dim), norm, True)


@function("fft.ihfft", out=True)
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `hfft`."""
    input = _only_real(input, "ihfft", False)
    return _r2c(input, *_one(input, n, dim), norm, False)


# -- several dimensions ----------------------------------------------------------------------------


@function("fft.fftn", out=True)
def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform over several dimensions."""
    return _c2c(input, *_many_dims(input, s, dim), norm, True)


@function("fft.ifftn", out=True)
def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `fftn`."""
    return _c2c(input, *_many_dims(input, s, dim), norm, False)


@function("fft.rfftn", out=True)
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The transform of real numbers over several dimensions, the last one halved."""
    input = _only_real(input, "rfftn", True)
    return _r2c(input, *_many_half(input, s, dim, "rfftn"), norm, True)


@function("fft.irfftn", out=True)
def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `rfftn`; `s` tells odd sizes from even ones."""
    return _c2r(input, *_many_back(input, s, dim, "irfftn"), norm, False)


@function("fft.hfftn", out=True)
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`hfft` over several dimensions, the last one halved."""
    return _c2r(input, *_many_back(input, s, dim, "hfftn"), norm, True)


@function("fft.ihfftn", out=True)
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `hfftn`."""
    if input.is_complex():
        raise RuntimeError(f"Only supports floating-point dtypes, but found: {input.dtype.scalar_type}")
    input = _as_float(input)
    return _r2c(input, *_many_half(input, s, dim, "ihfftn"), norm, False)


def _declare_two(name: str) -> None:
    """The form of a function of several dimensions whose default is the last two."""
    several = registry[f"fft.{name}n"]

    @function(f"fft.{name}2", out=True)
    def two(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
        return several(input, s, dim, norm)

    registry[f"fft.{name}2"].__name__ = f"{name}2"
    registry[f"fft.{name}2"].__doc__ = f"`{name}n` over the last two dimensions."


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _declare_two(_name)


# -- frequencies and shifts ------------------------------------------------------------------------


def _frequencies(
    values: np.ndarray, n: int, d: float, out: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    dtype = dtype or dtypes.get_default_dtype()
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError("fftfreq requires a floating point or complex dtype")
    tensor = registry["tensor"](values.tolist(), dtype=dtype, device=device)
    found = tensor * (1.0 / (n * d)) if n else tensor
    if out is not None:
        return out.copy_(found) if out.shape == found.shape else out.resize_(found.shape).copy_(found)
    return found.requires_grad_(requires_grad)


@function("fft.fftfreq")
def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of `fft`'s results, for samples `d` apart: zero, the positive, the negative ones."""
    values = np.concatenate([np.arange((n + 1) // 2), np.arange(-(n // 2), 0)])
    return _frequencies(values, n, d, out, dtype, device, requires_grad)


@function("fft.rfftfreq")
def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of `rfft`'s results, for samples `d` apart."""
    return _frequencies(np.arange(n // 2 + 1), n, d, out, dtype, device, requires_grad)


def _shift_dims(input: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(input.ndim))
    return tuple(canonical_dim(d, input.ndim) for d in ((dim,) if isinstance(dim, int) else dim))


@function("fft.fftshift")
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Moves the zero frequency to the middle."""
    dims = _shift_dims(input, dim)
    return input.roll([input.shape[d] // 2 for d in dims], dims) if dims else input  # type: ignore[attr-defined]


@function("fft.ifftshift")
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    dims = _shift_dims(input, dim)
    return input.roll([(input.shape[d] + 1) // 2 for d in dims], dims) if dims else input  # type: ignore[attr-defined]
