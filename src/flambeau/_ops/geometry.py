"""A tensor's place in its storage: any strides, resizing, changes of shape in place, writing parts into
copies.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from flambeau._core import strides as stride_rules
from flambeau._core.declare import EXACT, RAW, Array, Scalar, Sizes, canonical_dim, registry
from flambeau._core.dispatch import function, op, resize
from flambeau._core.dtype import contiguous_format
from flambeau._core.modes import modes
from flambeau._core.signatures import LazySignature
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, Meta
from flambeau._ops import parts, shape, views
from flambeau._ops.sizes import integer, sizes_of, spread

Shape = tuple[int, ...]

# -- any strides -----------------------------------------------------------------------------------


def _whole(input: Tensor) -> tuple[Tensor, int]:
    """A contiguous tensor that the input is a part of, with its history, and its own place in the storage."""
    root = input if input._base is None else input._base
    if root._views and not input.requires_grad:
        whole = object.__new__(Tensor)
        whole._storage, whole._meta = input._storage, input._views[0][0].inputs[0]
        root = whole
    start = root.storage_offset()
    if root._stride is not None:
        order = stride_rules.dense_order(root._meta.shape, root._stride)
        if order is None:
            raise RuntimeError(
                "as_strided needs the base to lie in its storage without gaps, but it has strides "
                f"{root._stride}: take "
                "x.contiguous() first"
            )
        root = views.permute_view(root, order)
    if root._meta.dtype is not input._meta.dtype:
        root = shape.view_as_dtype(root, input._meta.dtype)
    return root, start


def _check_geometry(size: Shape, stride: Shape, start: int, storage: int, itemsize: int) -> None:
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(step < 0 for step in stride):
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
        )
    if any(n < 0 for n in size):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}"
        )
    if start < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {start}")
    last = start + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    if 0 not in size and last > storage:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start}, and itemsize "
            f"{itemsize} "
            f"requiring a storage size of {last * itemsize} are out of bounds for storage of size "
            f"{storage * itemsize}"
        )


@function("as_strided", "Tensor.as_strided")
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the input's storage with any sizes and strides.

    Args:
        storage_offset: place of the first element in the storage; None keeps the input's.
    """
    sizes, steps = sizes_of((size,), "as_strided"), sizes_of((stride,), "as_strided", "stride", 3)
    root, start = _whole(shape.check_tensor(input, "as_strided"))
    offset = (
        input.storage_offset()
        if storage_offset is None
        else integer(storage_offset, "as_strided", "storage_offset", 4)
    )
    _check_geometry(sizes, steps, offset, start + root._meta.numel, input.itemsize)
    if offset < start:
        raise RuntimeError(
            f"as_strided: the graph begins at storage offset {start}, but {offset} was asked for"
        )
    return views.as_strided_view(root, sizes, steps, offset - start)


# -- in place --------------------------------------------------------------------------------------


def _become(target: Tensor, view: Tensor) -> Tensor:
    """Makes a tensor what a view of it is: shape, strides, place and history."""
    target._views, target._value, target._seen = view._views, view._value, view._seen
    target._meta, target._stride = view._meta, view._stride
    if target._base is not None:
        target._from_base = view._from_base
    if view._node is not None:
        target._node, target._index = view._node, view._index
    target._storage.version += 1
    return target


def _of_a_method(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function whose first parameter is `self`."""
    whole = inspect.signature(function, eval_str=True)
    first, *others = whole.parameters.values()
    return whole.replace(parameters=[first.replace(name="self"), *others])


def _declare_in_place(name: str, of: Callable[..., Tensor]) -> None:
    def change(self: Tensor, *args: Any, **named: Any) -> Tensor:
        if modes.grad and self.requires_grad and self.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        return _become(self, of(self, *args, **named))

    change.__name__ = change.__qualname__ = name
    change.__signature__ = LazySignature(lambda: _of_a_method(of))  # type: ignore[attr-defined]
    change.__doc__ = f"`{name[:-1]}`, of this tensor itself."
    setattr(Tensor, name, change)
    registry[f"Tensor.{name}"] = change


def _t_in_place(self: Tensor) -> Tensor:
    if self.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self.ndim}D")
    return shape.t(self)


_declare_in_place("t_", _t_in_place)
_declare_in_place("transpose_", shape.transpose)
_declare_in_place("swapaxes_", shape.swapaxes)
_declare_in_place("swapdims_", shape.swapdims)
_declare_in_place("squeeze_", shape.squeeze)
_declare_in_place("unsqueeze_", shape.unsqueeze)
_declare_in_place("as_strided_", as_strided)
registry["as_strided_"] = registry["Tensor.as_strided_"]


def _resize_in_place(self: Tensor, size: Any, memory_format: Any = None) -> Tensor:
    """Gives this tensor other sizes: its storage's elements in order, and more where it has too few."""
    sizes = sizes_of((size,), "resize_")
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    if any(n < 0 for n in sizes):
        raise RuntimeError("numel: integer multiplication overflow")
    if sizes == self._meta.shape:
        return self
    meta = self._meta.with_shape(sizes)
    root = self._views[0][0].inputs[0] if self._views else self._meta
    fits = root.dtype is meta.dtype and self.storage_offset() + meta.numel <= root.numel
    if fits and self._meta.device is not META and self._base is None:
        start = self.storage_offset()
        whole = object.__new__(Tensor)
        whole._storage, whole._meta = self._storage, root
        with_history = views.as_strided_view(whole, sizes, stride_rules.contiguous_strides(sizes), start)
        return _become(self, with_history)
    resize(self, sizes)
    return self


_resize_in_place.__name__ = _resize_in_place.__qualname__ = "resize_"
_resize_method = spread(_resize_in_place, "sizes")
Tensor.resize_ = _resize_method  # type: ignore[method-assign]
registry["Tensor.resize_"] = _resize_method


def _resize_as_in_place(self: Tensor, tensor: Tensor, *, memory_format: Any = None) -> Tensor:
    """Gives this tensor the sizes of another."""
    return _resize_in_place(self, shape.check_tensor(tensor, "resize_as_", "the_template")._meta.shape)


def _set_in_place(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Makes this tensor look at the storage of another; without one, at an empty storage."""
    if modes.grad and self.requires_grad and self.is_leaf:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if source is None:
        resize(self, (0,))
        return self
    if not isinstance(source, Tensor):
        raise TypeError(f"set_(): argument 'source' must be Tensor, not {type(source).__name__}")
    if source._meta.dtype is not self._meta.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {source._meta.dtype.scalar_type.lower()} to a tensor of type "
            f"{self._meta.dtype.scalar_type.lower()}"
        )
    if size is not None:
        steps = stride if stride is not None else stride_rules.contiguous_strides(sizes_of((size,), "set_"))
        source = as_strided(source.detach(), size, steps, storage_offset)
    self._storage, self._meta = source._storage, source._meta
    self._views, self._value, self._seen = source._views, source._value, source._seen
    self._stride = source._stride
    return self


registry["resize_as_"] = _resize_as_in_place
for _name, _method in (("resize_as_", _resize_as_in_place), ("set_", _set_in_place)):
    _method.__name__ = _method.__qualname__ = _name
    setattr(Tensor, _name, _method)
    registry[f"Tensor.{_name}"] = _method


# -- parts written into a copy ---------------------------------------------------------------------


def _same_as_part(part: Shape, src: Meta) -> None:
    if src.shape != part:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. "
            f"src size = {list(src.shape)}, slice size = {list(part)}"
        )


@op(promote=RAW, node="SliceScatterBackward", shape=lambda input, src, dim, start, length, step: input)
def put_slice(xp: Any, input: Array, src: Array, dim: int, start: Scalar, length: int, step: int) -> Array:
    """The input with `src` in a slice."""
    return views.slice_view.scatter_rule(xp, input, src.astype(input.dtype), dim, start, length, step)


@put_slice.gradient("input")
def _(xp: Any, g: Array, src_meta: Meta, dim: int, start: Any, length: int, step: int) -> Array:
    return views.slice_view.scatter_rule(xp, g, xp.zeros(src_meta.shape, g.dtype), dim, start, length, step)


@put_slice.gradient("src")
def _(xp: Any, g: Array, dim: int, start: Any, length: int, step: int) -> Array:
    return views.slice_view.compute(xp, (g, dim, start, length, step))


@op(promote=RAW, node="SelectScatterBackward", shape=lambda input, src, dim, index: input)
def put_entry(xp: Any, input: Array, src: Array, dim: int, index: Scalar) -> Array:
    """The input with `src` as one entry."""
    return views.select_view.scatter_rule(xp, input, src.astype(input.dtype), dim, index)


@put_entry.gradient("input")
def _(xp: Any, g: Array, src_meta: Meta, dim: int, index: Any) -> Array:
    return views.select_view.scatter_rule(xp, g, xp.zeros(src_meta.shape, g.dtype), dim, index)


@put_entry.gradient("src")
def _(xp: Any, g: Array, dim: int, index: Any) -> Array:
    return views.select_view.compute(xp, (g, dim, index))


@op(promote=RAW, node="DiagonalScatterBackward", shape=lambda input, src, offset, dim1, dim2: input)
def put_on_diagonal(xp: Any, input: Array, src: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The input with `src` on a diagonal."""
    return views.put_diagonal(xp, input, src.astype(input.dtype), offset, dim1, dim2)


@put_on_diagonal.gradient("input")
def _(xp: Any, g: Array, src_meta: Meta, offset: int, dim1: int, dim2: int) -> Array:
    return views.put_diagonal(xp, g, xp.zeros(src_meta.shape, g.dtype), offset, dim1, dim2)


@put_on_diagonal.gradient("src")
def _(xp: Any, g: Array, offset: int, dim1: int, dim2: int) -> Array:
    return xp.diagonal(g, offset, dim1, dim2)


@op(promote=RAW, node="AsStridedScatterBackward", shape=lambda input, src, size, stride, start: input)
def put_at_strides(xp: Any, input: Array, src: Array, size: Sizes, stride: Sizes, start: Scalar) -> Array:
    """The input, contiguous, with `src` at any strides."""
    return views.put_strided(xp, input, src.astype(input.dtype), size, stride, start)


@put_at_strides.gradient("input")
def _(xp: Any, g: Array, src_meta: Meta, size: Shape, stride: Shape, start: Any) -> Array:
    return views.put_strided(xp, g, xp.zeros(src_meta.shape, g.dtype), size, stride, start)


@put_at_strides.gradient("src")
def _(xp: Any, g: Array, size: Shape, stride: Shape, start: Any) -> Array:
    return views.as_strided_view.compute(xp, (g, size, stride, start))


@function("slice_scatter", "Tensor.slice_scatter", out=EXACT)
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of the input with `src` as `input[start:end:step]` along one dimension."""
    if step < 1:
        raise RuntimeError("slice step must be positive")
    at = canonical_dim(dim, input.ndim)
    chosen = range(input._meta.shape[at])[start:end:step]
    sizes = input._meta.shape
    _same_as_part((*sizes[:at], len(chosen), *sizes[at + 1 :]), src._meta)
    return put_slice(input, src, at, chosen.start, len(chosen), step)


@function("select_scatter", "Tensor.select_scatter", out=True)
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of the input with `src` as one entry of a dimension."""
    sizes = input._meta.shape
    if not sizes:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at = canonical_dim(dim, len(sizes))
    if not -sizes[at] <= index < sizes[at]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(sizes)} at dimension {at}"
        )
    _same_as_part(sizes[:at] + sizes[at + 1 :], src._meta)
    return put_entry(input, src, at, index % sizes[at])


@function("diagonal_scatter", "Tensor.diagonal_scatter", out=True)
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of the input with `src` on a diagonal."""
    sizes = input._meta.shape
    a, b = canonical_dim(dim1, len(sizes)), canonical_dim(dim2, len(sizes))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    length = views.diagonal_length(sizes[a], sizes[b], offset)
    _same_as_part((*[n for i, n in enumerate(sizes) if i not in (a, b)], length), src._meta)
    return put_on_diagonal(input, src, offset, a, b)


@function("as_strided_scatter", "Tensor.as_strided_scatter", out=True)
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """A copy of the input with `src` at any strides."""
    sizes, steps = (
        sizes_of((size,), "as_strided_scatter"),
        sizes_of((stride,), "as_strided_scatter", "stride", 4),
    )
    start = (
        0 if storage_offset is None else integer(storage_offset, "as_strided_scatter", "storage_offset", 5)
    )
    _check_geometry(sizes, steps, start, input._meta.numel, input.itemsize)
    _same_as_part(sizes, src._meta)
    return put_at_strides(input, src, sizes, steps, start)


# -- views as copies -------------------------------------------------------------------------------


def _copied(view: Tensor) -> Tensor:
    return view.clone(memory_format=contiguous_format)  # type: ignore[attr-defined]


def _declare_copy(name: str, of: Callable[..., Any], method: bool = False) -> None:
    def copy(input: Tensor, *args: Any, **named: Any) -> Any:
        found = of(input, *args, **named)
        return tuple(map(_copied, found)) if isinstance(found, tuple) else _copied(found)

    copy.__name__ = copy.__qualname__ = name
    copy.__signature__ = LazySignature(lambda: inspect.signature(of, eval_str=True))  # type: ignore[attr-defined]
    copy.__doc__ = f"`{name.removesuffix('_copy')}` as a copy instead of a view."
    names = [name, f"Tensor.{name}"] if method else [name]
    function(*names, out=EXACT)(copy)


def _alias(input: Tensor) -> Tensor:
    return input


def _view(input: Tensor, size: Any = None, dtype: Any = None) -> Tensor:
    return shape.view(input, size if dtype is None else dtype)


def _narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    if 0 < input.dim() <= dim:
        error = RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.  (Could this error "
            "message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
        error.add_note(f"narrow_copy() was asked for dimension {dim} of a tensor that has {input.dim()}.")
        raise error
    return parts.narrow(input, dim, start, length)


_declare_copy("alias_copy", _alias)
_declare_copy("detach_copy", lambda input: input.detach())
_declare_copy("as_strided_copy", as_strided)
_declare_copy("diagonal_copy", parts.diagonal)
_declare_copy("expand_copy", lambda input, size, implicit=False: shape.expand(input, size))
_declare_copy("narrow_copy", _narrow, method=True)
_declare_copy("permute_copy", shape.permute)
_declare_copy("select_copy", parts.select)
_declare_copy(
    "slice_copy",
    lambda input, dim=0, start=None, end=None, step=1: parts.sliced(input, dim, start, end, step),
)
_declare_copy("squeeze_copy", shape.squeeze)
_declare_copy("t_copy", shape.t)
_declare_copy("transpose_copy", shape.transpose)
_declare_copy("unfold_copy", parts.unfold)
_declare_copy("unsqueeze_copy", shape.unsqueeze)
_declare_copy("view_as_complex_copy", parts.view_as_complex)
_declare_copy("view_as_real_copy", parts.view_as_real)
_declare_copy("view_copy", _view)
_declare_copy("split_copy", parts.split)
_declare_copy("split_with_sizes_copy", parts.split_with_sizes)
_declare_copy("unbind_copy", parts.unbind)

_unsafe_split = views.declare_parts("UnsafeSplitBackward")


def _unsafe_parts(input: Tensor, sizes: Shape, dim: int) -> tuple[Tensor, ...]:
    """Parts that show the input's storage without autograd's knowing."""
    found = parts.as_parts(input, _unsafe_split(input, sizes, dim), sizes, dim)
    for part in found:
        part._base, part._from_base, part._made_in = None, (), ""
    return found


@function("unsafe_split", "Tensor.unsafe_split")
def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` whose parts autograd lets be written to."""
    at = parts.split_dim(input, dim, "split")
    sizes = parts.equal_parts(input._meta.shape[at], integer(split_size, "unsafe_split", "split_size", 2))
    return _unsafe_parts(input, sizes, at)


@function("unsafe_split_with_sizes", "Tensor.unsafe_split_with_sizes")
def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes` whose parts autograd lets be written to."""
    at = parts.split_dim(input, dim, "split_with_sizes")
    sizes = sizes_of((split_sizes,), "unsafe_split_with_sizes", "split_sizes", 2)
    return _unsafe_parts(input, parts.given_parts(input._meta.shape[at], sizes, at), at)


@function("unsafe_chunk", "Tensor.unsafe_chunk")
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk` whose parts autograd lets be written to."""
    at = parts.split_dim(input, dim, "chunk")
    return _unsafe_parts(input, parts.chunk_sizes(input._meta.shape[at], chunks), at)
