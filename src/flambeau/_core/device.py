"""`device`, the default one of this thread, and the JAX devices behind PyTorch's names."""

from __future__ import annotations

import importlib
import importlib.util
import re
import threading
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

TYPES = (
    *("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla"),
    *("lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone"),
)
_WELL_FORMED = r"([a-zA-Z_]+)(?::(0|[1-9][0-9]*))?"
# JAX's platforms under PyTorch's names, the usual first. "tpu" is a name of ours beside PyTorch's "xla".
_PLATFORMS = {
    "cpu": ("cpu",),
    "cuda": ("cuda", "rocm"),
    "xla": ("tpu",),
    "tpu": ("tpu",),
    "mps": ("mps", "METAL"),
}


class device:
    """Where a tensor lives: a type, and the number of the device among those of its type.

    Written `device("cuda:1")`, `device("cuda", 1)` or `device(1)`, which is the accelerator with that number.
    Equal devices are one object. In a `with` statement it is where new tensors are made.

    Raises: RuntimeError, if the string names no device type or its number is malformed.

    >>> device("cuda:1"), device("cpu").index
    (device(type='cuda', index=1), None)
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __new__(cls, *args: Any, **kwargs: Any) -> device:
        if len(args) == 1 and not kwargs and isinstance(args[0], str):  # the usual call
            return _parsed(args[0])
        return _from_arguments(args, kwargs)

    def __init_subclass__(cls) -> None:
        raise TypeError("type 'torch.device' is not an acceptable base type")

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__slots__:
            raise AttributeError(f"attribute '{name}' of 'torch.device' objects is not writable")
        raise AttributeError(f"'torch.device' object has no attribute '{name}'")

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple[Callable[..., device], tuple[str] | tuple[str, int]]:
        return device, (self.type,) if self.index is None else (self.type, self.index)

    def __copy__(self) -> device:
        return self

    def __deepcopy__(self, memo: object) -> device:
        return self

    def __enter__(self) -> device:
        _defaults.entered.append(self)
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        _defaults.entered.pop()


DeviceLike = device | str | int | None

_devices: dict[tuple[str, int | None], device] = {}


def _device(type: str, index: int | None) -> device:
    found = _devices.get((type, index))
    if found is None:
        found = object.__new__(device)
        object.__setattr__(found, "type", type)
        object.__setattr__(found, "index", index)
        found = _devices.setdefault((type, index), found)  # another thread may have been first
    return found


@cache
def _parsed(text: str) -> device:
    if not text:
        raise RuntimeError("Device string must not be empty")
    found = re.fullmatch(_WELL_FORMED, text)
    if found is None:
        raise RuntimeError(f"Invalid device string: '{text}'")
    type, index = found.groups()
    if type not in TYPES and type != "tpu":
        raise RuntimeError(
            f"Expected one of {', '.join(TYPES)} device type at start of device string: {type}. "
            f"Of these, tensors can be on {_available_text()}."
        )
    return _device(type, None if index is None else int(index))


def _from_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> device:
    given = dict(zip(("type", "index"), args, strict=False)) | kwargs
    if len(args) > 2 or not given or set(given) - {"type", "index", "device"}:
        raise TypeError(_invalid_arguments(args, kwargs))
    first = given.pop("device", None) if "device" in given else given.get("type")
    if "index" not in given:
        if isinstance(first, device):
            return first
        if isinstance(first, str):
            return _parsed(first)
        if isinstance(first, int) and not isinstance(first, bool):
            return _accelerator(first)
        raise TypeError(_invalid_arguments(args, kwargs))
    index = given["index"]
    if not isinstance(first, str):
        raise TypeError(f"device(): argument 'type' (position 1) must be str, not {_type_name(first)}")
    if index is None:
        return _parsed(first)
    if not isinstance(index, int) or isinstance(index, bool):
        raise TypeError(f"device(): argument 'index' (position 2) must be int, not {_type_name(index)}")
    found = _parsed(first)
    if found.index is not None:
        raise RuntimeError(
            f"type (string) must not include an index because index was passed explicitly: {first}"
        )
    if index < 0:
        raise RuntimeError(f"Device index must not be negative, got {index}")
    return _device(found.type, index)


def _type_name(value: object) -> str:
    return "torch.device" if isinstance(value, device) else type(value).__name__


def _invalid_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    got = [_type_name(each) for each in args] + [
        f"{name}={_type_name(each)}" for name, each in kwargs.items()
    ]
    return (
        f"device() received an invalid combination of arguments - got ({', '.join(got)}), "
        "but expected one of:\n"
        " * (torch.device device)\n * (str type, int index = -1)\n"
    )


def _accelerator(index: int) -> device:
    if index < 0:
        raise RuntimeError(f"Device index must not be negative, got {index}")
    type = accelerator_type()
    if type is not None:
        return _device(type, index)
    raise RuntimeError(
        f"Cannot access accelerator device when none is available. Got device({index}); tensors can be on "
        f"{_available_text()}."
    )


def accelerator_type() -> str | None:
    """The type of the accelerator that this machine has, the first of several."""
    return next((type for type in ("cuda", "xla") if is_available(type)), None)


def get_device_module(device: device | str | None = None) -> ModuleType:
    """The module of a type of device, such as `torch.cuda`; without one, the accelerator's, or `torch.cpu`.

    Raises: RuntimeError, if there is none.
    """
    asked = _parsed(device) if isinstance(device, str) else device
    type = accelerator_type() or "cpu" if asked is None else getattr(asked, "type", None)
    if type not in TYPES:
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    package = __name__.partition(".")[0]
    if importlib.util.find_spec(f"{package}.{type}") is None:
        raise RuntimeError(
            f"Device '{type}' does not have a corresponding module registered as 'torch.{type}'."
        )
    return importlib.import_module(f"{package}.{type}")


# The default device


class _Defaults(threading.local):
    """This thread's default device: the one set, and those of the `with` statements it is inside of."""

    def __init__(self) -> None:
        self.chosen: device | None = None
        self.entered: list[device] = []


_defaults = _Defaults()
_CPU = _device("cpu", None)


def set_default_device(device: DeviceLike) -> None:
    """Makes new tensors of this thread on `device` unless told another; None stands for the CPU.

    Inside `with torch.device(...)` that device goes first.
    """
    _defaults.chosen = None if device is None else _as_device(device)


def current_device() -> device:
    """The device of a new tensor that is not told another, as it was named: "cuda", say, not "cuda:0"."""
    defaults = _defaults
    if defaults.entered:
        return defaults.entered[-1]
    return defaults.chosen or _CPU


def get_default_device() -> device:
    """The device of a new tensor that is not told another; an accelerator with its number."""
    found = current_device()
    return resolve(found) if found.type not in ("cpu", "meta") else found


def _as_device(value: Any) -> device:
    return value if isinstance(value, device) else device(value)


def resolve(value: DeviceLike) -> device:
    """The device that a tensor made with `device=value` says it has.

    None stands for the default, numbers for accelerators; "cuda" gains its number, and "cpu" and "meta"
    lose theirs, as there is but one of each.

    Raises: what `to_jax` raises, if that device is not there.
    """
    found = current_device() if value is None else _as_device(value)
    if found is _CPU:
        return found
    if found.type in ("cpu", "meta"):
        return _device(found.type, None)
    to_jax(found)
    return found if found.index is not None else _device(found.type, 0)


# JAX's devices


@cache
def _jax_devices(type: str) -> tuple[Any, ...]:
    """JAX's devices of a type, those of this process only; none where JAX has no such backend."""
    import jax  # here, as importing it takes long and few programs stop at asking for a device

    for platform in _PLATFORMS.get(type, ()):
        try:
            found = jax.local_devices(backend=platform)
        except RuntimeError:  # how JAX says that it does not know the platform, or could not start it
            continue
        return tuple(found)
    return ()


@cache
def to_jax(device: device) -> Any:
    """JAX's device behind `device`; None for "meta". Every index of "cpu" up to JAX's number of CPUs is one.

    Raises: AssertionError for an absent "cuda", as in PyTorch; RuntimeError for any other absent type and
    for a number too high.
    """
    if device.type == "meta":
        return None
    found = _jax_devices(device.type)
    if not found:
        if device.type == "cuda":
            raise AssertionError(
                "Torch not compiled with CUDA enabled: JAX finds no GPU here. Tensors can be on "
                f"{_available_text()}; for NVIDIA GPUs install jax[cuda13] or jax[cuda12]."
            )
        raise RuntimeError(f"device '{device}' is not available: tensors can be on {_available_text()}")
    index = device.index or 0
    if index >= len(found):
        if device.type == "cpu":  # PyTorch takes any number for its one CPU
            return found[0]
        said = "CUDA error: invalid device ordinal" if device.type == "cuda" else "invalid device ordinal"
        raise RuntimeError(f"{said}: '{device}', but there are {len(found)}, numbered from 0")
    return found[index]


def of_jax(jax_device: Any) -> device:
    """The device that stands for one of JAX's.

    Raises: RuntimeError for one that has no name here.
    """
    for type, platforms in _PLATFORMS.items():
        if jax_device.platform in platforms or (type == "cuda" and jax_device.platform == "gpu"):
            if type == "cpu":
                return _CPU
            found = _jax_devices(type)
            return _device(type, found.index(jax_device) if jax_device in found else jax_device.id)
    raise RuntimeError(f"JAX's device {jax_device} has no name here: tensors can be on {_available_text()}")


def device_count(type: str) -> int:
    """How many devices of a type there are; only that backend of JAX is started."""
    return 1 if type == "meta" else len(_jax_devices(type))


def is_available(type: str) -> bool:
    """Whether tensors can be on devices of this type."""
    return device_count(type) > 0


def _available_text() -> str:
    return ", ".join(repr(type) for type in ("cpu", "cuda", "xla", "mps", "meta") if is_available(type))
