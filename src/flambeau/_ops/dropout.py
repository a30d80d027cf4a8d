"""Dropout: leaving out a random part of a tensor, element by element or channel by channel.

What is kept is drawn on the host when the call is made, and enters as a mask of bools: one operation, which
saves the mask alone for its gradient.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import KEEP, RAW, Array, Index, Scalar, register, registry
from flambeau._core.dispatch import check_writable, constant, function, op, write
from flambeau._core.random import default_generator
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.factory import preserved_strides
from flambeau._ops.random import drawn_in_order

# The limit of SELU far below zero is -scale * alpha of that function.
_SELU_LIMIT = 1.7580993408473766


def _as_input(input: Meta, *_: Any) -> tuple[int, ...]:
    return input.shape


# -- the operations --------------------------------------------------------------------------------


@op(promote=KEEP, shape=_as_input, pointwise=True, node="MulBackward")
def dropped(xp: Any, input: Array, mask: Index, scale: Scalar) -> Array:
    """The input times `scale` where `mask` keeps it, and times zero elsewhere."""
    return input * (mask.astype(input.dtype) * scale)


@dropped.gradient("input")
def _(xp: Any, g: Array, mask: Array, scale: Any) -> Array:
    return g * (mask.astype(g.dtype) * scale)


@op(promote=KEEP, shape=_as_input, pointwise=True, node="NativeDropoutBackward")
def dropped_natively(xp: Any, input: Array, mask: Index, scale: Scalar, slope: Scalar) -> Array:
    """The same for `native_dropout`; its gradient's scale, `slope`, is not rounded to the input's dtype."""
    return input * (mask.astype(input.dtype) * scale)


@dropped_natively.gradient("input")
def _(xp: Any, g: Array, mask: Array, slope: Any) -> Array:
    return g * (mask.astype(g.dtype) * slope)


@op(promote=RAW, shape=lambda input, *_: input, pointwise=True, node="AddBackward")
def alpha_dropped(xp: Any, input: Array, mask: Index, scale: Scalar, kept: Scalar, lost: Scalar) -> Array:
    """The input times `scale` plus `kept` where `mask` keeps it, and times zero plus `lost` elsewhere."""
    dtype = input.dtype
    wide = np.dtype(np.float32) if dtype.itemsize == 2 else dtype
    scaled = input.astype(wide) * (mask.astype(wide) * xp.asarray(scale).astype(wide))
    shift = xp.where(mask, xp.asarray(kept).astype(wide), xp.asarray(lost).astype(wide))
    # PyTorch rounds after each of the two steps.
    return (scaled.astype(dtype).astype(wide) + shift).astype(dtype)


@alpha_dropped.gradient("input")
def _(xp: Any, g: Array, mask: Array, scale: Any) -> Array:
    wide = np.dtype(np.float32) if g.dtype.itemsize == 2 else g.dtype
    return (g.astype(wide) * (mask.astype(wide) * xp.asarray(scale).astype(wide))).astype(g.dtype)


# -- masks and factors -----------------------------------------------------------------------------


def _check_p(p: Any) -> float:
    chance = float(p)
    if not 0 <= chance <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {chance:g}")
    return chance


def _check_tensor(input: Any, name: str) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


def _check_dtype(dtype: dtypes.dtype) -> None:
    if dtype.is_complex:
        raise NotImplementedError(f"\"bernoulli_scalar_cpu_\" not implemented for '{dtype.scalar_type}'")
    if not dtype.is_floating_point:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {dtype.scalar_type}")


def _mask(input: Tensor, p: float, shape: tuple[int, ...] | None = None) -> Tensor:
    """Which elements are kept; `shape` is the mask's where it is not the input's.

    A mask of the input's shape is drawn in the order of its memory, as PyTorch does.
    """
    meta = meta_of(input._meta.shape if shape is None else shape, dtypes.bool_, input._meta.device)
    stride = preserved_strides(input) if shape is None and input._stride is not None else None
    result = drawn_in_order(
        lambda generator, sizes, dtype, contiguous: generator.dropout_mask(p, sizes),
        default_generator,
        meta,
        stride,
    )
    if stride is not None:
        result._stride = stride
    return result


def _rounded(value: float, dtype: dtypes.dtype) -> float:
    return float(np.asarray(value, dtype.np))


def _scale(p: float, dtype: dtypes.dtype) -> float:
    """`1 / (1 - p)` as PyTorch divides in that dtype: 16-bit floats divide as float32."""
    wide = np.float64 if dtype is dtypes.float64 else np.float32
    return _rounded(float(wide(1) / wide(1 - p)), dtype)


def _channels(input: Tensor) -> tuple[int, ...]:
    shape = input._meta.shape
    if len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*shape[:2], *(1,) * (len(shape) - 2))


# -- what the functions do to a tensor in training -------------------------------------------------


def _dropout(input: Tensor, p: float, shape: tuple[int, ...] | None = None) -> Tensor:
    if p == 1:
        return registry["mul"](input, 0)
    dtype = input._meta.dtype
    _check_dtype(dtype)
    return dropped(input, _mask(input, p, shape), _scale(p, dtype))


def _alpha_dropout(input: Tensor, p: float, shape: tuple[int, ...] | None = None) -> Tensor:
    if p == 1:
        return registry["mul"](input, 0)
    dtype = input._meta.dtype
    _check_dtype(dtype)
    mask = _mask(input, p, shape)
    a = 1.0 / math.sqrt((_SELU_LIMIT**2 * p + 1) * (1 - p))
    kept = _rounded(_SELU_LIMIT * a * p, dtype)
    lost = _rounded(_rounded(-_SELU_LIMIT * a, dtype) + kept, dtype)
    return alpha_dropped(input, mask, _rounded(a, dtype), kept, lost)


def _feature_dropout(input: Tensor, p: float) -> Tensor:
    return _dropout(input, p, _channels(input))


def _feature_alpha_dropout(input: Tensor, p: float) -> Tensor:
    return _alpha_dropout(input, p, _channels(input))


def _run(
    kernel: Callable[[Tensor, float], Tensor], input: Tensor, p: float, train: bool, inplace: bool
) -> Tensor:
    """The input itself where there is nothing to drop."""
    if p == 0 or not train or not input._meta.numel:
        return input
    if not inplace:
        return kernel(input, p)
    check_writable(input)
    return write(input, kernel(input, p))


# -- torch.dropout and its kin ---------------------------------------------------------------------


def _declare(name: str, kernel: Callable[[Tensor, float], Tensor], doc: str) -> None:
    """Declares `torch.name` and `torch.name_`."""

    def out_of_place(input: Tensor, p: float, train: bool) -> Tensor:
        _check_tensor(input, name)
        return _run(kernel, input, _check_p(p), train, False)

    def in_place(input: Tensor, p: float, train: bool) -> Tensor:
        _check_tensor(input, f"{name}_")
        return _run(kernel, input, _check_p(p), train, True)

    out_of_place.__doc__, in_place.__doc__ = doc, f"`{name}` in place."
    for public, suffix in ((out_of_place, ""), (in_place, "_")):
        public.__name__ = public.__qualname__ = name + suffix
        register(name + suffix, public)


_declare(
    "dropout",
    _dropout,
    "If `train`, zeros with probability `p`, and the other elements times `1 / (1 - p)`.",
)
_declare("feature_dropout", _feature_dropout, "`dropout` of whole channels, which are dimension 1.")
_declare("alpha_dropout", _alpha_dropout, "Dropout that keeps the mean and variance of SELU's outputs.")
_declare("feature_alpha_dropout", _feature_alpha_dropout, "`alpha_dropout` of whole channels.")


@function("native_dropout")
def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """`dropout`, and the mask of what it kept; `train=None` means training."""
    _check_tensor(input, "native_dropout")
    dtype = input._meta.dtype
    if not input._meta.numel:
        return input, registry["empty_like"](input)
    if train is False:
        ones = constant(np.ones(input._meta.shape, np.bool_), dtypes.bool_, input._meta)
        return dropped_natively(input, ones, 1.0, 1.0), ones
    mask = _mask(input, float(p))
    _check_dtype(dtype)
    slope = 0.0 if p == 1 else 1.0 / (1.0 - p)
    return dropped_natively(input, mask, _rounded(slope, dtype), slope), mask


# -- nn.functional ---------------------------------------------------------------------------------


def _check_probability(p: Any) -> float:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return float(p)


@function("nn.functional.dropout")
def functional_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, makes each element zero with probability `p`, and scales the others up by `1 / (1 - p)`.

    Raises: ValueError, if `p` is no probability.
    Source: Hinton et al. 2012, arXiv:1207.0580.
    """
    p = _check_probability(p)
    _check_tensor(input, "dropout")
    return _run(_dropout, input, p, training, inplace)


@function("nn.functional.alpha_dropout")
def functional_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for networks of SELUs: what is left out becomes their negative limit; mean and variance stay.

    Raises: ValueError, if `p` is no probability.
    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """
    p = _check_probability(p)
    _check_tensor(input, "alpha_dropout")
    return _run(_alpha_dropout, input, p, training, inplace)


@function("nn.functional.feature_alpha_dropout")
def functional_feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels, which are dimension 1.

    Raises: ValueError, if `p` is no probability; RuntimeError, if there is no dimension 1.
    """
    p = _check_probability(p)
    _check_tensor(input, "feature_alpha_dropout")
    return _run(_feature_alpha_dropout, input, p, training, inplace)


def _without_batch(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Dropout of whole channels that are dimension 0."""
    result = _run(_feature_dropout, input.unsqueeze(0), p, training, inplace)  # type: ignore[attr-defined]
    return input if inplace else result.squeeze(0)  # type: ignore[attr-defined]


@function("nn.functional.dropout1d")
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, makes each channel zero with probability `p`, and scales the others by `1 / (1 - p)`.

    Shape: input `(N, C, L)` or `(C, L)`; output the same.
    Raises: ValueError, if `p` is no probability; RuntimeError for another number of dimensions.
    Source: Tompson et al. 2014, arXiv:1411.4280.
    """
    p = _check_probability(p)
    _check_tensor(input, "dropout1d")
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d "
            "exists to provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, "
            "and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if input.ndim == 2:
        return _without_batch(input, p, training, inplace)
    return _run(_feature_dropout, input, p, training, inplace)


def _warn_of_dimensions(name: str, ndim: int, spatial: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a "
        "future release. To retain the behavior and silence this warning, please use dropout instead. Note "
        f"that {name} exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a "
        f"channel dimension, and an optional batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
        UserWarning,
        stacklevel=3,
    )


@function("nn.functional.dropout2d")
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout1d` for images.

    Shape: input `(N, C, H, W)`, or `(N, C, L)` with a warning; output the same.
    Raises: ValueError, if `p` is no probability.
    """
    p = _check_probability(p)
    _check_tensor(input, "dropout2d")
    if input.ndim not in (3, 4):
        _warn_of_dimensions("dropout2d", input.ndim, 2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior "
            "is desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior "
            "will change in a future release to interpret the input as one without a batch dimension, i.e. "
            "shape (C, H, W). To maintain the 1D channel-wise dropout behavior, please switch to using "
            "dropout1d instead.",
            UserWarning,
            stacklevel=2,
        )
    return _run(_feature_dropout, input, p, training, inplace)


@function("nn.functional.dropout3d")
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout1d` for volumes.

    Shape: input `(N, C, D, H, W)` or `(C, D, H, W)`; output the same.
    Raises: ValueError, if `p` is no probability.
    """
    p = _check_probability(p)
    _check_tensor(input, "dropout3d")
    if input.ndim not in (4, 5):
        _warn_of_dimensions("dropout3d", input.ndim, 3)
    if input.ndim != 5:
        return _without_batch(input, p, training, inplace)
    return _run(_feature_dropout, input, p, training, inplace)
