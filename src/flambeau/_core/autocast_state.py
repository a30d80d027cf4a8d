"""The functions by which programs ask for and set the state of autocast; `flambeau.amp.autocast` is the usual way."""

from __future__ import annotations

import warnings

from flambeau._core import autocast
from flambeau._core.device import device as Device
from flambeau._core.dtype import dtype as DType

__all__ = [
    "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache", "get_autocast_cpu_dtype",
    "get_autocast_dtype", "get_autocast_gpu_dtype", "is_autocast_cache_enabled", "is_autocast_cpu_enabled",
    "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype", "set_autocast_cpu_enabled",
    "set_autocast_dtype", "set_autocast_enabled", "set_autocast_gpu_dtype",
]  # fmt: skip


def _known(device_type: str) -> str:
    """The type of device. Raises: RuntimeError, if autocast does not know it."""
    kind = Device(device_type).type
    if kind not in autocast.DEVICE_TYPES:
        raise RuntimeError("unsupported scalarType")
    return kind


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a type of device on this thread."""
    return autocast.state.enabled.get(Device(device_type).type, False)


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Turns autocast on or off: `set_autocast_enabled("cpu", True)`; with a bool alone, for "cuda"."""
    if isinstance(device_type, bool):
        kind, on = "cuda", device_type
    else:
        kind, on = _known(device_type), bool(enabled)
    autocast.set_mode(kind, on, autocast.state.dtypes[kind])


def get_autocast_dtype(device_type: str) -> DType:
    """The lower precision of a type of device."""
    return autocast.state.dtypes[_known(device_type)]


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Chooses the lower precision of a type of device."""
    kind = _known(device_type)
    autocast.set_mode(kind, autocast.state.enabled[kind], dtype)


def is_autocast_cache_enabled() -> bool:
    """Whether weights that are cast are kept until the outermost `autocast` ends."""
    return autocast.state.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    autocast.state.cache_enabled = enabled


def clear_autocast_cache() -> None:
    """Forgets the weights that were cast."""
    autocast.state.cache.clear()


def autocast_increment_nesting() -> int:
    autocast.state.nesting += 1
    return autocast.state.nesting


def autocast_decrement_nesting() -> int:
    autocast.state.nesting -= 1
    return autocast.state.nesting


def _warn(call: str, instead: str) -> None:
    warnings.warn(
        f"torch.{call} is deprecated. Please use torch.{instead} instead.", DeprecationWarning, stacklevel=3
    )


def is_autocast_cpu_enabled() -> bool:
    """The older form of `is_autocast_enabled("cpu")`."""
    _warn("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """The older form of `set_autocast_enabled("cpu", enabled)`."""
    _warn("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> DType:
    """The older form of `get_autocast_dtype("cpu")`."""
    _warn("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: DType) -> None:
    """The older form of `set_autocast_dtype("cpu", dtype)`."""
    _warn("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> DType:
    """The older form of `get_autocast_dtype("cuda")`."""
    _warn("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: DType) -> None:
    """The older form of `set_autocast_dtype("cuda", dtype)`."""
    _warn("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)
