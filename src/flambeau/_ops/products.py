"""Products of a particular kind: Kronecker, cross, bilinear, chains and powers of matrices; and the trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT_APART, PROMOTE, RAW, Array, Out, broadcast_shapes, canonical_dim
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.einsum import contract, contract_gradient
from flambeau._ops.matmul import no_bools

# -- Kronecker -------------------------------------------------------------------------------------


def _interleaved(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of both factors in which their dimensions alternate."""
    ndim = max(len(a), len(b))
    a, b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    return tuple(n for size in a for n in (size, 1)), tuple(n for size in b for n in (1, size))


def _kron_shape(input: Meta, other: Meta) -> tuple[int, ...]:
    left, right = _interleaved(input.shape, other.shape)
    return tuple(a * b for a, b in zip(left[::2], right[1::2], strict=True))


@op("kron", "Tensor.kron", out=True, promote=PROMOTE, shape=_kron_shape, node="ViewBackward")
def kron(xp: Any, input: Array, other: Array) -> Array:
    """The Kronecker product: each element of `input` times the whole of `other`, side by side."""
    left, right = _interleaved(input.shape, other.shape)
    found = input.reshape(left) * other.reshape(right)
    return found.reshape([a * b for a, b in zip(left[::2], right[1::2], strict=True)])


@kron.gradient("input")
def _(xp: Any, g: Array, other: Array, input_meta: Meta) -> Array:
    left, right = _interleaved(input_meta.shape, other.shape)
    both = g.reshape([a * b for a, b in zip(left, right, strict=True)]) * xp.conj(other).reshape(right)
    return both.sum(tuple(range(1, len(left), 2))).reshape(input_meta.shape)


@kron.gradient("other")
def _(xp: Any, g: Array, input: Array, other_meta: Meta) -> Array:
    left, right = _interleaved(input.shape, other_meta.shape)
    both = g.reshape([a * b for a, b in zip(left, right, strict=True)]) * xp.conj(input).reshape(left)
    return both.sum(tuple(range(0, len(left), 2))).reshape(other_meta.shape)


# -- cross, vecdot ---------------------------------------------------------------------------------


def _cross_shape(input: Meta, other: Meta, *, dim: int = -1) -> tuple[int, ...]:
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    at = canonical_dim(dim, input.ndim)
    if not input.ndim or input.shape[at] != 3 or other.shape[at] != 3:
        sizes = [meta.shape[at] if meta.ndim else 1 for meta in (input, other)]
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}"
        )
    shape = broadcast_shapes(input.shape, other.shape)
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"expected scalar type {input.dtype.scalar_type} but found {other.dtype.scalar_type}"
        )
    return shape


def _no_bool_cross(name: str, input: Meta, *rest: Any) -> None:
    if input.dtype is dtypes.bool_:
        raise NotImplementedError("\"cross\" not implemented for 'Bool'")


def _cross(xp: Any, a: Array, b: Array, dim: int) -> Array:
    a, b = (xp.moveaxis(each, dim, 0) for each in xp.broadcast_arrays(a, b))
    parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    return xp.stack(parts, dim)


@op(
    "linalg.cross",
    out=EXACT_APART,
    shape=lambda input, other, dim: _cross_shape(input, other, dim=dim),
    dtypes=_no_bool_cross,
    node="LinalgCrossBackward",
)
def linalg_cross(xp: Any, input: Array, other: Array, *, dim: int = -1) -> Array:
    """The cross product of vectors of three elements along `dim`."""
    return _cross(xp, input, other, dim)


@linalg_cross.gradient("input")
def _(xp: Any, g: Array, other: Array, dim: int) -> Array:
    return _cross(xp, xp.conj(other), g, dim)


@linalg_cross.gradient("other")
def _(xp: Any, g: Array, input: Array, dim: int) -> Array:
    return _cross(xp, g, xp.conj(input), dim)


@function("cross", "Tensor.cross", out=EXACT_APART)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along `dim`, or along the first dimension of size 3."""
    if dim is None:
        dim = next((i for i, size in enumerate(input.shape) if size == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return apply(linalg_cross, (input, other, dim))


def _vecdot_shape(x: Meta, y: Meta, dim: int) -> tuple[int, ...]:
    if x.dtype is not y.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{x.dtype.scalar_type} and y of "
            f"type {y.dtype.scalar_type} instead"
        )
    shape = broadcast_shapes(x.shape, y.shape)
    at = canonical_dim(dim, len(shape))
    return shape[:at] + shape[at + 1 :]


def _floats_only(name: str, x: Meta, *rest: Any) -> None:
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError(
            f"linalg.{name}: Expected a floating point or complex tensor as input. Got {x.dtype.scalar_type}"
        )


@op(
    "linalg.vecdot",
    out=Out("linalg.vecdot: Expected out of dtype{wanted} but found {found}"),
    shape=lambda x, y, dim: _vecdot_shape(x, y, dim),
    dtypes=_floats_only,
    node="SumBackward1",
)
def vecdot(xp: Any, x: Array, y: Array, *, dim: int = -1) -> Array:
    """The inner products of vectors along `dim`, those of `x` conjugated."""
    both = xp.conj(x) * y
    return both.sum(dim) if both.ndim else both


@vecdot.gradient("x")
def _(xp: Any, g: Array, y: Array, x_meta: Meta, dim: int) -> Array:
    g = _spread_dim(xp, g, max(x_meta.ndim, y.ndim), dim)
    return xp.conj(g) * y


@vecdot.gradient("y")
def _(xp: Any, g: Array, x: Array, y_meta: Meta, dim: int) -> Array:
    return _spread_dim(xp, g, max(y_meta.ndim, x.ndim), dim) * x


def _spread_dim(xp: Any, g: Array, ndim: int, dim: int) -> Array:
    return xp.expand_dims(g, dim) if ndim else g


# -- bilinear --------------------------------------------------------------------------------------


def _bilinear_shape(input1: Meta, input2: Meta, weight: Meta, bias: Meta | None) -> tuple[int, ...]:
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for i, (a, b) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if a != b:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {i}: got {a} and {b}")
    for number, meta in ((1, input1), (2, input2)):
        wanted = weight.shape[number] if weight.ndim > number else None
        if meta.shape[-1] != wanted:
            raise RuntimeError(
                f"bilinear(): input{number} size does not match weight size: got {meta.shape[-1]} but "
                f"expected {wanted}"
            )
    if bias is not None and bias.shape != (weight.shape[0],):
        got = bias.shape[0] if bias.ndim else 1
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {got} but expected {weight.shape[0]}"
        )
    return (*input1.shape[:-1], weight.shape[0])


# Labels: 0 the batch, 1 and 2 the features of the inputs, 3 the features of the result.
_BILINEAR = ((0, 1), (3, 1, 2), (0, 2))


def _flat(array: Any) -> Any:
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


@op(
    "nn.functional.bilinear",
    "bilinear",
    promote=RAW,
    shape=_bilinear_shape,
    result=lambda input1, *_: input1.dtype,
    node=lambda inputs: "AddBackward" if len(inputs) > 3 else "ViewBackward",
)
def bilinear(xp: Any, input1: Array, input2: Array, weight: Array, bias: Array | None = None) -> Array:
    """`input1 @ weight[k] @ input2 + bias[k]` for each output feature `k`.

    Shape: inputs `(*, in1)` and `(*, in2)`, weight `(out, in1, in2)`, bias `(out,)`; the result is `(*,
    out)`.
    """
    found = contract(xp, [_flat(input1), weight, _flat(input2)], _BILINEAR, (0, 3))
    found = found if bias is None else found + bias
    return found.reshape(*input1.shape[:-1], weight.shape[0])


@bilinear.gradient("input1", "weight", "input2")
def _(
    xp: Any, g: Array, input1: Array, weight: Array, input2: Array, needs: Any
) -> tuple[Array | None, Array | None, Array | None]:
    arrays = [_flat(input1), weight, _flat(input2)]
    shapes = (input1.shape, weight.shape, input2.shape)
    found = [
        contract_gradient(xp, _flat(g), arrays, _BILINEAR, (0, 3), i).reshape(shapes[i])
        if name in needs
        else None
        for i, name in enumerate(("input1", "weight", "input2"))
    ]
    return found[0], found[1], found[2]


@bilinear.gradient("bias")
def _(xp: Any, g: Array) -> Array:
    return _flat(g).sum(0)


# -- trace -----------------------------------------------------------------------------------------


def _trace_shape(input: Meta) -> tuple[int, ...]:
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return ()


def _sum_dtype(input: Meta) -> Any:
    return input.dtype if input.dtype.is_floating_point or input.dtype.is_complex else dtypes.int64


def _no_bool_trace(name: str, input: Meta) -> None:
    if input.dtype is dtypes.bool_ and input.ndim == 2:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")


@op("trace", "Tensor.trace", shape=_trace_shape, result=_sum_dtype, dtypes=_no_bool_trace)
def trace(xp: Any, input: Array) -> Array:
    """The sum of a matrix's diagonal."""
    diagonal = xp.diagonal(input)
    return diagonal.sum(dtype=np.int64 if diagonal.dtype.kind in "iu" else diagonal.dtype)


@trace.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta) -> Array:
    return g * xp.eye(*input_meta.shape, dtype=g.dtype)


# -- chains and powers -----------------------------------------------------------------------------


def _order(sizes: list[int]) -> list[list[int]]:
    """Where to split the chain of matrices i..j for the fewest multiplications (Cormen et al., chapter
    15).
    """
    count = len(sizes) - 1
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            ]
            cost[i][j], split[i][j] = min(options)
    return split


def _check_chain(tensors: Any) -> None:
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for name, tensor in (("first", tensors[0]), ("last", tensors[-1])):
        if tensor.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {name} tensor must be 1D or 2D but got {tensor.ndim}D")
    for i, tensor in enumerate(tensors):
        if 0 < i < len(tensors) - 1 and tensor.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {tensor.ndim}D")
        if tensor.dtype is not tensors[0].dtype:
            names = [dtypes_name(each.dtype) for each in (tensors[0], tensor)]
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {names[0]} and tensor "
                f"{i} {names[1]}"
            )
    for i, (a, b) in enumerate(pairwise(tensors)):
        if a.shape[-1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and {list(b.shape)} "
                "cannot be multiplied"
            )


def dtypes_name(dtype: Any) -> str:
    """PyTorch's short word for a dtype: float, double, int."""
    return {"float32": "float", "float64": "double", "int32": "int", "int64": "long int"}.get(
        dtype.name, dtype.name
    )


def _chain(tensors: list[Tensor]) -> Tensor:
    split = _order([tensors[0].shape[0], *(tensor.shape[1] for tensor in tensors)])

    def multiply(i: int, j: int) -> Tensor:
        if i == j:
            return tensors[i]
        k = split[i][j]
        return multiply(i, k) @ multiply(k + 1, j)

    return multiply(0, len(tensors) - 1)


@function(
    "linalg.multi_dot", out=Out("multi_dot(): expected out tensor to have dtype {wanted} but got {found}")
)
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, in the order of fewest multiplications; the first and last may be
    vectors.
    """
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            "linalg_multi_dot(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    _check_chain(tensors)
    no_bools("multi_dot", *(tensor._meta for tensor in tensors))
    first, last = tensors[0], tensors[-1]
    matrices = list(tensors)
    if first.ndim == 1:
        matrices[0] = first.unsqueeze(0)
    if last.ndim == 1:
        matrices[-1] = last.unsqueeze(1)
    shape = (*first.shape[:-1], *last.shape[1:])
    return _chain(matrices).reshape(shape)  # type: ignore[attr-defined]


@function("chain_matmul", out=True)
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices; `linalg.multi_dot` under its old name."""
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for matrix in matrices:
        if matrix.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {matrix.ndim}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else multi_dot(list(matrices))
