"""Index tensors that must lie within a dimension, and other values with bounds: checked when recorded, so the user's own
line raises.

On an accelerator one that is still to be computed is checked when the next value is read: looking at it at once would
stall the device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import Trace, local
from flambeau._core.value import META, Value


def when_known(value: Value, check: Callable[[Value], None], at_once: bool = False) -> None:
    """Runs `check(value)`: now, or when the next value is read if looking now would stall a device and not `at_once`.

    A function that is recorded leaves it to whoever runs it; then the value may have more dimensions in front. `check` must
    hold no other value, whose memory could then not be used again.
    """
    if value.trace is None and Storage.direct:
        check(value)
    elif value.meta.device is not META:
        local.trace.check(value, check, not at_once and value.trace is not None and _stalls(value))


def _stalls(value: Value) -> bool:
    device = value.meta.device
    return device.type != "cpu"


def require(valid: Tensor, message: Callable[[], str]) -> None:
    """Raises ValueError with `message()` unless all of `valid` is true, as soon as that is known."""

    def check(known: Value) -> None:
        if not known.numpy().all():
            raise ValueError(message())

    when_known(valid._read(), check)


def shown(tensor: Tensor) -> str:
    """A tensor's values for a message; in a function that was recorded they are not there, and its shape stands for them."""
    waits_in = tensor._read().trace
    known = waits_in is None or type(waits_in) is Trace
    return f"{tensor}" if known else f"a tensor of shape {tuple(tensor.shape)}"


def index_range(value: Value) -> tuple[int, int] | None:
    """The least and the greatest of an index's values; None where there are none to look at.

    Found once for each value, since the same index often serves again.
    """
    found = value.__dict__.get("index_range", False)
    if found is not False:
        return found
    if value.meta.device is META:
        return None
    if not value.meta.numel:
        result = None
    else:
        array = value.numpy()
        result = int(array.min()), int(array.max())
    value.__dict__["index_range"] = result
    return result


def check_index(
    value: Value, size: int, low: int, message: Callable[[int], Exception],
    note: str | Callable[[int], str] = "",
) -> None:  # fmt: skip
    """Raises `message(index)`, with `note(index)`, for the first of an index's values that is not in `range(low, size)`."""
    when_known(value, lambda known: _check_index(known, size, low, message, note))


def _check_index(value: Value, size: int, low: int, message: Callable[[int], Exception], note: Any) -> None:
    found = index_range(value)
    if found is None or (found[0] >= low and found[1] < size):
        return
    array = value.numpy()
    at = int(np.argmax(((array < low) | (array >= size)).reshape(-1)))
    index = int(array.reshape(-1)[at])
    error = message(index)
    where = tuple(int(i) for i in np.unravel_index(at, array.shape))
    if array.ndim:
        error.add_note(f"It stands at {list(where)} of the index tensor.")
    if note:
        error.add_note(note(index) if callable(note) else note)
    raise error


def out_of_bounds(dim: int, size: int, kind: type[Exception] = IndexError, prefix: str = "") -> Any:
    """PyTorch's usual message, as a function of the offending index."""

    def message(index: int) -> Exception:
        if not size and kind is IndexError:
            return IndexError("index is out of bounds for dimension with size 0")
        return kind(f"{prefix}index {index} is out of bounds for dimension {dim} with size {size}")

    return message
