"""Autocast: the state of each thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from flambeau._core.dtype import DTYPES, dtype
from flambeau._core.modes import modes

DEVICE_TYPES = ("cpu", "cuda")


class _State(threading.local):
    def __init__(self) -> None:
        self.enabled = dict.fromkeys(DEVICE_TYPES, False)
        self.dtypes = {"cpu": DTYPES["bfloat16"], "cuda": DTYPES["float16"]}
        self.cache_enabled = True
        self.nesting = 0
        self.cache: dict[int, Any] = {}


state = _State()


def set_mode(device_type: str, enabled: bool, dtype: dtype) -> None:
    """Switches autocast for a device on or off, and says to which dtype."""
    state.enabled[device_type], state.dtypes[device_type] = enabled, dtype
    # What operations look at: None while autocast is off, so that they have one thing to ask.
    modes.autocast = {name: state.dtypes[name] for name, on in state.enabled.items() if on} or None


def dtype_of(device_type: str) -> Any:
    """The dtype that operations on this device run in now; None while autocast is off."""
    return None if modes.autocast is None else modes.autocast.get(device_type)


@contextlib.contextmanager
def disabled(device_type: str) -> Iterator[None]:
    """Autocast is off for this device inside."""
    before, dtype = state.enabled[device_type], state.dtypes[device_type]
    set_mode(device_type, False, dtype)
    try:
        yield
    finally:
        set_mode(device_type, before, dtype)


def snapshot() -> tuple[Any, ...]:
    """All that `restored` needs to bring this thread's state back."""
    return dict(state.enabled), dict(state.dtypes), state.cache_enabled


@contextlib.contextmanager
def restored(saved: tuple[Any, ...]) -> Iterator[None]:
    """The state of a snapshot, for a while; weights that are cast meanwhile are not kept beyond it."""
    before, cache = snapshot(), state.cache
    state.cache = {}
    try:
        _apply(saved)
        yield
    finally:
        _apply(before)
        state.cache = cache


def _apply(saved: tuple[Any, ...]) -> None:
    enabled, dtypes, state.cache_enabled = saved
    for name in DEVICE_TYPES:
        set_mode(name, enabled[name], dtypes[name])
