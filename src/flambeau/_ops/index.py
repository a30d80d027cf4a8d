"""Square brackets: `x[...]` and `x[...] = value`.

Integers, slices, None and ... give views, made of the view primitives. Index tensors (and lists, ranges, NumPy arrays)
and boolean masks give copies through one operation, `index`; writing through them is `index_put`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Index, Indices, Operand, Scalar, Sizes, register, registry
from flambeau._core.dispatch import apply, check_writable, constant, function, op, write
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import Meta, meta_of
from flambeau._ops.bounds import check_index, out_of_bounds
from flambeau._ops.views import select_view, slice_view

INDEX_DTYPES = frozenset({dtypes.int64, dtypes.int32})
MASK_DTYPES = frozenset({dtypes.bool_, dtypes.uint8})
_FULL = slice(None)

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


def _select(input: Tensor, dim: int, index: int, shown: int | None = None) -> Tensor:
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
    return select_view.function(input, dim, index + size if index < 0 else index)  # type: ignore[no-any-return]


def _slice(input: Tensor, dim: int, index: slice) -> Tensor:
    size = input._meta.shape[dim]
    start, stop, step = index.indices(size)
    if step < 0:
        raise ValueError("step must be greater than zero")
    length = max(0, -((start - stop) // step))
    return slice_view.function(input, dim, start, length, step)  # type: ignore[no-any-return]


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
        f"(got {_name(item)})"
    )


def _plain(item: Any) -> Any:
    """Nested sequences with tensors in them, as NumPy takes them."""
    if isinstance(item, Tensor):
        return item._host_array()
    return [_plain(each) for each in item] if isinstance(item, (list, tuple)) else item


def _name(item: Any) -> str:
    module = type(item).__module__
    return type(item).__name__ if module in ("builtins", "__main__") else f"{module}.{type(item).__name__}"


def _as_items(index: Any) -> tuple[Any, ...]:
    """The index as a tuple. A list that holds sequences, slices, tensors, None or ... is still read as a tuple."""
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
                warnings.warn(
                    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be "
                    "changed in pytorch "
                    "2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as "
                    "tensor index, "
                    "x[torch.tensor(seq)], which will result either in an error or a different result",
                    UserWarning, stacklevel=3,
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


def _resolve(input: Tensor, items: tuple[Any, ...]) -> tuple[Tensor, dict[int, Tensor]]:
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
            input = _select(input, dim, item, shown)
            shown += 1
        elif kind is slice:
            if item != _FULL:
                input = _slice(input, dim, item)
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
                input = _select(input, dim, int(item.item()), shown)
                shown += 1
            else:
                indices[dim] = item
                dim += rank if dtype in MASK_DTYPES else 1
                shown += rank if dtype in MASK_DTYPES else 1
        else:  # a subclass of int
            input = _select(input, dim, int(item), shown)
            shown += 1
    return input, indices


def _flagged(input: Tensor, dim: int, flag: bool) -> tuple[Tensor, Tensor]:
    """True adds a dimension of one entry, False one of none."""
    chosen = np.zeros(1 if flag else 0, np.int64)
    return registry["unsqueeze"](input, dim), constant(chosen, dtypes.int64)


# -- index tensors ---------------------------------------------------------------------------------


def _on_device(index: Tensor, like: Tensor) -> Tensor:
    if index._meta.device is like._meta.device:
        return index
    return index.to(like._meta.device)  # type: ignore[attr-defined,no-any-return]


def expand_masks(input: Tensor, indices: dict[int, Tensor]) -> list[Tensor | None]:
    """Index tensors for each dimension up to the last one indexed, masks turned into the positions where they hold.

    Raises: IndexError for a mask of another shape, a wrong dtype, or an index that is out of bounds.
    """
    shape = input._meta.shape
    found: list[Tensor | None] = [None] * (max(indices, default=-1) + 1)
    ordinal = 0  # PyTorch's message counts index tensors, not dimensions
    for dim, index in indices.items():
        dtype, own = index._meta.dtype, index._meta.shape
        if dtype in MASK_DTYPES:
            if dtype is dtypes.uint8:
                warnings.warn(
                    "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
                    "instead.",
                    UserWarning, stacklevel=4,
                )  # fmt: skip
            _check_mask(own, shape, dim)
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
            found[dim] = _on_device(index, input)
            ordinal += 1
        else:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return found


def _check_mask(mask: Sequence[int], shape: Sequence[int], dim: int) -> None:
    for i, size in enumerate(mask):
        if size != shape[dim + i]:
            raise IndexError(
                f"The shape of the mask {list(mask)} at index {i} does not match the shape of the indexed "
                "tensor "
                f"{list(shape)} at index {dim + i}"
            )


def indexed_shape(input: Meta, indices: Sequence[Meta | None]) -> tuple[int, ...]:
    """The shape of `input[indices]`: the indices' common shape stands where they stand, or in front if they are apart."""
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


def _key(indices: Sequence[Any]) -> Any:
    return tuple([slice(None) if index is None else index for index in indices])


@op(
    promote=RAW,
    node="IndexBackward",
    shape=lambda input, indices: input.with_shape(indexed_shape(input, indices)),
)
def index(xp: Any, input: Array, indices: Indices) -> Array:
    """The entries of `input` at integer positions, which broadcast together."""
    if xp is np:
        return input[_key(indices)]
    return input.at[_key(indices)].get(mode="fill")


@index.gradient("input")
def _(xp: Any, g: Array, indices: Any, input_meta: Meta) -> Array:
    return put(xp, xp.zeros(input_meta.shape, g.dtype), indices, g, True)


def put(xp: Any, base: Array, indices: Sequence[Any], values: Array, accumulate: bool) -> Array:
    """`base` with values written, or added, at integer positions."""
    key = _key(indices)
    if xp is not np:
        if not accumulate:
            return base.at[key].set(values, mode="drop")
        return (
            base.at[key].max(values, mode="drop")
            if base.dtype == bool
            else base.at[key].add(values, mode="drop")
        )
    result = np.array(base)
    if not accumulate:
        result[key] = values
    elif len(indices) == 1:
        add_rows(result, indices[0], np.broadcast_to(values, indices[0].shape + base.shape[1:]))
    else:
        np.add.at(result, key, values)
    return result


def add_rows(target: Any, rows: Any, values: Any) -> None:
    """Adds `values[i]` to `target[rows[i]]` in NumPy; several times the same row adds up."""
    flat = rows.reshape(-1)
    values = values.reshape(flat.size, *target.shape[1:])
    if target.ndim == 1 or flat.size < 2 or target.dtype == bool:
        np.add.at(target, flat, values)
        return
    flat = np.where(flat < 0, flat + target.shape[0], flat)
    # By runs of equal rows: ufunc.at would walk through the elements one by one.
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if starts.size == flat.size:
        target[flat] += values
    else:
        target[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0, dtype=target.dtype)


def _put_shape(input: Meta, indices: Sequence[Meta | None], values: Meta, accumulate: bool) -> Meta:
    wanted = indexed_shape(input, indices)
    own = values.shape
    matches = len(own) <= len(wanted) and all(
        a in (b, 1) for a, b in zip(own[::-1], wanted[::-1], strict=False)
    )
    if not matches:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(own)} cannot be broadcast to indexing result of "
            "shape "
            f"{list(wanted)}"
        )
    return input


@op(promote=RAW, node="IndexPutBackward", shape=_put_shape)
def put_values(xp: Any, input: Array, indices: Indices, values: Array, accumulate: bool) -> Array:
    """`input` with `values` written, or added, at integer positions."""
    return put(xp, input, indices, values, accumulate)


@put_values.gradient("input")
def _(xp: Any, g: Array, indices: Any, accumulate: bool) -> Array:
    return g if accumulate else put(xp, g, indices, xp.zeros((), g.dtype), False)


@put_values.gradient("values")
def _(xp: Any, g: Array, indices: Any) -> Array:
    return g[_key(indices)]


def _spread(xp: Any, mask: Array, dim: int, ndim: int) -> Array:
    """A mask of the dimensions from `dim` on, so that it broadcasts with a tensor of `ndim` dimensions."""
    if mask.dtype != bool:
        mask = mask != 0
    return xp.reshape(mask, mask.shape + (1,) * (ndim - dim - mask.ndim))


@op(promote=RAW, node="IndexPutBackward", shape=lambda input, mask, value, dim: input)
def put_masked(xp: Any, input: Array, mask: Index, value: Operand, dim: int) -> Array:
    """`input` with one value wherever the mask holds; no need to know where that is."""
    return xp.where(_spread(xp, mask, dim, input.ndim), xp.asarray(value).astype(input.dtype), input)


@put_masked.gradient("input")
def _(xp: Any, g: Array, mask: Array, dim: int) -> Array:
    return xp.where(_spread(xp, mask, dim, g.ndim), xp.zeros((), g.dtype), g)


@put_masked.gradient("value")
def _(xp: Any, g: Array, mask: Array, dim: int) -> Array:
    return xp.sum(xp.where(_spread(xp, mask, dim, g.ndim), g, xp.zeros((), g.dtype)))


# The array says dtype and device only, so what it holds is never waited for.
@op(promote=RAW, differentiable=False, shape=lambda like, value, size: like.with_shape(size))
def filled(xp: Any, like: Array, value: Scalar, size: Sizes) -> Array:
    """One number everywhere."""
    return xp.full(size, value, like.dtype)


_C_NAMES = {
    "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t", "float32": "float",
    "float64": "double", "float16": "at::Half", "bfloat16": "at::BFloat16", "uint16": "uint16_t", "uint32": "uint32_t",
    "uint64": "uint64_t", "complex64": "c10::complex<float>",
}  # fmt: skip


def as_number(value: Any, dtype: dtypes.dtype) -> Any:
    """A Python number as an element of `dtype`: floats lose their fraction for integers, as in C.

    Raises: RuntimeError in PyTorch's words, where the number does not fit.
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long")
    if dtype is dtypes.bool_:
        return bool(value)
    if dtype.is_complex:
        return complex(value)
    if isinstance(value, complex):
        if value.imag:
            raise _too_large(dtype)
        value = value.real
    if dtype.is_floating_point:
        value = float(value)
        if dtype is dtypes.float32 and math.isfinite(value) and abs(value) > 3.4028234663852886e38:
            raise _too_large(dtype)
        return value
    if not math.isfinite(value):
        raise _too_large(dtype)
    whole, limits = int(value), np.iinfo(dtype.np)
    # Unsigned types take negative numbers, which wrap around.
    low = -limits.max if limits.min == 0 else limits.min
    if not low <= whole <= limits.max:
        raise _too_large(dtype)
    return whole % (limits.max + 1) if limits.min == 0 else whole


def _too_large(dtype: dtypes.dtype) -> RuntimeError:
    name = _C_NAMES.get(dtype.name, dtype.name)
    return RuntimeError(f"value cannot be converted to type {name} without overflow")


# -- reading ---------------------------------------------------------------------------------------


def take_entries(input: Tensor, indices: dict[int, Tensor]) -> Tensor:
    """`input` at index tensors and masks: a copy."""
    if len(indices) == 1:
        ((dim, only),) = indices.items()
        tracked = modes.grad and input.requires_grad
        if only._meta.dtype is dtypes.bool_ and not tracked and input._meta.device.type == "cpu":
            # The host has to look at the mask anyway, so it can just as well pick the entries.
            _check_mask(only._meta.shape, input._meta.shape, dim)
            mask = only._host_array()
            picked = input._host_array()[(*(slice(None),) * dim, mask)]
            return from_array(picked, meta_of(picked.shape, input._meta.dtype, input._meta.device))
    return apply(index, (input, expand_masks(input, indices)))  # type: ignore[no-any-return]


def getitem(self: Tensor, index: Any) -> Tensor:
    """The part of the tensor that an index names: a view where it holds integers, slices, None and ... only."""
    kind = type(index)
    if kind is int:
        if not self._meta.shape:
            raise _no_dimensions()
        return _select(self, 0, index)
    if kind is slice:
        if not self._meta.shape:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        return _slice(self, 0, index)
    if kind is Tensor and index._meta.shape and self._meta.shape and index._meta.dtype in INDEX_DTYPES:
        return take_entries(self, {0: index})
    view, indices = _resolve(self, index if kind is tuple else _as_items(_single(self, index)))
    if indices:
        return take_entries(view, indices)
    return apply(alias_view, (view,)) if view is self else view  # type: ignore[no-any-return]


def _single(self: Tensor, index: Any) -> Any:
    if isinstance(index, np.integer) and not self._meta.shape:
        raise _no_dimensions()
    return index


def _no_dimensions() -> IndexError:
    return IndexError(
        "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
        "convert a 0-dim "
        "tensor to a number"
    )


# -- writing ---------------------------------------------------------------------------------------


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """Writes a number or a tensor, which broadcasts, into the part of the tensor that an index names."""
    if not isinstance(value, Tensor):
        if not isinstance(value, (bool, int, float, complex)):
            raise TypeError(f"can't assign a {_name(value)} to a torch.{self._meta.dtype.scalar_type}Tensor")
        value = as_number(value, self._meta.dtype)
    kind = type(index)
    if kind is int and self._meta.shape:
        target, indices = _select(self, 0, index), None
    elif kind is slice and self._meta.shape:
        target, indices = (self if index == _FULL else _slice(self, 0, index)), None
    elif kind is int:
        raise _no_dimensions()
    else:
        target, indices = _resolve(self, index if kind is tuple else _as_items(_single(self, index)))
    if indices:
        _assign_entries(target, indices, value)
    else:
        _assign(self, target, value)


def _assign(self: Tensor, target: Tensor, value: Any) -> None:
    """Writes into a view."""
    if not isinstance(value, Tensor):
        if target is self and self.requires_grad:
            self.copy_(constant(value, self._meta.dtype, self._meta))  # type: ignore[attr-defined]
            return
        check_writable(target)
        write(target, apply(filled, (self, value, target._meta.shape)), "fill_")
        return
    if _is_same_place(target, value):
        # `x[1:] += 1` has written there already, when Python asks to store the result.
        return
    value = _without_leading_ones(value, len(target._meta.shape))
    _check_expandable(value._meta, target._meta.shape)
    target.copy_(value)  # type: ignore[attr-defined]


def _is_same_place(target: Tensor, value: Tensor) -> bool:
    return (
        value._storage is target._storage and value._base is target._base and value._views == target._views
        and value._meta is target._meta and value._untracked == target._untracked
    )  # fmt: skip


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    shape = value._meta.shape
    extra = len(shape) - ndim
    if extra <= 0 or any(size != 1 for size in shape[:extra]):
        return value
    return registry["Tensor.reshape"](value, shape[extra:])  # type: ignore[no-any-return]


def _check_expandable(value: Meta, shape: tuple[int, ...]) -> None:
    own = value.shape
    if len(own) > len(shape):
        raise RuntimeError(
            f"expand(torch.{value.dtype.scalar_type}Tensor{{{list(own)}}}, size={list(shape)}): the number "
            "of sizes "
            f"provided ({len(shape)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(own)})"
        )
    offset = len(shape) - len(own)
    for i in reversed(range(len(own))):
        if own[i] not in (1, shape[i + offset]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i + offset]}) must match the existing size "
                f"({own[i]}) at "
                f"non-singleton dimension {i + offset}.  Target sizes: {list(shape)}.  Tensor sizes: "
                f"{list(own)}"
            )


def _assign_entries(target: Tensor, indices: dict[int, Tensor], value: Any) -> None:
    """Writes at index tensors and masks."""
    check_writable(target)
    if len(indices) == 1:
        ((dim, only),) = indices.items()
        single = not isinstance(value, Tensor) or value._meta.numel == 1
        if only._meta.dtype is dtypes.bool_ and single:
            _check_mask(only._meta.shape, target._meta.shape, dim)
            if isinstance(value, Tensor) and value._meta.shape:
                value = registry["Tensor.reshape"](value, ())
            write(target, apply(put_masked, (target, _on_device(only, target), value, dim)), "index_put_")
            return
    if not isinstance(value, Tensor):
        value = constant(value, target._meta.dtype, target._meta)
    found = expand_masks(target, indices)
    wanted = len(indexed_shape(target._meta, [None if i is None else i._meta for i in found]))
    write(target, _put(target, found, _without_leading_ones(value, wanted), False), "index_put_")


def _put(input: Tensor, indices: list[Tensor | None], values: Tensor, accumulate: bool) -> Tensor:
    if values._meta.dtype is not input._meta.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{input._meta.dtype.scalar_type} for the destination and {values._meta.dtype.scalar_type} for "
            "the source."
        )
    if values._meta.device is not input._meta.device and not values._meta.shape:
        values = _on_device(values, input)
    return apply(put_values, (input, indices, values, accumulate))  # type: ignore[no-any-return]


def delitem(self: Tensor, index: Any) -> None:
    """Tensors keep their shape: nothing can be deleted."""
    raise TypeError("Tensor does not support deleting items")


for _name_of, _function in (("__getitem__", getitem), ("__setitem__", setitem), ("__delitem__", delitem)):
    register(f"Tensor.{_name_of}", _function)
    setattr(Tensor, _name_of, _function)


# -- index_put by name -----------------------------------------------------------------------------


@function("index_put", "index_put_", "Tensor.index_put", "Tensor.index_put_")
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` with `values` at `indices`, a tuple of index tensors or masks; `accumulate` adds them.

    >>> import flambeau
    >>> flambeau.zeros(3).index_put((flambeau.tensor([0, 0]),), flambeau.tensor([1.0, 2.0]), accumulate=True)
    tensor([3., 0., 0.])
    """
    found = _parse_indices("index_put", input, indices)
    if not isinstance(values, Tensor):
        raise TypeError(
            f"index_put(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}"
        )
    return _put(input, found, values, accumulate)


def _parse_indices(name: str, input: Tensor, indices: Any) -> list[Tensor | None]:
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    by_dim: dict[int, Tensor] = {}
    dim = 0
    for number, each in enumerate(indices):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"expected Tensor as element {number} in argument 0, but got {type(each).__name__}"
            )
        by_dim[dim] = each
        dim += len(each._meta.shape) if each._meta.dtype in MASK_DTYPES else 1
    if dim > len(input._meta.shape):
        raise IndexError(f"too many indices for tensor of dimension {len(input._meta.shape)} (got {dim})")
    return expand_masks(input, by_dim)


__all__ = [
    "add_rows",
    "as_number",
    "expand_masks",
    "filled",
    "getitem",
    "index",
    "put",
    "setitem",
    "take_entries",
]
