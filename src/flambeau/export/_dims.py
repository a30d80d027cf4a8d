"""Sizes that may vary: `Dim`, and which of a program's inputs have them where."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax

from flambeau._core.tensor import Tensor

# Where a Dim has no bound the sizes up to this are tried, and larger ones taken to go the same way.
TRIED = 4099


class ExportError(RuntimeError):
    """A module that cannot be exported as asked."""


class _Hint:
    """What `Dim.AUTO`, `Dim.DYNAMIC` and `Dim.STATIC` are; the former two may be called to give bounds."""

    def __init__(self, name: str, min: int | None = None, max: int | None = None) -> None:
        self.name, self.min, self.max = name, min, max

    def __call__(self, min: int | None = None, max: int | None = None) -> _Hint:
        if self.name == "STATIC":
            raise TypeError(f"'{type(self).__name__}' object is not callable")
        if min is not None and min < 0:
            raise AssertionError(f"min must be non-negative, got {min}")
        if min is not None and max is not None and min > max:
            raise AssertionError(f"min must be <= max, got min={min} and max={max}")
        return _Hint(self.name, min, max)

    def __repr__(self) -> str:
        bounds = "".join([f", {k}={v}" for k, v in (("min", self.min), ("max", self.max)) if v is not None])
        return f"DimHint({self.name}{bounds})"


class Dim:
    """A size that may vary from call to call, between two bounds.

    Other sizes may follow from it: `2 * batch`, `length + 1`.

    Args:
        name: an identifier; equal names are one size.
        min: the least size; 0 by default, but a program takes at least 1.
        max: the greatest; none by default.

    >>> Dim("batch", min=2, max=64)
    Dim('batch', min=2, max=64)
    """

    AUTO: ClassVar[_Hint] = _Hint("AUTO")
    DYNAMIC: ClassVar[_Hint] = _Hint("DYNAMIC")
    STATIC: ClassVar[_Hint] = _Hint("STATIC")

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise AssertionError(f"Dim name must be a valid identifier, got {name}")
        self.min, self.max = 0 if min is None else min, max
        if max is not None and max <= self.min:
            raise AssertionError(f"Cannot create Dim with inconsistent min={self.min}, max={max}")
        self.__name__ = name

    def __repr__(self) -> str:
        least = f", min={self.min}" if self.min != 2 or self.max is None else ""
        return f"Dim('{self.__name__}'{least}{'' if self.max is None else f', max={self.max}'})"

    # Whether it becomes a plain size where the module takes no other.
    may_stay = False
    # What it is in terms of the dim that varies by itself: `scale * root + offset`.
    scale, offset = 1, 0

    @property
    def root(self) -> Dim:
        return self

    def __add__(self, other: int) -> Dim:
        if type(other) is not int:
            raise NotImplementedError(
                _refused(f"add {other} to {self.__name__}, where an integer was expected")
            )
        return _Derived(self.root, self.scale, self.offset + other)

    __radd__ = __add__

    def __sub__(self, other: int) -> Dim:
        if type(other) is not int:
            raise NotImplementedError(
                _refused(f"subtract {other} from {self.__name__}, where an integer was expected")
            )
        return _Derived(self.root, self.scale, self.offset - other)

    def __rsub__(self, other: int) -> Dim:
        raise NotImplementedError(_refused(f"negate {self.__name__}"))

    def __mul__(self, other: int) -> Dim:
        if type(other) is not int or other <= 0:
            raise NotImplementedError(
                _refused(f"multiply {other} with {self.__name__}, where a positive integer was expected")
            )
        return _Derived(self.root, self.scale * other, self.offset * other)

    __rmul__ = __mul__

    def of_root(self, size: int) -> int:
        """The size, given that of the root."""
        return self.scale * size + self.offset

    def root_of(self, size: int) -> int | None:
        """The root's size, given this one; None if there is none."""
        whole, rest = divmod(size - self.offset, self.scale)
        return None if rest else whole

    @property
    def least(self) -> int:
        return max(self.min, 1)

    def sizes(self, example: int, number: int) -> list[int]:
        """Sizes to record at: the example's, its neighbours in kind, the least and a large one; `number` tells dims apart."""
        top = TRIED + 4 * number if self.max is None else min(self.max, TRIED + 4 * number)
        wanted = [example, example + 1 + number, self.least, top, self.least + 2 + 3 * number]
        return [min(max(size, self.least), top) for size in wanted]


class _Derived(Dim):
    """A size that follows from another one."""

    def __init__(self, root: Dim, scale: int, offset: int) -> None:
        self._root, self.scale, self.offset = root, scale, offset
        times = root.__name__ if scale == 1 else f"{scale}*{root.__name__}"
        sign = "+" if offset > 0 else "-"
        self.__name__ = times if not offset else f"{times} {sign} {abs(offset)}"
        self.min, self.max = self.of_root(root.min), None if root.max is None else self.of_root(root.max)

    @property
    def root(self) -> Dim:
        return self._root

    def __repr__(self) -> str:
        return self.__name__


def _refused(attempt: str) -> str:
    return f"Attempted to {attempt}. (Only increasing linear operations with integer coefficients are supported.)"


def dims(*names: str, min: int | None = None, max: int | None = None) -> tuple[Dim, ...]:
    """Several `Dim`s with the same bounds."""
    return tuple(Dim(name, min=min, max=max) for name in names)


@dataclass(frozen=True)
class Input:
    """One tensor among the arguments: its name, the example, and its dims by dimension."""

    name: str
    example: Tensor
    dims: dict[int, Dim]


def inputs_of(
    forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], dynamic_shapes: Any
) -> list[Input]:
    """The tensors among the arguments, in their order.

    Raises: ExportError for shapes that do not fit the arguments, in PyTorch's words where it has some.
    """
    given = _by_name(forward, args, kwargs)
    if dynamic_shapes is None:
        dynamic_shapes = dict.fromkeys(given)
    if isinstance(dynamic_shapes, (tuple, list)):
        if len(dynamic_shapes) != len(given):
            raise ExportError(
                f"`dynamic_shapes` has {len(dynamic_shapes)} entries, but the inputs are {len(given)}: {list(given)}"
            )
        dynamic_shapes = dict(zip(given, dynamic_shapes, strict=True))
    if set(dynamic_shapes) != set(given):
        raise ExportError(
            "When `dynamic_shapes` is specified as a dict, its top-level keys must be the arg names "
            f"{list(given)} of `inputs`, but here they are {list(dynamic_shapes)}. Alternatively, you could also ignore arg "
            "names entirely and specify `dynamic_shapes` as a list/tuple matching `inputs`."
        )
    found: list[Input] = []
    for name, value in given.items():
        _collect(name, value, dynamic_shapes[name], found)
    _check(found)
    return found


def _by_name(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    bound = inspect.signature(forward).bind(*args, **kwargs)
    given: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            given[name] = tuple(value)
        elif kind is inspect.Parameter.VAR_KEYWORD:
            given |= value
        else:
            given[name] = value
    return given


def _collect(name: str, value: Any, shapes: Any, found: list[Input]) -> None:
    if isinstance(value, Tensor):
        found.append(Input(name, value, _dims_of(name, value, shapes)))
        return
    if isinstance(value, (tuple, list)):
        each: Any = enumerate(value)
    elif isinstance(value, dict):
        each = sorted(value.items())  # as JAX orders them
    else:
        if any(isinstance(leaf, Tensor) for leaf in jax.tree.leaves(value, is_leaf=_is_tensor)):
            raise ExportError(
                f"input `{name}` is a {type(value).__name__}: tuples, lists and dicts may hold tensors"
            )
        if shapes is not None:
            raise ExportError(
                f"`dynamic_shapes` has a shape for `{name}`, which is a {type(value).__name__}, no tensor"
            )
        return
    for key, item in each:
        _collect(f"{name}_{key}", item, None if shapes is None else shapes[key], found)


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _dims_of(name: str, tensor: Tensor, shapes: Any) -> dict[int, Dim]:
    if shapes is None:
        return {}
    listed: dict[int, Any] = dict(enumerate(shapes)) if isinstance(shapes, (tuple, list)) else dict(shapes)
    found: dict[int, Dim] = {}
    for dim, what in listed.items():
        if not -tensor.ndim <= dim < tensor.ndim:
            raise ExportError(f"`dynamic_shapes` names dimension {dim} of `{name}`, which has {tensor.ndim}")
        dim %= tensor.ndim
        size = tensor._meta.shape[dim]
        if isinstance(what, _Hint) and what.name != "STATIC":
            if what.name == "DYNAMIC" or size > 1:  # PyTorch, too, takes 0 and 1 for sizes that stay
                found[dim] = _hinted(f"{name}_{dim}", what)
        elif isinstance(what, Dim):
            found[dim] = what
        elif isinstance(what, int) and what != size:
            raise ExportError(
                f"`dynamic_shapes` says {what} for dimension {dim} of `{name}`, which is {size}"
            )
        elif what is not None and what is not Dim.STATIC and not isinstance(what, int):
            raise ExportError(
                f"unexpected entry {what!r} in `dynamic_shapes` for dimension {dim} of `{name}`"
            )
    return found


def _hinted(name: str, hint: _Hint) -> Dim:
    dim = Dim(name, min=hint.min, max=hint.max)
    dim.may_stay = hint.name == "AUTO"
    return dim


def _check(inputs: Sequence[Input]) -> None:
    sizes: dict[str, tuple[int, str]] = {}
    for each in inputs:
        for dim, what in each.dims.items():
            size, where = each.example._meta.shape[dim], f"{each.name}.size()[{dim}]"
            root, of_root = what.root, what.root_of(size)
            if of_root is None:
                raise ExportError(
                    f"{where} of the example is {size}, which is not {what!r} for any {root.__name__}"
                )
            if not root.least <= of_root or (root.max is not None and of_root > root.max):
                raise ExportError(f"{where} of the example is {size}, which is not within {what!r}")
            before = sizes.setdefault(root.__name__, (of_root, where))
            if before[0] != of_root:
                raise ExportError(
                    f"Dim '{root.__name__}' stands for {before[1]} and {where}, which are {before[0]} and {size} in the example"
                    + ("" if what is root else f": by the latter, which is {what!r}, it were {of_root}")
                )
