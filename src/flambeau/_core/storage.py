"""Storage: the one mutable cell that tensors share, and host memory that is shared with NumPy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from flambeau._core.trace import local
from flambeau._core.value import Meta, Value


class Storage:
    """A cell holding a `Value`.

    `epoch` counts every write, so that views know when they are stale. `version` counts the writes that autograd looks
    at: writes through `.data` do not raise it. A host-backed storage (`host`) keeps its values in a NumPy buffer that
    somebody else may read and write at any time.
    """

    # Whether `value` is the present value; otherwise `read` has to find it. False on the class while some thread records a
    # function: then reads and writes come through `read` and `write`, and the thread's trace hears of them.
    direct = True
    host: np.ndarray[Any, Any] | None = None
    meta: Meta | None = None  # of a host-backed storage
    epoch = 0
    version = 0
    hidden = 0  # writes through `.data`, which raise no version

    def __init__(
        self, value: Value | None, host: np.ndarray[Any, Any] | None = None, meta: Meta | None = None
    ) -> None:
        self.value = value
        if host is not None:
            self.host, self.meta, self.direct = host, meta, False
        if not Storage.direct:
            local.trace.note_made(self)

    def read(self) -> Value:
        """The current value of the whole storage, as this thread's trace sees it."""
        return self.present() if Storage.direct else local.trace.read_storage(self)

    def present(self) -> Value:
        """The value that the storage holds."""
        if self.host is None:
            return self.value  # type: ignore[return-value]
        return self._read_host()

    def _read_host(self) -> Value:
        assert self.host is not None
        assert self.meta is not None
        # Two references are ours: the attribute and the argument of getrefcount. Without others nobody can write.
        if sys.getrefcount(self.host) == 2 and self.host.base is None:
            self.value = _unmade(self.meta, self.host)
            self.host = None
            del self.direct
            return self.value
        self.epoch += 1  # whoever holds the array may have written to it: views must look again
        return _unmade(self.meta, np.array(self.host, copy=True, order="C"))

    def write(self, value: Value) -> None:
        """Replaces the whole value; views notice by the epoch."""
        if Storage.direct or not local.trace.takes_write(self, value):
            if self.host is not None:
                np.copyto(self.host, value.numpy())
            else:
                if value.trace is not None:
                    value.trace.note_replaced((self,))
                self.value = value
        self.epoch += 1

    def share_with_numpy(self) -> np.ndarray[Any, Any]:
        """A writable buffer of the values that stays the storage's memory from now on."""
        if self.host is None:
            value = self.read()
            self.meta = value.meta
            self.host = np.array(value.numpy(), copy=True, order="C")
            self.value, self.direct = None, False
            self.epoch += 1
        return self.host


def _unmade(meta: Meta, array: np.ndarray[Any, Any]) -> Value:
    """A value that was in memory before: no recording takes it for one that the recorded function made."""
    value = Value(meta)
    value.data = array
    return value
