"""Apple's GPUs, where somebody's JAX plugin offers them."""

from flambeau._core.device import is_available as _is_available


def is_available() -> bool:
    return _is_available("mps")


def is_built() -> bool:
    return _is_available("mps")
