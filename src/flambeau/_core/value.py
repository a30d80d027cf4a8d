"""What a tensor's storage holds: an immutable array, or the promise of one.

`Meta` is shape, dtype and device, interned, so that comparing and hashing are by identity. `Value` is either concrete
(`data` is a NumPy or JAX array, never written to) or pending (a slot of a trace that has not run yet).
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from flambeau._core import xla
from flambeau._core.device import device as Device
from flambeau._core.dtype import dtype as DType

if TYPE_CHECKING:
    from flambeau._core.trace import Trace

CPU = Device("cpu")
META = Device("meta")


class Meta:
    """Shape, dtype and device of a value; one object for each combination."""

    __slots__ = ("__weakref__", "device", "dtype", "np", "numel", "shape", "tracked")

    shape: tuple[int, ...]
    dtype: DType
    device: Device
    np: np.dtype[Any]
    numel: int
    tracked: bool  # floating or complex: can require grad

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}@{self.device}"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize

    def with_dtype(self, dtype: DType) -> Meta:
        return meta_of(self.shape, dtype, self.device)

    def with_shape(self, shape: tuple[int, ...]) -> Meta:
        return meta_of(shape, self.dtype, self.device)


# Weak: shapes that a program has left behind are forgotten.
_metas: weakref.WeakValueDictionary[tuple[tuple[int, ...], DType, Device], Meta] = (
    weakref.WeakValueDictionary()
)


def meta_of(shape: tuple[int, ...], dtype: DType, device: Device = CPU) -> Meta:
    """The one `Meta` of these three; `shape` holds plain ints."""
    key = (shape, dtype, device)
    found = _metas.get(key)
    if found is None:
        if dtype.np is None and device is not META:
            raise RuntimeError(f"{dtype} has no values here: NumPy and XLA lack it. Use torch.complex64.")
        found = Meta()
        found.shape, found.dtype, found.device = tuple(map(int, shape)), dtype, device
        found.np = dtype.np
        found.numel = math.prod(found.shape)
        found.tracked = dtype.is_floating_point or dtype.is_complex
        found = _metas.setdefault(key, found)
    return found


class Watch(Protocol):
    """Who is told of concrete values."""

    def made(self, value: Value) -> None: ...

    def looked_at(self, value: Value) -> None: ...


class Value:
    """One immutable array of known `meta`: concrete (`data`), pending (`trace` and `slot`), or on meta (neither)."""

    # An array; or, of a small value that a program gave as a part of a larger array: that (a `Flat`) and which part it is.
    # Defaults on the class, not slots: a value is made for each recorded operation, and most keep them.
    data: Any = None
    trace: Trace | None = None
    slot = -1
    # Handed out as a JAX array: donating its memory would pull it from under the user's feet.
    exposed = False
    failure: BaseException | None = None  # why there is no value
    # While some thread records a function: told of concrete values that are made, and of those that the host looks at.
    watch: ClassVar[Watch | None] = None
    # Of the value of a tensor that JAX made while it transforms: what it put in the array's place.
    stands_for: tuple[Any] | None = None

    def __init__(self, meta: Meta, data: Any = None) -> None:
        self.meta = meta
        if data is not None:
            self.data = data
            if Value.watch is not None:
                Value.watch.made(self)

    def __repr__(self) -> str:
        state = "pending" if self.trace is not None else type(self.data).__name__
        return f"Value({self.meta}, {state})"

    def array(self) -> Any:
        """The concrete array (NumPy or JAX), after flushing the trace it waits in.

        Raises: RuntimeError on the meta device, where there are no values.
        """
        if self.trace is not None:
            self.trace.fill(self)
        if Value.watch is not None:
            Value.watch.looked_at(self)
        return self.known()

    def known(self) -> Any:
        """The array of a value that is concrete. A program that takes it does not look: no recording hears of it."""
        if self.data is None:
            raise self.missing()
        return self.data if type(self.data) is not tuple else self.data[0].part(self.data[1])

    def missing(self) -> RuntimeError:
        """The error for a value that will never be there."""
        if self.failure is None:
            return RuntimeError(
                "Tensor on device meta has no data: move it with `to_empty` or give it values first."
            )
        error = RuntimeError(
            f"This tensor has no value: computing it failed ({type(self.failure).__name__}: {self.failure})."
        )
        error.__cause__ = self.failure
        return error

    def fail(self, error: BaseException) -> None:
        """Says why this pending value will never be there."""
        if self.data is None:
            self.trace, self.failure = None, error

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array that must not be written to."""
        data = self.array()
        return data if type(data) is np.ndarray else xla.host(data)
