"""Where the elements of a tensor lie: pinned memory, files, streams."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.device import accelerator_type
from flambeau._core.dispatch import function
from flambeau._core.tensor import Tensor
from flambeau._ops.construct import from_numpy


@function("Tensor.pin_memory")
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """The tensor itself: JAX takes memory of its own on the way to an accelerator.

    Raises: RuntimeError, if there is no accelerator.
    """
    if accelerator_type() is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return self


@function("Tensor.record_stream")
def record_stream(self: Tensor, stream: Any) -> None:
    """Nothing: XLA frees memory when whatever uses it is done."""


@function("Tensor.const_data_ptr")
def const_data_ptr(self: Tensor) -> int:
    """`data_ptr`, for reading."""
    return self.data_ptr()


@function("from_file")
def from_file(
    filename: str,
    shared: bool | None = None,
    size: int = 0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of `size` elements whose memory is a file's.

    Args:
        shared: whether writes go into the file, which is made, or made longer, if need be.

    Raises: RuntimeError, if the file is too short and not `shared`, or not there.
    """
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    wanted = int(size) * kind.itemsize
    try:
        with open(filename, "a+b" if shared else "rb") as file:
            there = file.seek(0, 2)
            if there < wanted and shared:
                file.truncate(wanted)
    except FileNotFoundError as error:
        raise RuntimeError(
            f"unable to open file <{filename}> in read-only mode: {error.strerror} ({error.errno})"
        ) from None
    if there < wanted and not shared:
        raise RuntimeError(
            f"file <{filename}> size <{there}> is smaller than the required mapping size <{wanted}>"
        )
    if not size:
        return from_numpy(np.empty(0, kind.np))
    return from_numpy(np.memmap(filename, kind.np, "r+" if shared else "c", shape=(int(size),)))
