"""`x[...] = value`, `index_put`: writing in place into views, at index tensors and under masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Index, Indices, Operand, Scalar, Sizes, register, registry
from flambeau._core.dispatch import apply, check_writable, constant, function, op, write
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.index import (
    FULL,
    MASK_DTYPES,
    as_items,
    check_mask,
    entries,
    expand_masks,
    indexed_shape,
    no_dimensions,
    on_device,
    resolve,
    select,
    single,
    slice_of,
    type_name,
)
from flambeau._ops.numbers import as_number
from flambeau._ops.placing import put

# -- operations ------------------------------------------------------------------------------------


def _put_shape(input: Meta, indices: Sequence[Meta | None], values: Meta, accumulate: bool) -> Meta:
    wanted = indexed_shape(input, indices)
    own = values.shape
    matches = len(own) <= len(wanted) and all(
        a in (b, 1) for a, b in zip(own[::-1], wanted[::-1], strict=False)
    )
    if not matches:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(own)} cannot be broadcast to indexing result of "
            f"shape {list(wanted)}"
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
    return entries(xp, g, indices)


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


# -- writing ---------------------------------------------------------------------------------------


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """Writes a number or a tensor, which broadcasts, into the part of the tensor that `key` names."""
    if not isinstance(value, Tensor):
        if not isinstance(value, (bool, int, float, complex)):
            raise TypeError(
                f"can't assign a {type_name(value)} to a torch.{self._meta.dtype.scalar_type}Tensor"
            )
        value = as_number(value, self._meta.dtype)
    kind = type(key)
    if kind is int and self._meta.shape:
        target, indices = select(self, 0, key), None
    elif kind is slice and self._meta.shape:
        target, indices = (self if key == FULL else slice_of(self, 0, key)), None
    elif kind is int:
        raise no_dimensions()
    else:
        target, indices = resolve(self, key if kind is tuple else as_items(single(self, key)))
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
    # Expanded first, as in PyTorch: a row may be written over the matrix that it is part of.
    target.copy_(value.expand(target._meta.shape))  # type: ignore[attr-defined]


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
    return registry["Tensor.reshape"](value, shape[extra:])


def _check_expandable(value: Meta, shape: tuple[int, ...]) -> None:
    own = value.shape
    if len(own) > len(shape):
        raise RuntimeError(
            f"expand(torch.{value.dtype.scalar_type}Tensor{{{list(own)}}}, size={list(shape)}): the number "
            f"of sizes provided ({len(shape)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({len(own)})"
        )
    offset = len(shape) - len(own)
    for i in reversed(range(len(own))):
        if own[i] not in (1, shape[i + offset]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i + offset]}) must match the existing size "
                f"({own[i]}) at non-singleton dimension {i + offset}.  Target sizes: {list(shape)}.  Tensor "
                f"sizes: {list(own)}"
            )


def _assign_entries(target: Tensor, indices: dict[int, Tensor], value: Any) -> None:
    """Writes at index tensors and masks."""
    check_writable(target)
    if len(indices) == 1:
        ((dim, only),) = indices.items()
        single = not isinstance(value, Tensor) or value._meta.numel == 1
        if only._meta.dtype is dtypes.bool_ and single:
            check_mask(only._meta.shape, target._meta.shape, dim)
            if isinstance(value, Tensor) and value._meta.shape:
                value = registry["Tensor.reshape"](value, ())
            write(target, apply(put_masked, (target, on_device(only, target), value, dim)), "index_put_")
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
        values = on_device(values, input)
    return apply(put_values, (input, indices, values, accumulate))


def delitem(self: Tensor, key: Any) -> None:
    """Tensors keep their shape: nothing can be deleted."""
    raise TypeError("Tensor does not support deleting items")


# -- index_put by name -----------------------------------------------------------------------------


@function("index_put", "index_put_", "Tensor.index_put", "Tensor.index_put_", checked=True)
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` at `indices`, a tuple of index tensors or masks; `accumulate` adds them.

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


for _name_of, _function in (("__setitem__", setitem), ("__delitem__", delitem)):
    register(f"Tensor.{_name_of}", _function)
    setattr(Tensor, _name_of, _function)
