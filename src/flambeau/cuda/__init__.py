"""What PyTorch code asks of `torch.cuda`, answered for the GPUs that JAX offers here.

Where there is none, everything that only asks says so truthfully and everything that would use one raises. Streams and
memory pools belong to XLA: waiting for the device is real, caches are not ours to empty.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

from flambeau._core import device as _device
from flambeau._core import xla as _xla
from flambeau._core.errors import OutOfMemoryError as OutOfMemoryError
from flambeau._core.random import default_generator as _random
from flambeau._core.tensor import Tensor as _Tensor
from flambeau._core.trace import local as _local

_current = 0


def is_available() -> bool:
    """Whether JAX has a GPU here."""
    return _device.is_available("cuda")


def device_count() -> int:
    return _device.device_count("cuda")


def is_initialized() -> bool:
    return is_available()


def init() -> None:
    _require()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return is_available()


def _require() -> None:
    if not is_available():
        _device.to_jax(_device.device("cuda", 0))  # raises, and says what there is


def current_device() -> int:
    """The number of the GPU that "cuda" means.

    Raises: AssertionError where there is none.
    """
    _require()
    return _current


def set_device(device: Any) -> None:
    """Accepted for the first GPU, which is the one that "cuda" means."""
    _require()
    index = device if isinstance(device, int) else _device.device(device).index or 0
    if index != 0:
        raise RuntimeError(
            f"flambeau's 'cuda' is always the first GPU: name the device, device='cuda:{index}', where you make tensors."
        )


def get_device_name(device: Any = None) -> str:
    return str(_jax_device(device).device_kind)


def get_device_properties(device: Any = None) -> Any:
    """Name, total memory in bytes and compute capability of a GPU."""
    found = _jax_device(device)
    major, _, minor = str(getattr(found, "compute_capability", "0.0")).partition(".")
    stats = found.memory_stats() or {}
    return types.SimpleNamespace(
        name=found.device_kind, total_memory=stats.get("bytes_limit", 0), major=int(major), minor=int(minor or 0),
        multi_processor_count=getattr(found, "core_count", 0),
    )  # fmt: skip


def get_device_capability(device: Any = None) -> tuple[int, int]:
    properties = get_device_properties(device)
    return properties.major, properties.minor


def _jax_device(device: Any) -> Any:
    _require()
    where = _device.device("cuda", 0) if device is None else _device.device(device)
    return _device.to_jax(where if where.index is not None else _device.device("cuda", 0))


def synchronize(device: Any = None) -> None:
    """Waits until everything recorded so far has run."""
    _require()
    _local.trace.cut("synchronize")
    _xla.wait(_jax_device(device))


def empty_cache() -> None:
    """Nothing to do: memory is XLA's, which keeps it for the next program."""


def memory_allocated(device: Any = None) -> int:
    return _memory("bytes_in_use", device)


def max_memory_allocated(device: Any = None) -> int:
    return _memory("peak_bytes_in_use", device)


def memory_reserved(device: Any = None) -> int:
    return _memory("bytes_reserved", device)


max_memory_reserved = memory_reserved


def reset_peak_memory_stats(device: Any = None) -> None:
    """XLA's peak is of the whole process and cannot be reset; accepted, so that scripts run."""


def _memory(name: str, device: Any) -> int:
    return int((_jax_device(device).memory_stats() or {}).get(name, 0)) if is_available() else 0


# Random numbers on GPUs come from the host's one stream (`flambeau.random`): where there is a GPU, these
# functions are about that stream.


def manual_seed(seed: Any) -> None:
    """Seeds the stream that GPUs draw from; without a GPU there is nothing to seed, as in PyTorch."""
    number = int(seed)
    if is_available():
        _random.manual_seed(number)


manual_seed_all = manual_seed


def seed() -> None:
    """Takes a new seed from the operating system, if there is a GPU."""
    if is_available():
        _random.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed of the stream that GPUs draw from."""
    _require()
    return _random.initial_seed()


def get_rng_state(device: Any = "cuda") -> _Tensor:
    """The state of the stream that GPUs draw from."""
    _require()
    return _random.get_state()


def get_rng_state_all() -> list[_Tensor]:
    """The same, once for each GPU."""
    return [_random.get_state() for _ in range(device_count())]


def set_rng_state(new_state: _Tensor, device: Any = "cuda") -> None:
    """Goes on from a state of `get_rng_state`; without a GPU nothing happens, as in PyTorch."""
    if is_available():
        _random.set_state(new_state)


def set_rng_state_all(new_states: Iterable[_Tensor]) -> None:
    """Goes on from the states of `get_rng_state_all`, which are all alike."""
    for state in new_states:
        set_rng_state(state)


class device:
    """Context manager that PyTorch uses to choose a GPU; the first one is always chosen here."""

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx not in (-1, None):
            set_device(self.idx)

    def __exit__(self, *error: object) -> None:
        return None


from flambeau.cuda import amp as amp  # noqa: E402 - the functions above are asked when it is imported
