"""Square brackets that read: `x[...]`. `setitem.py` has those that write.

Integers, slices, None and ... give views, made of the view primitives. Index tensors (lists, ranges, NumPy
arrays) and boolean masks give copies through one operation, `index`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Indices, register, registry
from flambeau._core.dispatch import apply, constant, op
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import Meta, meta_of
from flambeau._core.warn import warn
from flambeau._ops.bounds import check_index, out_of_bounds
from flambeau._ops.construct import finish
from flambeau._ops.placing import key_of, picked, put
from flambeau._ops.views import select_view, slice_view

INDEX_DTYPES = frozenset({dtypes.int64, dtypes.int32})
MASK_DTYPES = frozenset({dtypes.bool_, dtypes.uint8})
FULL = slice(None)

# -- views -----------------------------------------------------------------------------------------


@op(promote=RAW, view=True, node="AliasBackward", shape=lambda input: input)
def alias_view(xp: Any, input: Array) -> Array:
    """The whole tensor again."""
    return input


@alias_view.strides
def _(shape: Any, stride: Any) -> Any:
    return stride


@alias_view.scatter
def _(xp: Any, base: Array, value: Array) -> Array:
    return value


@alias_view.gradient("input")
def _(g: Array) -> Array:
    return g


def select(input: Tensor, dim: int, index: int, shown: int | None = None) -> Tensor:
    """Entry `index` of `dim`; `shown` is the dimension's number in messages."""
    size = input._meta.shape[dim]
    if not -size <= index < size:
        raise (
            out_of_bounds(dim if shown is None else shown, size, IndexError)(index)
            if size
            else IndexError(
                f"index {index} is out of bounds for dimension {dim if shown is None else shown} with size 0"
            )
        )
    return select_view.function(input, dim, index + size if index < 0 else index)


def slice_of(input: Tensor, dim: int, index: slice) -> Tensor:
    size = input._meta.shape[dim]
    start, stop, step = index.indices(size)
    if step < 0:
        raise ValueError("step must be greater than zero")
    length = max(0, -((start - stop) // step))
    return slice_view.function(input, dim, start, length, step)


def _item_as_tensor(item: Any) -> Any:
    """A list, range or array as an index tensor; anything that cannot index raises."""
    if isinstance(item, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(item).__name__}'")
    if isinstance(item, np.ndarray) or (
        not isinstance(item, (dict, set, frozenset))
        and hasattr(item, "__len__")
        and hasattr(item, "__getitem__")
    ):
        array = np.asarray(_plain(item))
        if array.dtype.kind in "US":
            raise TypeError(f"new(): invalid data type '{type(item[0]).__name__}'")
        if array.dtype != np.bool_ and array.dtype != np.uint8:
            array = array.astype(np.int64)
        dtype = dtypes.from_numpy_dtype(array.dtype)
        return from_array(np.array(array), meta_of(array.shape, dtype))
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type_name(item)})"
    )


def _plain(item: Any) -> Any:
    """Nested sequences with tensors in them, as NumPy takes them."""
    if isinstance(item, Tensor):
        return item._host_array()
    return [_plain(each) for each in item] if isinstance(item, (list, tuple)) else item


def type_name(item: Any) -> str:
    module = type(item).__module__
    return type(item).__name__ if module in ("builtins", "__main__") else f"{module}.{type(item).__name__}"


def as_items(index: Any) -> tuple[Any, ...]:
    """The index as a tuple. A list that holds sequences, slices, tensors, None or ... is read as one, too."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, (list, range)) and len(index) < 32:
        for item in index:
            if (
                item is None
                or item is Ellipsis
                or isinstance(item, (Tensor, list, tuple, range, np.ndarray, slice, str))
            ):
                if isinstance(item, str):
                    raise TypeError(f"new(): invalid data type '{type(item).__name__}'")
                warn(
                    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be "
                    "changed in pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will "
                    "be interpreted as tensor index, x[torch.tensor(seq)], which will result either in an "
                    "error or a different result",
                )  # fmt: skip
                return tuple(index)
    return (index,)


def _consumed(item: Any) -> int:
    """How many dimensions an item of the index stands for."""
    if item is None or item is Ellipsis or item is True or item is False:
        return 0
    if isinstance(item, Tensor):
        return len(item._meta.shape) if item._meta.dtype in MASK_DTYPES else 1
    return 1


def resolve(input: Tensor, items: tuple[Any, ...]) -> tuple[Tensor, dict[int, Tensor]]:
    """Takes the views that an index asks for; what is left are index tensors, by dimension of the view."""
    items = tuple([
        item
        if item is None or item is Ellipsis or isinstance(item, (int, slice, Tensor))
        else item.__index__() if isinstance(item, np.integer) else _item_as_tensor(item)
        for item in items
    ])  # fmt: skip
    specified = sum(map(_consumed, items))
    ndim = len(input._meta.shape)
    if specified > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    indices: dict[int, Tensor] = {}
    dim = shown = 0  # of the view so far, and of the input
    for item in items:
        kind = type(item)
        if kind is int:
            input = select(input, dim, item, shown)
            shown += 1
        elif kind is slice:
            if item != FULL:
                input = slice_of(input, dim, item)
            dim, shown = dim + 1, shown + 1
        elif item is None:
            input = registry["unsqueeze"](input, dim)
            dim += 1
        elif item is Ellipsis:
            # A second one stands for nothing.
            dim, shown = dim + ndim - specified, shown + ndim - specified
            specified = ndim
        elif kind is bool:
            input, indices[dim] = _flagged(input, dim, item)
            dim += 1
        elif isinstance(item, Tensor):
            dtype, rank = item._meta.dtype, len(item._meta.shape)
            if not rank and dtype in MASK_DTYPES:
                input, indices[dim] = _flagged(input, dim, bool(item.item()))
                dim += 1
            elif not rank and item._meta.np.kind in "iu":
                input = select(input, dim, int(item.item()), shown)
                shown += 1
            else:
                indices[dim] = item
                dim += rank if dtype in MASK_DTYPES else 1
                shown += rank if dtype in MASK_DTYPES else 1
        else:  # a subclass of int
            input = select(input, dim, int(item), shown)
            shown += 1
    return input, indices


def _flagged(input: Tensor, dim: int, flag: bool) -> tuple[Tensor, Tensor]:
    """True adds a dimension of one entry, False one of none."""
    chosen = np.zeros(1 if flag else 0, np.int64)
    return registry["unsqueeze"](input, dim), constant(chosen, dtypes.int64)


# -- index tensors ---------------------------------------------------------------------------------


def on_device(index: Tensor, like: Tensor) -> Tensor:
    if index._meta.device is like._meta.device:
        return index
    return index.to(like._meta.device)  # type: ignore[attr-defined]


def expand_masks(input: Tensor, indices: dict[int, Tensor]) -> list[Tensor | None]:
    """Index tensors for each dimension up to the last one indexed; masks become positions where they hold.

    Raises: IndexError for a mask of another shape, a wrong dtype, or an index that is out of bounds.
    """
    shape = input._meta.shape
    found: list[Tensor | None] = [None] * (max(indices, default=-1) + 1)
    ordinal = 0  # PyTorch's message counts index tensors, not dimensions
    for dim, index in indices.items():
        dtype, own = index._meta.dtype, index._meta.shape
        if dtype in MASK_DTYPES:
            if dtype is dtypes.uint8:
                warn(
                    "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
                    "instead.",
                )  # fmt: skip
            check_mask(own, shape, dim)
            found += [None] * (dim + len(own) - len(found))
            for i, positions in enumerate(np.nonzero(index._host_array())):
                found[dim + i] = from_array(
                    positions, meta_of(positions.shape, dtypes.int64, input._meta.device)
                )
            ordinal += len(own)
        elif dtype in INDEX_DTYPES:
            size = shape[dim]
            if input._meta.numel or not size:
                note = (
                    ""
                    if dim == ordinal
                    else f"It indexes dimension {dim} of a tensor of shape {list(shape)}."
                )
                check_index(index._read(), size, -size, out_of_bounds(ordinal, size), note)
            found[dim] = on_device(index, input)
            ordinal += 1
        else:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return found


def check_mask(mask: Sequence[int], shape: Sequence[int], dim: int) -> None:
    for i, size in enumerate(mask):
        if size != shape[dim + i]:
            raise IndexError(
                f"The shape of the mask {list(mask)} at index {i} does not match the shape of the indexed "
                f"tensor {list(shape)} at index {dim + i}"
            )


def indexed_shape(input: Meta, indices: Sequence[Meta | None]) -> tuple[int, ...]:
    """The shape of `input[indices]`: the indices' common shape where they stand, or in front if apart."""
    given = [meta.shape for meta in indices if meta is not None]
    try:
        common = np.broadcast_shapes(*given)
    except ValueError:
        shapes = ", ".join(str(list(shape)) for shape in given)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    dims = [dim for dim, meta in enumerate(indices) if meta is not None]
    rest = [size for dim, size in enumerate(input.shape) if dim not in dims]
    at = dims[0] if dims and dims[-1] - dims[0] == len(dims) - 1 else 0
    return (*rest[:at], *common, *rest[at:])


@op(
    promote=RAW,
    node="IndexBackward",
    shape=lambda input, indices: input.with_shape(indexed_shape(input, indices)),
)
def index(xp: Any, input: Array, indices: Indices) -> Array:
    """The entries of `input` at integer positions, which broadcast together."""
    return entries(xp, input, indices)


def entries(xp: Any, array: Array, indices: Sequence[Any]) -> Array:
    """The same on arrays."""
    if not array.size:  # nothing is read, so the indices may be anything
        return xp.zeros(indexed_shape(array, indices), array.dtype)
    return picked(xp, array, key_of(indices))


@index.gradient("input")
def _(xp: Any, g: Array, indices: Any, input_meta: Meta) -> Array:
    return put(xp, xp.zeros(input_meta.shape, g.dtype), indices, g, True)


# -- reading ---------------------------------------------------------------------------------------


def take_entries(input: Tensor, indices: dict[int, Tensor]) -> Tensor:
    """`input` at index tensors and masks: a copy."""
    if len(indices) == 1:
        ((dim, only),) = indices.items()
        recorded = (
            modes.recording or (modes.grad and input.requires_grad) or not input._plain
            or input._meta.device.type != "cpu"
        )  # fmt: skip
        if only._meta.dtype is dtypes.bool_ and not recorded:
            # The host has to look at the mask anyway, so it can just as well pick the entries.
            check_mask(only._meta.shape, input._meta.shape, dim)
            mask = only._host_array()
            key: Any = (*(slice(None),) * dim, mask)
            picked = input._host_array()[key]
            return finish(picked, meta_of(picked.shape, input._meta.dtype, input._meta.device))
    return apply(index, (input, expand_masks(input, indices)))


def getitem(self: Tensor, key: Any) -> Tensor:
    """The part of the tensor that `key` names: a view if it holds only integers, slices, None and ...."""
    kind = type(key)
    if kind is int:
        if not self._meta.shape:
            raise no_dimensions()
        return select(self, 0, key)
    if kind is slice:
        if not self._meta.shape:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        return slice_of(self, 0, key)
    if kind is Tensor and key._meta.shape and self._meta.shape and key._meta.dtype in INDEX_DTYPES:
        return take_entries(self, {0: key})
    view, indices = resolve(self, key if kind is tuple else as_items(single(self, key)))
    if indices:
        return take_entries(view, indices)
    return apply(alias_view, (view,)) if view is self else view


def single(self: Tensor, index: Any) -> Any:
    if isinstance(index, np.integer) and not self._meta.shape:
        raise no_dimensions()
    return index


def no_dimensions() -> IndexError:
    return IndexError(
        "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
        "convert a 0-dim tensor to a number"
    )


register("Tensor.__getitem__", getitem)
setattr(Tensor, "__getitem__", getitem)  # noqa: B010  (an operation, which the class does not declare)
