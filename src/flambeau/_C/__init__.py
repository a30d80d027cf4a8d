"""The few names of PyTorch's binary module that packages reach for."""

from __future__ import annotations

import contextlib
import enum
from typing import Any

from flambeau._C._functorch import is_transforming as _is_transforming
from flambeau._core.overrides import DisableTorchFunctionSubclass
from flambeau._core.random import Generator
from flambeau._core.size import Size
from flambeau._library.operator import AUTOGRAD_KEYS, KEYS
from flambeau._library.operator import without as _without

__all__ = ["DisableTorchFunctionSubclass", "DispatchKey", "DispatchKeySet", "Generator", "Size"]

DispatchKey = enum.Enum("DispatchKey", KEYS)  # type: ignore[misc]


class DispatchKeySet:
    """A set of the keys under which `torch.library` keeps kernels."""

    def __init__(self, *keys: Any) -> None:
        self._keys = frozenset(key.name for key in keys)

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        union = DispatchKeySet()
        union._keys = self._keys | other._keys
        return union

    def __sub__(self, other: DispatchKeySet) -> DispatchKeySet:
        rest = DispatchKeySet()
        rest._keys = self._keys - other._keys
        return rest

    def add(self, key: Any) -> DispatchKeySet:
        return self | DispatchKeySet(key)

    def has(self, key: Any) -> bool:
        return key.name in self._keys


def _ExcludeDispatchKeyGuard(keys: DispatchKeySet) -> contextlib.AbstractContextManager[None]:
    """No operator of `torch.library` called inside looks for kernels under these keys."""
    return _without(keys._keys)


def _AutoDispatchBelowAutograd() -> contextlib.AbstractContextManager[None]:
    """Operators of `torch.library` called inside run the device's kernel, without their gradient."""
    return _without(AUTOGRAD_KEYS)


def _are_functorch_transforms_active() -> bool:
    """Whether this thread is inside a function that `vmap`, `grad` or another of `torch.func` transforms."""
    return _is_transforming()


def _log_api_usage_once(event: str) -> None:
    """Nothing is logged."""


def _get_tracing_state() -> None:
    """None: no tracer is at work."""
    return None


# Switches of TorchScript's executor, which there is none of: they are accepted, and questions answered truthfully.


def _jit_set_profiling_executor(enabled: bool) -> bool:
    return False


def _jit_set_profiling_mode(enabled: bool) -> bool:
    return False


def _jit_set_texpr_fuser_enabled(enabled: bool) -> None:
    return None


def _jit_set_nvfuser_enabled(enabled: bool) -> bool:
    return False


def _jit_set_nvfuser_guard_mode(enabled: bool) -> bool:
    return False


def _jit_override_can_fuse_on_cpu(enabled: bool) -> None:
    return None


def _jit_override_can_fuse_on_gpu(enabled: bool) -> None:
    return None


def _jit_can_fuse_on_cpu() -> bool:
    return False


def _jit_can_fuse_on_gpu() -> bool:
    return False
