"""Views under their public names: other shapes and parts of the same storage.

Here arguments are checked and worked out; `views.py` has the primitives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core import strides as stride_rules
from flambeau._core.declare import (
    RAW,
    Array,
    Sizes,
    broadcast_shapes,
    canonical_dim,
    canonical_dims,
    registry,
)
from flambeau._core.dispatch import function, op
from flambeau._core.dtype import dtype as DType
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._core.warn import warn, warn_once
from flambeau._ops import views
from flambeau._ops.construct import as_dtype
from flambeau._ops.sizes import integer, is_integer, sizes_of, spread

Shape = tuple[int, ...]


def check_tensor(value: Any, name: str, argument: str = "input", position: int = 1) -> Tensor:
    """Raises: TypeError in PyTorch's words for anything but a tensor."""
    if isinstance(value, Tensor):
        return value
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(value).__name__}"
    )


def _property(name: str) -> Callable[[Callable[[Tensor], Any]], Callable[[Tensor], Any]]:
    """Makes a function a property of tensors."""

    def add(function: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        setattr(Tensor, name, property(function, doc=function.__doc__))
        return function

    return add


# -- dimensions in another order -------------------------------------------------------------------


@function("transpose", "Tensor.transpose")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged."""
    ndim = check_tensor(input, "transpose").ndim
    a = canonical_dim(dim0 if type(dim0) is int else integer(dim0, "transpose", "dim0", 1), ndim)
    b = canonical_dim(dim1 if type(dim1) is int else integer(dim1, "transpose", "dim1", 2), ndim)
    return views.transpose_view.function(input, a, b)


@function("swapaxes", "Tensor.swapaxes")
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """A view with two dimensions exchanged."""
    return transpose(input, axis0, axis1)


@function("swapdims", "Tensor.swapdims")
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged."""
    return transpose(input, dim0, dim1)


@function("t", "Tensor.t")
def t(input: Tensor) -> Tensor:
    """A matrix transposed; tensors of fewer dimensions as they are."""
    ndim = check_tensor(input, "t").ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return views.t_view.function(input, 0, max(ndim - 1, 0))


@function("permute")
def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """A view with the dimensions in the order `dims`."""
    order = sizes_of((dims,), "permute", "dims", 2)
    ndim = check_tensor(input, "permute").ndim
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            "desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(order)}"
        )
    found = tuple([canonical_dim(dim, ndim) for dim in order])
    if len(set(found)) != len(found):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return views.permute_view.function(input, found)


function("Tensor.permute")(spread(permute, "dims"))


@function("Tensor.resize")
def resized(self: Tensor, *sizes: Any) -> Tensor:
    """`view` of the tensor laid out in order, under the name of a method that changes it in place."""
    warn("non-inplace resize is deprecated")
    return _resized(self, sizes_of(sizes, "resize", "sizes"))


@function("Tensor.resize_as")
def resized_as(self: Tensor, tensor: Tensor) -> Tensor:
    """`resize` to the sizes of another tensor."""
    warn("non-inplace resize_as is deprecated")
    return _resized(self, tensor.shape)


def _resized(input: Tensor, sizes: Sequence[int]) -> Tensor:
    count = math.prod(sizes)
    if count != input.numel():
        asked, own = ("x".join(map(str, each)) for each in (sizes, input.shape))
        raise RuntimeError(
            f"requested resize to {asked} ({count} elements in total), but the given tensor has a size of {own} "
            f"({input.numel()} elements). autograd's resize can only change the shape of a given tensor, while "
            "preserving the number of elements. "
        )
    return reshape(input, tuple(sizes))


@_property("T")
def _reversed(self: Tensor) -> Tensor:
    """A view with all dimensions in reverse order."""
    if self.ndim not in (0, 2):
        warn_once(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and "
            "it will "
            "throw an error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
        )
    return views.permute_view.function(self, tuple(range(self.ndim))[::-1])


def _matrix_transposed(input: Tensor, name: str) -> Tensor:
    if input.ndim == 1:
        raise RuntimeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return transpose(input, -2, -1) if input.ndim else permute(input, ())


@_property("mT")
def _matrix_transpose(self: Tensor) -> Tensor:
    """A view with the last two dimensions exchanged."""
    return _matrix_transposed(self, "mT")


def _conjugated(input: Tensor) -> Tensor:
    return input.conj() if input.is_complex() else input  # type: ignore[attr-defined]


@_property("mH")
def _matrix_adjoint(self: Tensor) -> Tensor:
    """The last two dimensions exchanged, and conjugated."""
    return _conjugated(_matrix_transposed(self, "mH"))


@_property("H")
def _matrix_hermitian(self: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    if self.ndim not in (0, 2):
        hint = " For batches of matrices, consider using tensor.mH" if self.ndim > 2 else ""
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.{hint}"
        )
    return _conjugated(_matrix_transposed(self, "H"))


@function("adjoint", "Tensor.adjoint")
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, and conjugated."""
    return _conjugated(_matrix_transposed(check_tensor(input, "adjoint"), "adjoint()"))


@function("movedim", "moveaxis", "Tensor.movedim", "Tensor.moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """A view with the dimensions `source` moved to `destination`; the others keep their order."""
    ndim = check_tensor(input, "movedim").ndim
    before, after = (
        sizes_of((source,), "movedim", "source", 2),
        sizes_of((destination,), "movedim", "destination", 3),
    )
    if len(before) != len(after):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(before)} dims) should contain the "
            "same number "
            f"of dims as destination ({list(after)} dims)"
        )
    froms, tos = [canonical_dim(d, ndim) for d in before], [canonical_dim(d, ndim) for d in after]
    for dims, which, given in ((froms, "source", before), (tos, "destination", after)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{which}` ({list(given)})")
    if not ndim:
        return views.permute_view.function(input, ())
    rest = iter([dim for dim in range(ndim) if dim not in froms])
    place = dict(zip(tos, froms, strict=True))
    return views.permute_view.function(
        input, tuple([place[i] if i in place else next(rest) for i in range(ndim)])
    )


# -- other shapes ----------------------------------------------------------------------------------


def inferred_size(size: Shape, numel: int) -> Shape:
    """Sizes with -1 replaced by what is left of `numel`.

    Raises: RuntimeError in PyTorch's words.
    """
    known, unknown = 1, -1
    for i, n in enumerate(size):
        if n >= 0:
            known *= n
        elif n != -1:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(size)}")
        elif unknown >= 0:
            raise RuntimeError("only one dimension can be inferred")
        else:
            unknown = i
    if unknown < 0:
        if known != numel:
            raise RuntimeError(f"shape '{list(size)}' is invalid for input of size {numel}")
        return size
    if known == 0 and numel == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension "
            "size -1 can "
            "be any value and is ambiguous"
        )
    if known == 0 or numel % known:
        raise RuntimeError(f"shape '{list(size)}' is invalid for input of size {numel}")
    return (*size[:unknown], numel // known, *size[unknown + 1 :])


def _as_size(input: Tensor, size: Shape) -> Tensor:
    """A view of known size; raises where the strides forbid it."""
    if input._stride is not None and stride_rules.of_reshape(input._meta.shape, input._stride, size) is None:
        error = RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
        error.add_note(
            f"The input has shape {tuple(input._meta.shape)} and strides {input._stride}. "
            "x.contiguous().view(...) copies "
            "it into the usual order first, and so does x.reshape(...) where it has to."
        )
        raise error
    return views.view_as_size.function(input, size)


@function("Tensor.view")
def view(self: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same elements, in the same storage, in another shape (one size may be -1) or as another dtype.

    Raises: RuntimeError, if the number of elements differs, or the strides allow no view: then `reshape`
    copies.
    """
    if named:
        shape = (named.pop("dtype" if "dtype" in named else "size"),)
    if len(shape) == 1:
        first = shape[0]
        if isinstance(first, dtypes.dtype) or (
            isinstance(first, type) and first in (float, int, bool, complex)
        ):
            return view_as_dtype(self, as_dtype(first, "view"))
        if not isinstance(first, (tuple, list)) and not is_integer(first):
            _refuse_view(shape)
    elif not shape or isinstance(shape[0], (tuple, list)):
        _refuse_view(shape)
    return _as_size(self, inferred_size(sizes_of(shape, "view"), self._meta.numel))


def _refuse_view(args: tuple[Any, ...]) -> None:
    got = ", ".join(type(arg).__name__ for arg in args)
    raise TypeError(
        f"view() received an invalid combination of arguments - got ({got}), but expected one of:\n"
        " * (torch.dtype dtype)\n * (tuple of ints size)\n"
    )


def view_as_dtype(input: Tensor, dtype: dtypes.dtype) -> Tensor:
    """The same bits as elements of another dtype.

    Raises: RuntimeError, if the element size differs and the last dimension does not fit.
    """
    old, new = input._meta.dtype, dtype
    if old is new:
        return input.detach() if not input._rg else views.view_as_size(input, input._meta.shape)
    if old.itemsize != new.itemsize:
        what = f"to view {old.scalar_type} as {new.scalar_type} (different element sizes)"
        if not input.ndim:
            raise RuntimeError(f"self.dim() cannot be 0 {what}")
        if input.stride(-1) != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 {what}, but got {input.stride(-1)}")
        ratio = new.itemsize // old.itemsize
        if ratio and input._meta.shape[-1] % ratio:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {ratio} {what}, but got {input._meta.shape[-1]}"
            )
        for dim in range(input.ndim - 1):
            if ratio and input.stride(dim) % ratio:
                raise RuntimeError(
                    f"self.stride({dim}) must be divisible by {ratio} {what}, but got {input.stride(dim)}"
                )
        if ratio and input.storage_offset() % ratio:
            raise RuntimeError(
                f"self.storage_offset() must be divisible by {ratio} {what}, but got {input.storage_offset()}"
            )
    return views.bits_view(input, dtype, old.itemsize)


@function("Tensor.view_as")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of `other`."""
    return view(self, check_tensor(other, "view_as", "other")._meta.shape)


@op(promote=RAW, node="UnsafeViewBackward", shape=lambda input, size: input.with_shape(size))
def reshaped_copy(xp: Any, input: Array, size: Sizes) -> Array:
    """A copy in another shape."""
    return xp.reshape(input, size)


@reshaped_copy.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta) -> Array:
    return xp.reshape(g, input_meta.shape)


def _reshape(input: Tensor, size: Shape) -> Tensor:
    if input._stride is not None and stride_rules.of_reshape(input._meta.shape, input._stride, size) is None:
        return reshaped_copy(input, size)
    return views.view_as_size.function(input, size)


@function("reshape")
def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements in another shape: a view where the strides allow one, a copy otherwise."""
    size = sizes_of((shape,), "reshape", "shape", 2)
    return _reshape(input, inferred_size(size, check_tensor(input, "reshape")._meta.numel))


function("Tensor.reshape")(spread(reshape, "shape"))


@function("Tensor.reshape_as")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """The same elements in the shape of `other`."""
    return reshape(self, check_tensor(other, "reshape_as", "other")._meta.shape)


def _orders(tensor: Tensor, format: Any) -> Shape:
    """Dimensions from slowest to fastest in this memory format."""
    own = tuple(range(tensor.ndim))
    return own if format is dtypes.contiguous_format else (own[0], *own[2:], 1)


@function("Tensor.dim_order")
def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> Shape:
    """The dimensions from the one whose steps are longest to the one whose steps are shortest.

    Args:
        ambiguity_check: raise where sizes of 1 or equal strides allow several orders; with a list of memory formats only
            where not just one of them fits.

    >>> import flambeau
    >>> flambeau.ones(2, 3).T.dim_order()
    (1, 0)
    """
    stride, shape = self.stride(), self._meta.shape
    found = tuple(sorted(range(len(shape)), key=lambda dim: -stride[dim]))
    if ambiguity_check is False:
        return found
    if not isinstance(ambiguity_check, (bool, list)):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    if 0 in stride:
        raise RuntimeError("The tensor does not have unique dim order.")
    if ambiguity_check is True:
        unique = self.ndim < 2 or (1 not in shape and len(set(stride)) == len(stride))
        fits = {found} if unique else set()
    else:
        given: list[Any] = ambiguity_check or []
        formats = [each for each in given if stride_rules.is_contiguous(shape, stride, each)]
        fits = {_orders(self, each) for each in formats} if len(formats) == 1 else set()
    if len(fits) != 1:
        raise RuntimeError(
            "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
        )
    return fits.pop()


@function("Tensor.__reversed__")
def reversed_rows(self: Tensor) -> Tensor:
    """The entries along the first dimension, from the last to the first."""
    return registry["flip"](self, (0,)) if self.ndim else self


@function("Tensor.to_dense")
def to_dense(self: Tensor, dtype: DType | None = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself, for all layouts here are dense; or cast to `dtype`."""
    return self if dtype is None else self.to(dtype)  # type: ignore[attr-defined]


@function("flatten", "Tensor.flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` as one."""
    shape = check_tensor(input, "flatten")._meta.shape
    first = canonical_dim(integer(start_dim, "flatten", "start_dim", 2), len(shape))
    last = canonical_dim(integer(end_dim, "flatten", "end_dim", 3), len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return _reshape(input, (1,))
    if first == last:
        return input
    return _reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@function("unflatten", "Tensor.unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several, of `sizes` (one may be -1)."""
    where = integer(dim, "unflatten", "dim", 1)
    wanted = sizes_of((sizes,), "unflatten", "sizes", 2) if not isinstance(sizes, int) else (sizes,)
    shape = check_tensor(input, "unflatten")._meta.shape
    at = canonical_dim(where, len(shape))
    if not wanted:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if wanted.count(-1) > 1:
        raise RuntimeError("unflatten got an unexpected error:\nonly one dimension can be inferred")
    size = shape[at] if shape else 1
    try:
        found = inferred_size(wanted, size)
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(wanted)} don't multiply up to the size of dim {at} ({size}) "
            "in the input "
            "tensor"
        ) from None
    return _as_size(input, (*shape[:at], *found, *shape[at + 1 :]))


@function("ravel", "Tensor.ravel")
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension: a view where the strides allow one."""
    check_tensor(input, "ravel")
    if input._stride is not None:
        input = input.contiguous()  # type: ignore[attr-defined]
    return views.view_as_size.function(input, (input._meta.numel,))


@function("squeeze", "Tensor.squeeze")
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """A view without the dimensions of size 1: all of them, or those among `dim`."""
    shape = check_tensor(input, "squeeze")._meta.shape
    if dim is None:
        return views.squeeze_all(input, tuple([i for i, n in enumerate(shape) if n == 1]))
    if isinstance(dim, (tuple, list)):
        dims = canonical_dims(sizes_of((dim,), "squeeze", "dim", 2), len(shape)) if len(dim) else ()
        return views.squeeze_dims(input, tuple(sorted([i for i in dims if shape[i] == 1])))
    at = canonical_dim(integer(dim, "squeeze", "dim", 1), len(shape))
    return views.squeeze_dim(input, (at,) if shape and shape[at] == 1 else ())


@function("unsqueeze", "Tensor.unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a new dimension of size 1 at `dim`."""
    where = dim if type(dim) is int else integer(dim, "unsqueeze", "dim", 1)
    return views.unsqueeze_view.function(
        input, (canonical_dim(where, check_tensor(input, "unsqueeze").ndim + 1),)
    )


def expanded_size(input: Tensor, size: Shape) -> Shape:
    """The shape that `expand(size)` gives: -1 keeps a size.

    Raises: RuntimeError in PyTorch's words.
    """
    shape = input._meta.shape
    new = len(size) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand(torch.{input._meta.dtype.scalar_type}Tensor{{{list(shape)}}}, size="
            f"{list(size)}): the number of sizes provided ({len(size)}) must be greater or equal to the "
            "number of "
            f"dimensions in the tensor ({len(shape)})"
        )
    found = list(size)
    for i in range(len(size) - 1, -1, -1):
        wanted = size[i]
        if i < new:
            if wanted < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({wanted}) isn't allowed in a leading, non-existing "
                    f"dimension {i}"
                )
        elif wanted == -1:
            found[i] = shape[i - new]
        elif shape[i - new] not in (1, wanted) or wanted < 0:
            raise RuntimeError(
                f"The expanded size of the tensor ({wanted}) must match the existing size "
                f"({shape[i - new]}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(shape)}"
            )
    return tuple(found)


@function("Tensor.expand")
def expand(self: Tensor, *size: Any, implicit: bool = False, **named: Any) -> Tensor:
    """A view that repeats dimensions of size 1, and new ones in front; -1 keeps a size."""
    if not size and "size" in named:
        size = (named.pop("size"),)
    return views.expand_view.function(self, expanded_size(self, sizes_of(size, "expand")))


@function("Tensor.expand_as")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor expanded to the shape of `other`."""
    return expand(self, check_tensor(other, "expand_as", "other")._meta.shape)


@function("broadcast_to", "Tensor.broadcast_to")
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """The input expanded to a shape."""
    return expand(check_tensor(input, "broadcast_to"), size)


@function("broadcast_tensors", "functional.broadcast_tensors")
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape; those that have it come back themselves."""
    group = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = broadcast_shapes(
        *[check_tensor(each, "broadcast_tensors", "tensors")._meta.shape for each in group]
    )
    return tuple([each if each._meta.shape == shape else expand(each, shape) for each in group])


@function("broadcast_shapes", "functional.broadcast_shapes")
def public_broadcast_shapes(*shapes: Any) -> Size:
    """The common shape under broadcasting.

    Raises: RuntimeError, if there is none.
    """
    given = [(each,) if is_integer(each) else tuple(each) for each in shapes]
    length = max(map(len, given), default=0)
    found = [1] * length
    for number, shape in enumerate(given):
        for i in range(-1, -1 - len(shape), -1):
            if shape[i] < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if shape[i] in (1, found[i]):
                continue
            if found[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {shape[i]} at {i}! Mismatching argument "
                    "at index "
                    f"{number} had {shape}; but expected shape should be broadcastable to {found}"
                )
            found[i] = shape[i]
    return Size(found)


def _at_least(name: str, raised: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    def at_least(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            return tuple([raised(check_tensor(each, name)) for each in tensors[0]])
        found = tuple([raised(check_tensor(each, name, "tensors")) for each in tensors])
        return found[0] if len(found) == 1 else found

    at_least.__name__ = at_least.__qualname__ = name
    at_least.__doc__ = f"Each tensor with at least {name[-2]} dimensions; new ones have size 1."
    return function(name)(at_least)


atleast_1d = _at_least("atleast_1d", lambda x: x if x.ndim else _reshape(x, (1,)))
atleast_2d = _at_least(
    "atleast_2d", lambda x: x if x.ndim > 1 else unsqueeze(x, 0) if x.ndim else _reshape(x, (1, 1))
)


def _to_three(x: Tensor) -> Tensor:
    if x.ndim == 0:
        return _reshape(x, (1, 1, 1))
    if x.ndim == 1:
        return unsqueeze(unsqueeze(x, 0), -1)
    return unsqueeze(x, -1) if x.ndim == 2 else x


atleast_3d = _at_least("atleast_3d", _to_three)
