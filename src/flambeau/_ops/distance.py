"""Norms of vectors, distances between them, and what is made of both."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core.declare import (
    EXACT,
    PROMOTE,
    Array,
    Dims,
    broadcast_shapes,
    canonical_dim,
    canonical_dims,
    registry,
)
from flambeau._core.dispatch import apply, function, op, write_out
from flambeau._core.dtype import dtype as DType
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.reduce import reduced_shape, restored
from flambeau._ops.sums import total
from flambeau._ops.supported import result_type

# -- the norm of arrays ----------------------------------------------------------------------------


def norm_values(xp: Any, x: Any, order: float, axes: Any, keepdims: bool) -> Any:
    """The norm over `axes`; sums of nothing are 0."""
    size = xp.abs(x)
    if size.size == 0:
        return xp.sum(size, axis=axes, keepdims=keepdims)
    if order == math.inf:
        return xp.max(size, axis=axes, keepdims=keepdims)
    if order == -math.inf:
        return xp.min(size, axis=axes, keepdims=keepdims)
    if order == 0:
        return xp.sum((x != 0).astype(size.dtype), axis=axes, keepdims=keepdims)
    if order == 1:
        return total(xp, size, axes, keepdims)
    if order == 2:
        return xp.sqrt(total(xp, size * size, axes, keepdims))
    return total(xp, size**order, axes, keepdims) ** (1 / order)


def _direction(xp: Any, x: Any, size: Any) -> Any:
    """The sign, or for complex numbers `x / abs(x)`; 0 at 0."""
    if x.dtype.kind != "c":
        return xp.sign(x)
    return xp.where(size == 0, 0, x / xp.where(size == 0, 1, size))


def norm_gradient(xp: Any, g: Any, x: Any, norm: Any, order: float, axes: Any) -> Any:
    """The gradient of `norm_values`, with `g` and `norm` in kept dimensions; 0 where the norm is 0, as in
    PyTorch.
    """
    zero = norm == 0
    size = xp.abs(x)
    nothing = xp.zeros((), size.dtype)
    if order == 0:
        return xp.zeros_like(x)
    if order == 1:
        return _direction(xp, x, size) * g
    if order == 2:
        return x * xp.where(zero, nothing, g / xp.where(zero, 1, norm))
    if math.isinf(order):
        chosen = (size == norm) | (xp.isnan(size) & xp.isnan(norm))
        return _direction(xp, x, size) * xp.where(
            chosen, g / xp.sum(chosen, axis=axes, keepdims=True), nothing
        )
    if order < 1:
        slope = _direction(xp, x, size) * xp.where(
            size == 0, nothing, xp.where(size == 0, 1, size) ** (order - 1)
        )
        return slope * g * norm ** (1 - order)
    scale = xp.where(zero, nothing, g / xp.where(zero, 1, norm) ** (order - 1))
    if order < 2:
        return (
            _direction(xp, x, size)
            * xp.where(size == 0, nothing, xp.where(size == 0, 1, size) ** (order - 1))
            * scale
        )
    return x * size ** (order - 2) * scale


# -- norms -----------------------------------------------------------------------------------------


def _norm_dtype(input: Meta, ord: float, dim: Any, keepdim: bool, dtype: DType | None) -> DType:
    return input.dtype if dtype is None else dtype


def _real_norm(input: Meta, ord: float, dim: Any, keepdim: bool, dtype: DType | None) -> DType:
    return _norm_dtype(input, ord, dim, keepdim, dtype).to_real()


def _check_norm(name: str, input: Meta, ord: float, dim: Any, keepdim: bool, dtype: DType | None) -> None:
    who = "linalg.vector_norm"
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        error = RuntimeError(
            f"{who}: Expected a floating point or complex tensor as input. Got {input.dtype.scalar_type}"
        )
        error.add_note("Convert it first, for instance with `.float()`.")
        raise error
    if dtype is not None:
        if not (dtype.is_floating_point or dtype.is_complex):
            raise RuntimeError(f"{who}: dtype should be floating point or complex. Got {dtype.scalar_type}")
        if dtype.is_complex is not input.dtype.is_complex:
            what = "complex for complex" if input.dtype.is_complex else "real for real"
            raise RuntimeError(f"{who}: dtype should be {what} inputs, but got {dtype.scalar_type}")
        if result_type(input, input.with_dtype(dtype)) is not dtype:
            raise RuntimeError(
                f"{who}: the dtype of the input ({input.dtype.scalar_type}) should be convertible without "
                "narrowing to the "
                f"specified dtype ({dtype.scalar_type})"
            )
    if input.numel == 0 and (ord < 0 or ord == math.inf):
        what = f"{ord:g}"
        if dim is None or not len(dim):
            raise RuntimeError(
                f"{who} cannot compute the {what} norm on an empty tensor because the operation does not "
                "have an identity"
            )
        for each in canonical_dims(dim, input.ndim):
            if input.shape[each] == 0:
                raise RuntimeError(
                    f"{who} cannot compute the {what} norm on the dimension {each}because this dimension "
                    "is empty and the "
                    "operation does not have an identity"
                )


def _norm_shape(input: Meta, ord: float, dim: Any, keepdim: bool, dtype: Any) -> tuple[int, ...]:
    return reduced_shape(input, dim, keepdim)


@op(
    promote=_norm_dtype,
    result=_real_norm,
    dtypes=_check_norm,
    shape=_norm_shape,
    node="LinalgVectorNormBackward0",
)
def norm_op(xp: Any, input: Array, ord: float, dim: Dims | None, keepdim: bool, dtype: Any) -> Array:
    return norm_values(xp, input, ord, canonical_dims(dim, input.ndim), keepdim)


@norm_op.gradient("input", unless=lambda input, ord, *_: ord == 0)
def _(xp: Any, g: Array, input: Array, output: Array, ord: float, dim: Any, keepdim: bool) -> Array:
    g, output = (restored(xp, array, dim, keepdim, input.ndim) for array in (g, output))
    return norm_gradient(xp, g, input, output, ord, canonical_dims(dim, input.ndim))


@function("linalg.vector_norm", out=EXACT)
def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The norm of order `ord` of all elements, or of the vectors along `dim`."""
    return apply(norm_op, (x, ord, dim, keepdim, dtype))


def _matrix_norm(input: Tensor, p: str, dim: Any, keepdim: bool, dtype: DType | None) -> Tensor:
    if dim is not None and (isinstance(dim, int) or len(dim) != 2):
        raise RuntimeError(
            f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim if isinstance(dim, int) else list(dim)}"
        )
    if p != "nuc":
        raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
    dims = (-2, -1) if dim is None else tuple(dim)
    return registry["linalg.matrix_norm"](input, "nuc", dims, keepdim, dtype=dtype)


@function("norm")
def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """The norm of order `p` ("fro": 2; "nuc": the sum of singular values) over `dim`, or of all elements."""
    if isinstance(p, str) and p != "fro":
        result = _matrix_norm(input, p, dim, keepdim, dtype)
    else:
        result = apply(norm_op, (input, 2.0 if p is None or p == "fro" else p, dim, keepdim, dtype))
    return result if out is None else write_out(out, result, "norm")


@function("Tensor.norm")
def norm_method(
    self: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: DType | None = None
) -> Tensor:
    """The norm of order `p` over `dim`, or of all elements; see `torch.norm`."""
    return norm(self, p, dim, keepdim, dtype=dtype)


# -- distances of pairs ----------------------------------------------------------------------------


@op(
    "dist",
    "Tensor.dist",
    promote=PROMOTE,
    node="DistBackward0",
    result=lambda a, b, p: result_type(a, b).to_real(),
    shape=lambda input, other, p: broadcast_shapes(input.shape, other.shape) and (),
)
def dist(xp: Any, input: Array, other: Array, p: float = 2) -> Array:
    """The norm of order `p` of `input - other`."""
    return norm_values(xp, input - other, p, None, False)


@dist.gradient("input", "other", unless=lambda input, other, p: p == 0)
def _(xp: Any, g: Array, input: Array, other: Array, output: Array, p: float) -> tuple[Array, Array]:
    found = norm_gradient(xp, g, input - other, output, p, None)
    return found, -found


@function("nn.functional.pairwise_distance", "pairwise_distance")
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The norm of `x1 - x2 + eps` along the last dimension."""
    return apply(norm_op, (x1 - x2 + eps, p, (max(x1.dim(), x2.dim(), 1) - 1,), keepdim, None))


@function("nn.functional.cosine_similarity", "cosine_similarity")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`; norms count as `eps` at least."""
    common = result_type(x1._meta, x2._meta)
    if not (common.is_floating_point or common.is_complex):
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {common.scalar_type}"
        )
    shape = broadcast_shapes(x1._meta.shape, x2._meta.shape)
    parts = []
    for x in (x1, x2):
        x = x.expand(shape).to(common)
        length = apply(norm_op, (x, 2.0, (dim,), True, None))
        with no_grad():
            # Not below eps, yet with a gradient there.
            missing = length.clamp_min(eps) - length
        parts.append(x / (length + missing))
    return (parts[0] * parts[1]).sum(dim)


@function("nn.functional.normalize")
def normalize(
    input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Vectors along `dim`, divided by their norm (by `eps` where that is smaller).

    >>> import flambeau
    >>> flambeau.nn.functional.normalize(flambeau.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    result = input / apply(norm_op, (input, p, dim, True, None)).clamp_min(eps)
    return result if out is None else write_out(out, result, "normalize")


# -- renorm ----------------------------------------------------------------------------------------


def _check_renorm(name: str, input: Meta, p: float, dim: int, maxnorm: float) -> None:
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    _check_norm(name, input, p, None, False, None)


def _renorm_parts(xp: Any, input: Any, p: float, dim: int, maxnorm: float) -> tuple[Any, Any, Any, Any]:
    axes = tuple(i for i in range(input.ndim) if i != dim % input.ndim)
    norm = norm_values(xp, input, p, axes, True)
    over = norm > maxnorm
    return axes, norm, over, maxnorm / (norm + 1e-7)


@op(
    "renorm",
    "Tensor.renorm",
    "Tensor.renorm_",
    out=EXACT,
    dtypes=_check_renorm,
    shape=lambda input, p, dim, maxnorm: (canonical_dim(dim, input.ndim), input.shape)[1],
)
def renorm(xp: Any, input: Array, p: float, dim: int, maxnorm: float) -> Array:
    """Slices along `dim` whose norm exceeds `maxnorm`, scaled down to it."""
    _, _, over, scale = _renorm_parts(xp, input, p, dim, maxnorm)
    return xp.where(over, input * scale, input)


@renorm.gradient("input")
def _(xp: Any, g: Array, input: Array, p: float, dim: int, maxnorm: float) -> Array:
    axes, norm, over, scale = _renorm_parts(xp, input, p, dim, maxnorm)
    along = xp.sum(xp.real(xp.conj(input) * g), axis=axes, keepdims=True)
    through_norm = norm_gradient(xp, -along * scale / (norm + 1e-7), input, norm, p, axes)
    return xp.where(over, g * scale + through_norm, g)


# -- all pairs -------------------------------------------------------------------------------------

_COMPUTE_MODES = {
    None: 0,
    "use_mm_for_euclid_dist_if_necessary": 0,
    "use_mm_for_euclid_dist": 1,
    "donot_use_mm_for_euclid_dist": 2,
}


def _cdist_shape(x1: Meta, x2: Meta, p: float, by_product: bool) -> tuple[int, ...]:
    return (*broadcast_shapes(x1.shape[:-2], x2.shape[:-2]), x1.shape[-2], x2.shape[-2])


def _euclidean(xp: Any, a: Any, b: Any) -> Any:
    """Distances by `|a|^2 + |b|^2 - 2 ab`."""
    square = xp.sum(a * a, axis=-1)[..., :, None] + xp.sum(b * b, axis=-1)[..., None, :]
    return xp.sqrt(xp.maximum(square - 2 * xp.matmul(a, xp.swapaxes(b, -1, -2)), xp.zeros((), a.dtype)))


@op(
    shape=_cdist_shape,
    node="CdistBackward0",
    cost=lambda inputs, results: results[0].numel * inputs[0].shape[-1],
)
def all_distances(xp: Any, x1: Array, x2: Array, p: float, by_product: bool) -> Array:
    if x1.shape[-1] == 0:
        shape = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
        return xp.zeros((*shape, x1.shape[-2], x2.shape[-2]), x1.dtype)
    if by_product:
        return _euclidean(xp, x1, x2)
    return norm_values(xp, x1[..., :, None, :] - x2[..., None, :, :], p, -1, False)


@all_distances.gradient("x1", "x2")
def _(
    xp: Any, g: Array, x1: Array, x2: Array, output: Array, p: float, by_product: bool
) -> tuple[Array, Array]:
    if p == 2:
        # Weights of the differences `x1[i] - x2[j]`; both sums over j and i are matrix products.
        ratio = xp.where(output == 0, xp.zeros((), g.dtype), g / xp.where(output == 0, 1, output))
        to_first = x1 * xp.sum(ratio, axis=-1)[..., None] - xp.matmul(ratio, x2)
        to_second = x2 * xp.sum(ratio, axis=-2)[..., None] - xp.matmul(xp.swapaxes(ratio, -1, -2), x1)
        return to_first, to_second
    difference = x1[..., :, None, :] - x2[..., None, :, :]
    found = pair_gradient(xp, g, difference, output, p)
    return xp.sum(found, axis=-2), -xp.sum(found, axis=-3)


def pair_gradient(xp: Any, g: Any, difference: Any, distance: Any, p: float) -> Any:
    """The gradient of distances with respect to differences; at the maximum norm every largest difference
    takes all.
    """
    if p == math.inf:
        wide = distance[..., None]
        return xp.sign(difference) * (xp.abs(difference) == wide) * g[..., None]
    return norm_gradient(xp, g[..., None], difference, distance[..., None], p, -1)


@function("cdist", checked=True)
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """Distances of order `p` between each row of `x1` and each of `x2`.

    Shape: `(*, P, M)` and `(*, R, M)` give `(*, P, R)`.
    """
    if compute_mode not in _COMPUTE_MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for which, x in (("X1", x1), ("X2", x2)):
        if x.dim() < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {which} got: {x.dim()}D")
        if not x.is_floating_point():
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {which} got: {x.dtype.scalar_type}"
            )
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if x1.dtype is not x2.dtype:
        raise RuntimeError(f"expected scalar type {x1.dtype.scalar_type} but found {x2.dtype.scalar_type}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    mode = _COMPUTE_MODES[compute_mode]
    large = x1.shape[-2] > 25 or x2.shape[-2] > 25
    return apply(all_distances, (x1, x2, p, p == 2 and (mode == 1 or (mode == 0 and large))))


def _pairs(count: int) -> tuple[Any, Any]:
    return np.triu_indices(count, 1)


@op(shape=lambda input, p: (input.shape[0] * (input.shape[0] - 1) // 2,), node="PdistBackward0")
def own_distances(xp: Any, input: Array, p: float) -> Array:
    first, second = _pairs(input.shape[0])
    if input.shape[1] == 0:
        return xp.zeros(first.shape, input.dtype)
    return norm_values(xp, input[first] - input[second], p, -1, False)


@own_distances.gradient("input")
def _(xp: Any, g: Array, input: Array, output: Array, p: float) -> Array:
    first, second = _pairs(input.shape[0])
    if not first.size or not input.shape[1]:
        return xp.zeros_like(input)
    found = pair_gradient(xp, g, input[first] - input[second], output, p)
    # As a square table of pairs, the gradient of each row is a row's sum less a column's.
    count = input.shape[0]
    where = np.zeros((count, count), np.int64)
    where[first, second] = np.arange(first.size)
    upper = np.triu(np.ones((count, count), bool), 1)[:, :, None]
    table = xp.where(upper, found[where], xp.zeros((), found.dtype))
    return xp.sum(table, axis=1) - xp.sum(table, axis=0)


@function("nn.functional.pdist", "pdist", checked=True)
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """Distances of order `p` between all pairs of rows, as the upper triangle of `cdist(input, input)`."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    return apply(own_distances, (input, p))
