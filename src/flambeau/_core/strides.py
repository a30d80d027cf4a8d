"""Strides as PyTorch reports them. flambeau's arrays are laid out by XLA; these numbers are what programs look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.tensor import Tensor, contiguous_strides

Sizes = tuple[int, ...]


def channels_last_strides(shape: Sizes) -> Sizes:
    """Strides of a 4-d or 5-d tensor whose dimension 1 varies fastest."""
    order = (1, *range(len(shape) - 1, 1, -1), 0)
    strides, step = [0] * len(shape), 1
    for dim in order:
        strides[dim] = step
        step *= max(shape[dim], 1)
    return tuple(strides)


def by_columns(shape: Sizes) -> Sizes:
    """Strides of matrices that lie column by column; fewer than two dimensions have no other order."""
    if len(shape) < 2:
        return contiguous_strides(shape)
    *lead, columns, rows = contiguous_strides((*shape[:-2], shape[-1], shape[-2]))
    return (*lead, rows, columns)


def laid_out(call: Any, results: Any) -> Any:
    """The results (one tensor or several) with the strides that the call says they have."""
    for result, stride in zip(
        (results,) if isinstance(results, Tensor) else results, call.strides, strict=True
    ):
        result._stride = stride
    return results


def is_contiguous(shape: Sizes, stride: Sizes | None, memory_format: Any = dtypes.contiguous_format) -> bool:
    """Whether elements lie in the order of `memory_format`; dimensions of size 1 may have any stride."""
    if memory_format in (dtypes.channels_last, dtypes.channels_last_3d):
        if len(shape) != (4 if memory_format is dtypes.channels_last else 5):
            return False
        wanted = channels_last_strides(shape)
        stride = stride if stride is not None else contiguous_strides(shape)
    elif stride is None:
        return True
    else:
        wanted = contiguous_strides(shape)
    if 0 in shape:
        return True
    return all(size == 1 or have == want for size, have, want in zip(shape, stride, wanted, strict=True))


def dense_order(shape: Sizes, stride: Sizes) -> Sizes | None:
    """Dimensions from slowest to fastest, if the tensor has no gaps and no overlap; None otherwise."""
    order = sorted((d for d in range(len(shape))), key=lambda d: (-stride[d], -shape[d], d))
    step = 1
    for dim in reversed([d for d in order if shape[d] != 1]):
        if stride[dim] != step:
            return None
        step *= shape[dim]
    return tuple(order)


def preserved(tensors: Sequence[Tensor], shape: Sizes) -> Sizes | None:
    """Strides of a pointwise result: the order of dimensions that the operands have, without gaps."""
    operands = [t for t in tensors if t._meta.shape == shape]
    if not operands:
        operands = [max(tensors, key=lambda t: t._meta.numel)]
        if operands[0]._meta.shape != shape:
            return None
    first = operands[0]
    if first._stride is None or 0 in shape:
        return None
    if is_contiguous(shape, first._stride):
        return None
    ndim = len(shape)
    # Stable insertion sort by stride, as PyTorch's iterator orders its dimensions (0 leaves the order as it is).
    order = list(range(ndim - 1, -1, -1))
    stride = first._stride
    for i in range(1, ndim):
        at = i
        for j in range(i - 1, -1, -1):
            a, b = order[j], order[at]
            if stride[a] == 0 or stride[b] == 0:
                continue
            if stride[a] > stride[b] or (stride[a] == stride[b] and shape[a] > shape[b]):
                order[j], order[at] = order[at], order[j]
                at = j
            elif stride[a] < stride[b]:
                break
    result, step = [0] * ndim, 1
    for dim in order:
        result[dim] = step
        step *= shape[dim]
    found = tuple(result)
    return None if found == contiguous_strides(shape) else found


def of_reshape(shape: Sizes, stride: Sizes, new: Sizes) -> Sizes | None:
    """Strides that show the same memory in another shape; None where that takes a copy."""
    if 0 in shape:
        return stride if shape == new else contiguous_strides(new)
    if not shape:
        return (1,) * len(new)
    result = [0] * len(new)
    at = len(new) - 1
    chunk = stride[-1]
    tensor_numel = view_numel = 1
    for dim in range(len(shape) - 1, -1, -1):
        tensor_numel *= shape[dim]
        if dim == 0 or (shape[dim - 1] != 1 and stride[dim - 1] != tensor_numel * chunk):
            while at >= 0 and (view_numel < tensor_numel or new[at] == 1):
                result[at] = view_numel * chunk
                view_numel *= new[at]
                at -= 1
            if view_numel != tensor_numel:
                return None
            if dim > 0:
                chunk = stride[dim - 1]
                tensor_numel = view_numel = 1
    return tuple(result) if at == -1 else None


__all__ = [
    "channels_last_strides",
    "contiguous_strides",
    "dense_order",
    "is_contiguous",
    "of_reshape",
    "preserved",
]
