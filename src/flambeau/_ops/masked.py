"""Reductions and normalizations of the elements where a mask holds: PyTorch's `torch.masked`.

Everywhere else the identity of the operation stands: what can join in without changing the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.declare import registry
from flambeau._core.dispatch import function
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._ops.numbers import as_number

Dim = int | Sequence[int] | None


# -- masks, identities, dimensions -----------------------------------------------------------------


def _dims(dim: Dim, ndim: int) -> tuple[int, ...]:
    """The dimensions in order, counted from the front; all of them for None and ()."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    limit, found = max(ndim, 1), []
    given = (dim,) if isinstance(dim, int) else dim
    for number, each in enumerate(given):
        if each in given[:number]:
            raise RuntimeError(f"dim={each} appears multiple times in the list of dims")
        if not -limit <= each < limit:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {each})"
            )
        found.append(each % limit)
    return tuple(sorted(found))


def _bounds(name: str, dtype: DType) -> tuple[float, float]:
    """The least and the greatest value of a dtype."""
    if dtype.is_floating_point:
        return -math.inf, math.inf
    if dtype is dtypes.bool_:
        raise NotImplementedError(f"identity of {name} on {dtype} input")
    limits = dtypes.iinfo(dtype)
    return limits.min, limits.max


def _identity(name: str, dtype: DType, ord: float | None = 2.0) -> Any:
    """The number that changes nothing when it joins in the operation `name`."""
    if name in ("sum", "norm"):
        if name == "norm" and ord == -math.inf:
            assert dtype.is_floating_point, f"input must be floating point, got {dtype}"
            return math.inf
        return as_number(0, dtype)
    if name == "prod":
        return as_number(1, dtype)
    if name == "median":
        return math.nan
    if name == "logsumexp" and dtype.is_complex:
        return complex(-math.inf, 0)
    least, greatest = _bounds(name, dtype)
    return greatest if name in ("amin", "argmin") else least


def _full_mask(input: Tensor, mask: Tensor) -> Tensor:
    """The mask as booleans in the shape of the input."""
    found: Any = mask
    if mask.shape != input.shape:
        if mask.dim() > input.dim():
            raise IndexError(
                "_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)"
            )
        found = found.broadcast_to(input.shape)
    return found.to(dtypes.bool_)


def _filled(name: str, input: Tensor, mask: Tensor | None, ord: float | None = 2.0) -> Any:
    """The input with the identity of the operation `name` where the mask does not hold."""
    if mask is None:
        return input
    held = _full_mask(input, mask)
    identity = registry["full"]((), _identity(name, input.dtype, ord), dtype=input.dtype, device=input.device)
    return registry["where"](held, input, identity)


def _summed_dtype(input: Tensor, dtype: DType | None) -> DType:
    if dtype is not None:
        return dtype
    found = input.dtype
    return found if found.is_floating_point or found.is_complex else dtypes.int64


# -- reductions ------------------------------------------------------------------------------------


@function("masked.sum")
def sum(
    input: Tensor,
    dim: Dim = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The sum over `dim`, or over everything, of the elements where the mask holds.

    >>> import flambeau
    >>> flambeau.masked.sum(flambeau.tensor([1, 2, 3]), mask=flambeau.tensor([True, False, True]))
    tensor(4)
    """
    filled = _filled("sum", input, mask)
    return filled.sum(_dims(dim, input.dim()), bool(keepdim), dtype=_summed_dtype(input, dtype))


@function("masked.prod")
def prod(
    input: Tensor,
    dim: Dim = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The product over `dim`, or over everything, of the elements where the mask holds."""
    found = _filled("prod", input, mask).to(_summed_dtype(input, dtype))
    for each in reversed(_dims(dim, input.dim())):
        found = found.prod(dim=each, keepdim=bool(keepdim))
    return found


@function("masked.amax")
def amax(
    input: Tensor,
    dim: Dim = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The greatest element over `dim`, or of everything, where the mask holds."""
    filled = _filled("amax", input, mask)
    return filled.amax(_dims(dim, input.dim()), bool(keepdim)).to(dtype or input.dtype)


@function("masked.amin")
def amin(
    input: Tensor,
    dim: Dim = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The least element over `dim`, or of everything, where the mask holds."""
    filled = _filled("amin", input, mask)
    return filled.amin(_dims(dim, input.dim()), bool(keepdim)).to(dtype or input.dtype)


@function("masked.argmax")
def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Where along `dim`, or in the flat input, the greatest element is; as the input's dtype unless told."""
    return _filled("argmax", input, mask).argmax(dim, bool(keepdim)).to(dtype or input.dtype)


@function("masked.argmin")
def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Where along `dim`, or in the flat input, the least element is; as the input's dtype unless told."""
    return _filled("argmin", input, mask).argmin(dim, bool(keepdim)).to(dtype or input.dtype)


def _count(input: Tensor, dim: Dim, keepdim: bool, mask: Tensor | None) -> Any:
    """How many elements there are over `dim` where the mask holds."""
    if mask is None:
        mask = registry["ones"](input.shape, dtype=dtypes.int64, device=input.device)
        dim = _dims(dim, input.dim())
    return mask.sum(dim=dim, keepdim=keepdim)  # type: ignore[attr-defined]


@function("masked.mean")
def mean(
    input: Tensor,
    dim: Dim = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The mean over `dim`, or over everything, of the elements where the mask holds; nan where it nowhere does.

    Raises: ValueError, for integers: convert them first, or give `dtype`.
    """
    found, which = (input.dtype, "Input") if dtype is None else (dtype, "Optional")
    if not (found.is_floating_point or found.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {which} dtype must be either a floating point or complex "
            f"dtype. Got: {found}"
        )
    held = None if mask is None else _full_mask(input, mask)
    count = _count(input, dim, bool(keepdim), held)
    return sum(input, dim, keepdim=keepdim, dtype=found, mask=held) / count


@function("masked.median")
def median(
    input: Tensor,
    dim: int = -1,
    *,
    keepdim: bool = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The lower median along `dim` of the elements where the mask holds; nan where it nowhere does.

    Raises: ValueError, where it nowhere holds and the input holds integers, which have no nan.
    """
    at = _dims(dim, input.dim())[0]
    floating: Any = input if input.is_floating_point() else input.to(dtypes.float32)
    found = registry["nanmedian"](_filled("median", floating, mask), at, keepdim).values
    if floating is input:
        return found
    if found.isnan().any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(dtype or input.dtype)


@function("masked.logsumexp")
def logsumexp(
    input: Tensor,
    dim: Dim = None,
    *,
    keepdim: bool = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The logarithm of the sum over `dim`, or over everything, of the exponentials where the mask holds."""
    filled = _filled("logsumexp", input, mask)
    return filled.logsumexp(_dims(dim, input.dim()), keepdim=keepdim).to(dtype or input.dtype)


@function("masked.logaddexp")
def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: DType | None = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """The logarithm of the sum of two exponentials, each counted where its mask holds."""
    first, second = _filled("logaddexp", input, input_mask), _filled("logaddexp", other, other_mask)
    return first.logaddexp(second).to(dtype or input.dtype)


@function("masked.norm")
def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Dim = None,
    *,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The vector norm over `dim`, or over everything, of the elements where the mask holds."""
    filled = _filled("norm", input, mask, ord)
    dims = _dims(dim, input.dim())
    return registry["linalg.vector_norm"](filled, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def _variance(
    input: Tensor,
    dim: Dim,
    unbiased: bool | None,
    correction: float | None,
    keepdim: bool,
    dtype: DType | None,
    mask: Tensor | None,
) -> Any:
    assert unbiased is None or correction is None, "Only one of unbiased and correction may be given"
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    if dtype is None:
        dtype = input.dtype
        if not (dtype.is_floating_point or dtype.is_complex):
            dtype = dtypes.float32
    compute = dtype if dtype.is_floating_point or dtype.is_complex else dtypes.float32
    held = None if mask is None else _full_mask(input, mask)
    count = _count(input, dim, True, held)
    centred = input - sum(input, dim, keepdim=True, dtype=dtype, mask=held) / count
    total: Any = sum(centred * centred.conj(), dim, keepdim=keepdim, dtype=compute, mask=held)
    if not keepdim:
        count = count.reshape(total.shape)
    if correction:
        count = (count.to(compute.to_real()) - correction).clamp(min=0)
    return registry["divide"](total, count).to(dtype)


@function("masked.var")
def var(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The variance over `dim`, or over everything, of the elements where the mask holds; see `std`."""
    return _variance(input, dim, unbiased, correction, bool(keepdim), dtype, mask)


@function("masked.std")
def std(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    *,
    correction: int | None = None,
    keepdim: bool | None = False,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The standard deviation over `dim`, or over everything, of the elements where the mask holds.

    Args:
        correction: what to subtract from the number of those elements: 1 by default (`unbiased`).
    """
    return _variance(input, dim, unbiased, correction, bool(keepdim), dtype, mask).sqrt()


# -- normalizations: results in the shape of the input ---------------------------------------------


@function("masked.cumsum")
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """The running sum along `dim` of the elements where the mask holds."""
    wanted, at = dtype or input.dtype, _dims(dim, input.dim())[0]
    return _filled("sum", input, mask).cumsum(at, dtype=wanted).to(wanted)


@function("masked.cumprod")
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """The running product along `dim` of the elements where the mask holds."""
    wanted, at = dtype or input.dtype, _dims(dim, input.dim())[0]
    return _filled("prod", input, mask).cumprod(at, dtype=wanted).to(wanted)


@function("masked.softmax")
def softmax(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax along `dim` of the elements where the mask holds; zero elsewhere, nan where it nowhere holds.

    >>> import flambeau
    >>> flambeau.masked.softmax(flambeau.tensor([1.0, 1.0, 1.0]), 0, mask=flambeau.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    at = _dims(dim, input.dim())[0]
    return _filled("amax", input, mask).softmax(at, dtype=dtype or input.dtype)


@function("masked.log_softmax")
def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """The logarithm of `softmax`."""
    at = _dims(dim, input.dim())[0]
    return _filled("amax", input, mask).log_softmax(at, dtype=dtype or input.dtype)


@function("masked.softmin")
def softmin(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """`softmax` of the negated input."""
    at = _dims(dim, input.dim())[0]
    return registry["nn.functional.softmin"](_filled("amin", input, mask), at, dtype=dtype or input.dtype)


@function("masked.normalize")
def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The input divided by its norm along `dim` (by `eps`, if that is more), both where the mask holds."""
    filled = _filled("sum", input, mask)
    length: Any = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return filled / length.maximum(length.new_full([], eps))
