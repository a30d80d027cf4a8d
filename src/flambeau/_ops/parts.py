"""Parts of tensors: entries, slices, splits, diagonals and windows, all views of the same storage."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import canonical_dim
from flambeau._core.dispatch import function
from flambeau._core.tensor import Tensor
from flambeau._ops import views
from flambeau._ops.shape import check_tensor
from flambeau._ops.sizes import integer, is_integer, sizes_of

Shape = tuple[int, ...]


@function("select", "Tensor.select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one entry of a dimension, which disappears."""
    shape = check_tensor(input, "select")._meta.shape
    where, number = integer(dim, "select", "dim", 1), integer(index, "select", "index", 2)
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at = canonical_dim(where, len(shape))
    if not -shape[at] <= number < shape[at]:
        raise IndexError(
            f"select(): index {number} out of range for tensor of size {list(shape)} at dimension {at}"
        )
    return views.select_view(input, at, number % shape[at])


@function("narrow", "Tensor.narrow")
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """A view of `length` entries of a dimension from `start`."""
    shape = check_tensor(input, "narrow")._meta.shape
    if isinstance(start, Tensor) and (start.ndim or start._meta.np.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    where, first = integer(dim, "narrow", "dim", 1), integer(start, "narrow", "start", 2)
    count = integer(length, "narrow", "length", 3)
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if count < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    at = canonical_dim(where, len(shape))
    size = shape[at]
    if not -size <= first <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {first})"
        )
    first += size if first < 0 else 0
    if first + count > size:
        raise RuntimeError(f"start ({first}) + length ({count}) exceeds dimension size ({size}).")
    return views.slice_view(input, at, first, count, 1)


def sliced(input: Tensor, dim: int, start: int | None, end: int | None, step: int = 1) -> Tensor:
    """`input[start:end:step]` along one dimension."""
    if step < 1:
        raise RuntimeError("slice step must be positive")
    at = canonical_dim(dim, input.ndim)
    chosen = range(input._meta.shape[at])[start:end:step]
    return views.slice_view(input, at, chosen.start, len(chosen), step)


def as_parts(input: Tensor, results: Any, sizes: Shape, dim: int) -> tuple[Tensor, ...]:
    """The results of one node as views of consecutive slices of the input."""
    steps, start = [], 0
    for size in sizes:
        steps.append((views.slice_view.call_of(input._meta, dim, start, size, 1), (start,)))
        start += size
    return views.as_views(input, results, steps)


def _parts(parts_op: Any, input: Tensor, sizes: Shape, dim: int) -> tuple[Tensor, ...]:
    """Consecutive slices as views with one node."""
    return as_parts(input, parts_op(input, sizes, dim), sizes, dim)


def split_dim(input: Tensor, dim: Any, name: str) -> int:
    if not check_tensor(input, name).ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    return canonical_dim(integer(dim, name, "dim", 3), input.ndim)


def equal_parts(size: int, part: int) -> Shape:
    """Sizes of parts of `part` entries; the last may be smaller."""
    if part < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={part}")
    if part == 0 and size:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}"
        )
    if size == 0:
        return (0,)
    return (part,) * (size // part) + ((size % part,) if size % part else ())


def given_parts(size: int, sizes: Shape, dim: int) -> Shape:
    if any(n < 0 for n in sizes):
        raise RuntimeError(
            "split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={list(sizes)}"
        )
    if sum(sizes) != size:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at "
            f"dimension {dim}), "
            f"but got split_sizes={list(sizes)}"
        )
    return sizes


@function("split", "functional.split")
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of a dimension: of one size, or of a sequence of sizes."""
    if isinstance(split_size_or_sections, Tensor) and split_size_or_sections.ndim:
        split_size_or_sections = split_size_or_sections.tolist()
    if not is_integer(split_size_or_sections):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    at = split_dim(tensor, dim, "split")
    return _parts(
        views.split_parts, tensor, equal_parts(tensor._meta.shape[at], int(split_size_or_sections)), at
    )


@function("Tensor.split")
def split_method(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of a dimension; see `torch.split`."""
    return split(self, split_size, dim)


@function("split_with_sizes", "Tensor.split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of a dimension, of these sizes."""
    sizes = sizes_of((split_sizes,), "split_with_sizes", "split_sizes", 2)
    at = split_dim(input, dim, "split_with_sizes")
    return _parts(views.split_parts_with_sizes, input, given_parts(input._meta.shape[at], sizes, at), at)


def chunk_sizes(size: int, chunks: int) -> Shape:
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return (0,) * chunks if size == 0 else equal_parts(size, -(-size // chunks))


@function("chunk", "Tensor.chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` consecutive parts of a dimension, all but the last of one size."""
    at = split_dim(input, dim, "chunk")
    sizes = chunk_sizes(input._meta.shape[at], integer(chunks, "chunk", "chunks", 2))
    return _parts(views.split_parts, input, sizes, at)


@function("unbind", "Tensor.unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all entries of a dimension, which disappears."""
    shape = check_tensor(input, "unbind")._meta.shape
    where = integer(dim, "unbind", "dim", 1)
    if not shape:
        raise IndexError(f"Dimension specified as {where} but tensor has no dimensions")
    at = canonical_dim(where, len(shape))
    results = views.unbind_parts(input, at)
    call = views.select_view.call_of(input._meta, at, 0)
    return views.as_views(input, results, [(call, (i,)) for i in range(shape[at])])


def _as_cuts(indices: Any) -> Any:
    """The argument of `tensor_split`: an int, or a tuple of places."""
    if isinstance(indices, Tensor):
        if indices._meta.dtype is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{indices._meta.dtype.scalar_type}"
            )
        if indices.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                "one-dimensional tensor, "
                f"but got a tensor with {indices.ndim} dims"
            )
        return int(indices) if not indices.ndim else tuple(indices.tolist())
    return int(indices) if is_integer(indices) else sizes_of((indices,), "tensor_split", "indices", 2)


@function("tensor_split", "Tensor.tensor_split")
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, **named: Any
) -> tuple[Tensor, ...]:
    """Views of parts of a dimension: a number of nearly equal ones, or cut at these places."""
    for name in ("indices", "sections", "tensor_indices_or_sections"):
        indices_or_sections = named.pop(name, indices_or_sections)
    if not check_tensor(input, "tensor_split").ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    at = canonical_dim(integer(dim, "tensor_split", "dim", 3), input.ndim)
    cuts, size = _as_cuts(indices_or_sections), input._meta.shape[at]
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        least, extra = divmod(size, cuts)
        cuts = tuple([i * least + min(i, extra) for i in range(1, cuts)])
    edges = (0, *cuts, size)
    return tuple([sliced(input, at, a, b) for a, b in itertools.pairwise(edges)])


def _declare_directional_split(name: str, dims: int, direction: Callable[[Tensor], int]) -> None:
    def split_along(input: Tensor, indices_or_sections: Any = None, **named: Any) -> tuple[Tensor, ...]:
        for other in ("indices", "sections"):
            indices_or_sections = named.pop(other, indices_or_sections)
        if check_tensor(input, name).ndim < dims:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {dims} dimension, but got a tensor with "
                f"{input.ndim} "
                "dimensions!"
            )
        dim = direction(input)
        if is_integer(indices_or_sections):
            sections, size = int(indices_or_sections), input._meta.shape[dim]
            if sections == 0 or size % sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                    f"{size} is not "
                    f"divisible by the split_size {sections}!"
                )
        return tensor_split(input, indices_or_sections, dim)

    split_along.__name__ = split_along.__qualname__ = name
    split_along.__doc__ = "Views of parts of a dimension: a number of equal ones, or cut at these places."
    function(name, f"Tensor.{name}")(split_along)


_declare_directional_split("hsplit", 1, lambda x: 0 if x.ndim == 1 else 1)
_declare_directional_split("vsplit", 2, lambda x: 0)
_declare_directional_split("dsplit", 3, lambda x: 2)


@function("diagonal", "Tensor.diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the diagonal of two dimensions, as the last one."""
    ndim = check_tensor(input, "diagonal").ndim
    a, b = canonical_dim(dim1, ndim), canonical_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    shift = integer(offset, "diagonal", "offset", 1)
    # Beyond the matrix nothing is left, and the first element would be none.
    if not views.diagonal_length(input._meta.shape[a], input._meta.shape[b], shift):
        shift = min(max(shift, -input._meta.shape[a]), input._meta.shape[b])
    return views.diagonal_view(input, shift, a, b)


@function("linalg.diagonal")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonal of the last two dimensions."""
    return diagonal(A, offset, dim1, dim2)


@function("Tensor.unfold")
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of `size` entries of a dimension, `step` apart; the entries become the last
    dimension.
    """
    shape = self._meta.shape
    at = canonical_dim(dimension, len(shape))
    length = shape[at] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > length:
        raise RuntimeError(f"maximum size for tensor at dimension {at} is {length} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return views.unfold_view(self, at, size, step)


# -- complex numbers and their parts ---------------------------------------------------------------


@function("view_as_real")
def view_as_real(input: Tensor) -> Tensor:
    """A view of complex numbers as pairs of real ones, in a last dimension of size 2."""
    if not check_tensor(input, "view_as_real").is_complex():
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return views.real_view(input)


@function("view_as_complex")
def view_as_complex(input: Tensor) -> Tensor:
    """A view of pairs of real numbers, in a last dimension of size 2, as complex ones."""
    meta = check_tensor(input, "view_as_complex")._meta
    if meta.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64):
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of "
            "scalar type: "
            f"{meta.dtype.scalar_type}"
        )
    if not meta.shape:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if meta.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    stride = input.stride()
    if stride[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(step % 2 for step in stride[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if input.storage_offset() % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    return views.complex_view(input)


@function("real")
def real(input: Tensor) -> Tensor:
    """The real parts, as a view; a real tensor itself."""
    if not check_tensor(input, "real").is_complex():
        return input
    return select(views.real_view(input), -1, 0)


@function("imag")
def imag(input: Tensor) -> Tensor:
    """The imaginary parts, as a view.

    Raises: RuntimeError for a real tensor.
    """
    if not check_tensor(input, "imag").is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return select(views.real_view(input), -1, 1)


def _set_real(self: Tensor, value: Any) -> None:
    real(self).copy_(value if isinstance(value, Tensor) else _scalar(value, self))  # type: ignore[attr-defined]


def _set_imag(self: Tensor, value: Any) -> None:
    imag(self).copy_(value if isinstance(value, Tensor) else _scalar(value, self))  # type: ignore[attr-defined]


def _scalar(value: Any, like: Tensor) -> Tensor:
    from flambeau._ops.construct import tensor

    return tensor(np.asarray(value, like._meta.dtype.to_real().np), device=like._meta.device)


Tensor.real = property(real, _set_real, doc=real.__doc__)  # type: ignore[assignment,method-assign]
Tensor.imag = property(imag, _set_imag, doc=imag.__doc__)  # type: ignore[assignment,method-assign]
