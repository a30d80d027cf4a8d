"""The one door to JAX: everything that traces, compiles, calls or transfers passes through here.

flambeau has PyTorch's 64-bit types, JAX has them only inside `enable_x64`, a setting that belongs to the user. So each
function here enters it for its own duration, on the thread that runs it, and leaves the process's setting alone.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core.allocator import keep_freed_memory
from flambeau._core.device import to_jax
from flambeau._core.errors import memory_error

if TYPE_CHECKING:
    from flambeau._core.device import device as Device
    from flambeau._core.value import Meta

keep_freed_memory()

# XLA's CPU compiler hands convolutions to YNNPACK, whose weight gradient is four times slower than XLA's own kernel. Of products
# it shall have each alone: with what goes in fused to it (`LIBRARY_FUSION_TYPE_DOT`), a second operand that is expanded is read
# beyond its end, and the results are garbage (jaxlib 0.10.2).
CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


def x64() -> Any:
    """Context in which JAX keeps 64-bit types."""
    return jax.enable_x64(True)


@functools.cache
def placement(device: Device) -> Any:
    return jax.sharding.SingleDeviceSharding(to_jax(device))


def spec(meta: Meta) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(meta.shape, meta.np, sharding=placement(meta.device))


def abstract(function: Callable[..., Any], metas: Sequence[Meta], numbers: Sequence[np.dtype[Any]]) -> Any:
    """Shapes and dtypes of `function(jnp, arrays, numbers)`'s results, found without computing."""
    with x64():
        arrays = [jax.ShapeDtypeStruct(m.shape, m.np) for m in metas]
        scalars = [jax.ShapeDtypeStruct((), dtype) for dtype in numbers]
        return jax.eval_shape(functools.partial(function, jnp), arrays, scalars)


def compile_program(
    function: Callable[..., Any], specs: Sequence[Any], device: Device, donate: tuple[int, ...] = (),
    channels_last: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """An executable of `function(*arrays)` for arguments of these shapes, on one device.

    Args:
        channels_last: what `channels_last()` tells while it is traced.
    """
    with x64():
        options: Any = CPU_OPTIONS if device.type == "cpu" else None
        jitted = jax.jit(function, donate_argnums=donate, out_shardings=placement(device), keep_unused=True)
        before = _lowering.on_cpu, _lowering.channels_last
        _lowering.on_cpu, _lowering.channels_last = device.type == "cpu", channels_last
        try:
            lowered = jitted.lower(*specs)
        finally:
            _lowering.on_cpu, _lowering.channels_last = before
        return lowered.compile(compiler_options=options)


class _Lowering(threading.local):
    """Of what is being traced on this thread."""

    on_cpu: bool | None = None
    channels_last = False


_lowering = _Lowering()


def for_cpu() -> bool:
    """Whether the program that is being traced on this thread is for a CPU: some formulations are fast only there.

    One that is not for `compile_program`, such as a user's own `jax.jit`, is taken to be for JAX's default device.
    """
    found = _lowering.on_cpu
    return jax.default_backend() == "cpu" if found is None else found


def channels_last() -> bool:
    """Whether images lie with their channels last in the program that is being traced: one for a CPU, with convolutions."""
    return for_cpu() and _lowering.channels_last


def channels_at_end(x: Any) -> Any:
    """An array `(N, C, *)` as `(N, *, C)`."""
    return jnp.moveaxis(x, 1, -1)


def channels_second(x: Any) -> Any:
    """An array `(N, *, C)` as `(N, C, *)`."""
    return jnp.moveaxis(x, -1, 1)


def call(program: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    with x64():
        return program(*arguments)


def numbers(floats: Sequence[float], ints: Sequence[int], device: Device) -> list[Any]:
    """A program's first two arguments. One that is empty lies on the device already: JAX takes that most quickly."""
    return [
        np.array(floats, np.float64) if floats else _nothing(np.float64, device),
        np.array(ints, np.int64) if ints else _nothing(np.int64, device),
    ]


@functools.cache
def _nothing(dtype: type[Any], device: Device) -> Any:
    return to_device(np.zeros(0, dtype), device)


def host(array: Any) -> np.ndarray[Any, Any]:
    """An array's values in the host's memory, when they are there; they must not be written to.

    Raises: RuntimeError where computing them failed. NumPy would end the process if it met such an array.
    """
    if isinstance(array, jax.Array):
        try:
            array.block_until_ready()
        except RuntimeError as error:
            missing = memory_error(error, _kind(array))
            if missing is None:
                raise
            raise missing from error
    return np.asarray(array)


def _kind(array: jax.Array) -> str:
    platform = next(iter(array.devices())).platform
    return "cuda" if platform == "gpu" else platform


def native(program: Callable[..., Any]) -> Callable[..., Any]:
    """The program as a function that runs no Python of its own, where JAX has made one at its first call."""
    return getattr(program, "_call", None) or program


def copy(array: Any) -> Any:
    """The same values in other memory, on the same device."""
    with x64():
        return np.array(array) if type(array) is np.ndarray else jnp.array(array, copy=True)


def is_taken(data: Any) -> bool:
    """Whether a program has taken over the memory of what a value holds."""
    array = data[0].array if type(data) is tuple else data
    return isinstance(array, jax.Array) and array.is_deleted()


def wait_for(arrays: Sequence[Any]) -> None:
    """Returns when all arrays are computed."""
    with x64():
        jax.block_until_ready(arrays)


def to_device(array: Any, device: Device) -> Any:
    """Copies an array to a JAX device and waits, so that the source may be written to afterwards."""
    with x64():
        return jax.block_until_ready(jax.device_put(host(array), placement(device), may_alias=False))


def share(array: Any, device: Device) -> Any:
    """An array that nobody writes to as JAX's, on the same memory where the device can read it there."""
    with x64():
        return jax.device_put(array, placement(device), may_alias=True)


def transfer(array: Any, device: Device) -> Any:
    """The same values on another device."""
    if device.type == "cpu":
        return host(array)
    with x64():
        return jax.device_put(array, placement(device))


def wait(device: Any) -> None:
    """Returns when the device has finished what was sent to it."""
    with x64():
        jax.block_until_ready(jax.device_put(np.zeros((), np.float32), device) + 1)
