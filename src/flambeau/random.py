"""The default stream of random numbers: its seed, its state, and borrowing it for a while.

There is one stream for all devices: tensors on a GPU take their numbers from the host's, too, so that a
script gives the same numbers wherever it runs.
"""

from __future__ import annotations

from collections.abc import Generator as _Steps
from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any

from flambeau._core.random import Generator, default_generator
from flambeau._core.tensor import Tensor

__all__ = [
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]


def manual_seed(seed: Any) -> Generator:
    """Starts the default stream of `seed`, an int from -2**63 to 2**64 - 1; returns the default generator.

    Raises: ValueError, if the seed needs more than 64 bits.

    >>> import flambeau
    >>> flambeau.manual_seed(0).initial_seed()
    0
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Takes a seed from the operating system, starts the default stream of it, and returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default stream began with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default stream as a tensor of bytes, in PyTorch's layout."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Goes on from a state that `get_rng_state` returned, here or in PyTorch."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> _Steps[None]:
    """Puts the default stream back, at the end of the block, to where it was at the beginning.

    Args:
        devices: accepted; all devices share the one stream.
        enabled: False leaves the stream alone.
    """
    if not enabled:
        yield
        return
    state = default_generator.state_bytes()
    try:
        yield
    finally:
        default_generator.set_state_bytes(state)


def thread_safe_generator() -> Generator | None:
    """The generator that belongs to this thread of a DataLoader; None, as its workers are processes here."""
    return None
