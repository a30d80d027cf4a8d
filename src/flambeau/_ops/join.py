"""Joining tensors: along a dimension, along a new one, into grids and block matrices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Arrays, Out, canonical_dim
from flambeau._core.dispatch import function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._core.warn import warn_once
from flambeau._ops.shape import atleast_1d, atleast_2d, atleast_3d, expand, flatten, reshape
from flambeau._ops.sizes import integer

Shape = tuple[int, ...]


def _common_dtype(metas: Sequence[Meta]) -> dtypes.dtype:
    first = metas[0].dtype
    if all(meta.dtype is first for meta in metas):
        return first
    return dtypes.result_dtype(
        tuple([(meta.dtype, dtypes.TENSOR if meta.shape else dtypes.ZERO_DIM) for meta in metas])
    )


def _cast(arrays: Sequence[Any]) -> list[Any]:
    """The arrays in their common dtype."""
    first = arrays[0].dtype
    if all(array.dtype == first for array in arrays):
        return list(arrays)
    metas = [meta_of(array.shape, dtypes.from_numpy_dtype(array.dtype)) for array in arrays]
    wanted = _common_dtype(metas).np
    return [array.astype(wanted) for array in arrays]


def _is_legacy_empty(item: Any) -> bool:
    """A 1-d tensor without elements, which `cat` passes over whatever the other shapes are."""
    return item.shape == (0,)


def _joined(tensors: Sequence[Meta], dim: int) -> Meta:
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for number, meta in enumerate(tensors):
        if not meta.shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {number}) cannot be concatenated")
    first = next((meta for meta in tensors if not _is_legacy_empty(meta)), tensors[0])
    at = canonical_dim(dim, first.ndim)
    total = 0
    for number, meta in enumerate(tensors):
        if _is_legacy_empty(meta):
            continue
        if meta.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {meta.ndim}"
            )
        for i in range(first.ndim):
            if i != at and meta.shape[i] != first.shape[i]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {at}. Expected size {first.shape[i]} "
                    "but got size "
                    f"{meta.shape[i]} for tensor number {number} in the list."
                )
        total += meta.shape[at]
    return meta_of((*first.shape[:at], total, *first.shape[at + 1 :]), _common_dtype(tensors), first.device)


OUT_OF_CAT = Out(
    apart=True, uncastable="torch.cat(): input types can't be cast to the desired output type {found}"
)


@op(
    "cat", "concat", "concatenate", out=OUT_OF_CAT, promote=RAW, shape=_joined, node="CatBackward",
    pointwise=False,
)  # fmt: skip
def cat(xp: Any, tensors: Arrays, dim: int = 0) -> Array:
    """The tensors one after the other along `dim`. Their other sizes must agree; dtypes are promoted.

    >>> import flambeau
    >>> flambeau.cat([flambeau.zeros(1, 2), flambeau.ones(1, 2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    arrays = _cast(tensors)
    kept = [array for array in arrays if array.shape != (0,)]
    return xp.concatenate(kept or arrays[:1], dim)


@cat.gradient("tensors")
def _(xp: Any, g: Array, tensors_meta: Any, dim: int) -> Any:
    gradients, start = [], 0
    for meta in tensors_meta:
        if _is_legacy_empty(meta):
            gradients.append(xp.zeros((0,), g.dtype))
            continue
        size = meta.shape[dim % g.ndim]
        gradients.append(g[(*(slice(None),) * (dim % g.ndim), slice(start, start + size))])
        start += size
    return gradients


def _stacked(tensors: Sequence[Meta], dim: int) -> Meta:
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]
    at = canonical_dim(dim, first.ndim + 1)
    for number, meta in enumerate(tensors):
        if meta.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and "
                f"{list(meta.shape)} at entry {number}"
            )
    shape = (*first.shape[:at], len(tensors), *first.shape[at:])
    return meta_of(shape, _common_dtype(tensors), first.device)


@op("stack", out=OUT_OF_CAT, promote=RAW, shape=_stacked, pointwise=False)
def stack(xp: Any, tensors: Arrays, dim: int = 0) -> Array:
    """The tensors, all of one shape, along a new dimension `dim`."""
    return xp.stack(_cast(tensors), dim)


@stack.gradient("tensors")
def _(xp: Any, g: Array, tensors_meta: Any, dim: int) -> Any:
    before = (slice(None),) * (dim % g.ndim)
    return [g[(*before, i, ...)] for i in range(len(tensors_meta))]


def _list_of(tensors: Any, name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    for number, item in enumerate(tensors):
        if not isinstance(item, Tensor):
            raise TypeError(
                f"expected Tensor as element {number} in argument 0, but got {type(item).__name__}"
            )
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return list(tensors)


@function("hstack", out=OUT_OF_CAT)
def hstack(tensors: Any) -> Tensor:
    """The tensors side by side: along dimension 1, vectors along dimension 0."""
    found = [atleast_1d(each) for each in _list_of(tensors, "hstack")]
    return cat(found, 0 if found[0].ndim == 1 else 1)


@function("vstack", "row_stack", out=OUT_OF_CAT)
def vstack(tensors: Any) -> Tensor:
    """The tensors below one another; vectors are rows."""
    return cat([atleast_2d(each) for each in _list_of(tensors, "vstack")], 0)


@function("dstack", out=OUT_OF_CAT)
def dstack(tensors: Any) -> Tensor:
    """The tensors behind one another, along dimension 2."""
    return cat([atleast_3d(each) for each in _list_of(tensors, "dstack")], 2)


@function("column_stack", out=OUT_OF_CAT)
def column_stack(tensors: Any) -> Tensor:
    """The tensors side by side; vectors are columns."""
    found = [
        each if each.ndim > 1 else reshape(each, (each.numel(), 1))
        for each in _list_of(tensors, "column_stack")
    ]
    return cat(found, 1)


# -- grids -----------------------------------------------------------------------------------------


def _one_by_one(tensors: Sequence[Any]) -> list[Tensor]:
    """Tensors that were given one by one, or as one sequence."""
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)


@function("meshgrid", "functional.meshgrid", checked=True)
def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of the grid that the vectors span, as views.

    Args:
        indexing: "ij" has the dimensions in the order of the vectors, "xy" exchanges the first two.
    """
    group = _one_by_one(tensors)
    if not group:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        warn_once(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument."
        )
    for each in group:
        if each.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {each.detach()}"
            )
        if each._meta.dtype is not group[0]._meta.dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
        if each._meta.device is not group[0]._meta.device:
            raise RuntimeError("meshgrid expects all tensors to have the same device")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(group) >= 2
    if swap:
        group[:2] = group[1::-1]
    shape = tuple([each.numel() for each in group])
    grids = [
        expand(reshape(each, (1,) * i + (-1,) + (1,) * (len(group) - i - 1)), shape)
        for i, each in enumerate(group)
    ]
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def _check_vector(input: Tensor) -> None:
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input._meta.shape)}")


@function("cartesian_prod", "functional.cartesian_prod", checked=True)
def cartesian_prod(*tensors: Tensor | Sequence[Tensor]) -> Tensor:
    """All combinations of one entry of each vector, as rows."""
    group = _one_by_one(tensors)
    for each in group:
        _check_vector(each)
    if len(group) == 1:
        return group[0]
    grids = meshgrid(*group, indexing="ij")
    return stack([flatten(grid) for grid in grids], 1)


@function("combinations", "Tensor.combinations", checked=True)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of `r` entries of a vector, as rows."""
    _check_vector(input)
    count = integer(r, "combinations", "r", 2)
    if count < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {count}")
    if count == 0:
        return input[:0]  # type: ignore[index]
    choose: Callable[..., Any] = (
        itertools.combinations_with_replacement if with_replacement else itertools.combinations
    )
    rows = np.array(list(choose(range(input.numel()), count)), np.int64).reshape(-1, count)
    return chosen_rows(input, tuple(map(tuple, rows.tolist())), count)


@op(promote=RAW, node="StackBackward", shape=lambda input, rows, count: input.with_shape((len(rows), count)))
def chosen_rows(xp: Any, input: Array, rows: Any, count: int) -> Array:
    """Entries of a vector at known places."""
    return input[np.array(rows, np.int64).reshape(len(rows), count)]


@chosen_rows.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, rows: Any, count: int) -> Array:
    index = np.array(rows, np.int64).reshape(len(rows), count)
    zero = xp.zeros(input_meta.shape, g.dtype)
    if xp is np:
        np.add.at(zero, index, g)
        return zero
    return zero.at[index].add(g)


# -- block matrices --------------------------------------------------------------------------------


def _as_matrix_shape(shape: Shape) -> Shape:
    return (1,) * (2 - len(shape)) + shape


def _block_shape(tensors: Sequence[Meta]) -> Meta:
    for number, meta in enumerate(tensors):
        if meta.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {number} has "
                f"{meta.ndim} "
                "dimensions"
            )
    shapes = [_as_matrix_shape(meta.shape) for meta in tensors]
    whole = (sum(rows for rows, _ in shapes), sum(columns for _, columns in shapes))
    return meta_of(whole, _common_dtype(tensors), tensors[0].device)


@op(promote=RAW, shape=_block_shape, node="BlockDiagBackward")
def block_diagonal(xp: Any, tensors: Arrays) -> Array:
    """Matrices along the diagonal of a larger one."""
    blocks = [xp.reshape(array, _as_matrix_shape(array.shape)) for array in _cast(tensors)]
    width = sum(block.shape[1] for block in blocks)
    rows, start = [], 0
    for block in blocks:
        height, columns = block.shape
        left = xp.zeros((height, start), block.dtype)
        right = xp.zeros((height, width - start - columns), block.dtype)
        rows.append(xp.concatenate([left, block, right], 1))
        start += columns
    return xp.concatenate(rows, 0)


@block_diagonal.gradient("tensors")
def _(xp: Any, g: Array, tensors_meta: Any) -> Any:
    gradients, row, column = [], 0, 0
    for meta in tensors_meta:
        height, width = _as_matrix_shape(meta.shape)
        gradients.append(xp.reshape(g[row : row + height, column : column + width], meta.shape))
        row, column = row + height, column + width
    return gradients


@function("block_diag", "functional.block_diag")
def block_diag(*tensors: Any) -> Tensor:
    """A matrix with the tensors (numbers, rows, matrices) along its diagonal and zeros elsewhere."""
    group = _one_by_one(tensors)
    if not group:
        from flambeau._ops.factory import empty

        return empty((1, 0))
    return block_diagonal(group)
