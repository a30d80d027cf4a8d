"""`autocast`, and what `autograd.Function` needs beside it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from flambeau._core import autocast as _autocast
from flambeau._core.device import device as _device
from flambeau._core.device import is_available as _device_is_available
from flambeau._core.dtype import DTYPES
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]

F = TypeVar("F", bound=Callable[..., Any])


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows this type of device: "cpu" and "cuda" here.

    Raises: RuntimeError, if there is no such type.
    """
    return _device(device_type).type in _autocast.DEVICE_TYPES


class autocast:
    """Runs operations in the precision that suits each: products in a 16-bit float, sums and logarithms in float32.

    A context, and a decorator of functions. Which operations are cast is PyTorch's choice for each type of device; see
    `flambeau._core.autocast`. Weights that are cast are cast once for the whole outermost block.

    Args:
        device_type: "cpu" or "cuda".
        dtype: the lower precision; None: `get_autocast_dtype`, bfloat16 on the CPU and float16 on GPUs by default.
        enabled: False leaves operations as they are, also within another block.
        cache_enabled: keep cast weights; None: as outside.

    Raises: RuntimeError for a type of device without autocast.

    >>> x = flambeau.ones(2, 2)
    >>> with flambeau.autocast("cpu"):
    ...     print((x @ x).dtype)
    torch.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not is_autocast_available(device_type):
            error = RuntimeError("unsupported scalarType")
            error.add_note(f"autocast knows the devices {_autocast.DEVICE_TYPES}, not {device_type!r}.")
            raise error
        self.device = device_type
        self.fast_dtype = _autocast.state.dtypes[device_type] if dtype is None else dtype
        self._cache_enabled = _autocast.state.cache_enabled if cache_enabled is None else cache_enabled
        self._enabled = enabled and self._is_usable()

    def _is_usable(self) -> bool:
        if self.device == "cuda" and not _device_is_available("cuda"):
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=3)
            return False
        if self.fast_dtype not in (DTYPES["bfloat16"], DTYPES["float16"]):
            name = self.device.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n{name} Autocast only "
                "supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self) -> autocast:
        state = _autocast.state
        self.prev_cache_enabled = state.cache_enabled
        self.prev = state.enabled[self.device]
        self.prev_fastdtype = state.dtypes[self.device]
        _autocast.set_mode(self.device, self._enabled, self.fast_dtype)
        state.cache_enabled = self._cache_enabled
        state.nesting += 1
        return self

    def __exit__(self, *error: object) -> None:
        state = _autocast.state
        state.nesting -= 1
        if state.nesting == 0:
            state.cache.clear()
        _autocast.set_mode(self.device, self.prev, self.prev_fastdtype)
        state.cache_enabled = self.prev_cache_enabled

    def __call__(self, func: F) -> F:
        return autocast_decorator(self, func)


def autocast_decorator(autocast_instance: Any, func: F) -> F:
    """The function, run within this context."""

    @functools.wraps(func)
    def decorate_autocast(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return decorate_autocast  # type: ignore[return-value]


def _cast(value: Any, device_type: str, dtype: DType) -> Any:
    """The value with every floating tensor on that device in another dtype, float64 excepted."""
    if isinstance(value, Tensor):
        meta = value._meta
        eligible = (
            meta.dtype.is_floating_point and meta.device.type == device_type and meta.dtype.itemsize < 8
        )
        return value.to(dtype) if eligible else value  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        pairs = {
            _cast(key, device_type, dtype): _cast(each, device_type, dtype) for key, each in value.items()
        }
        return type(value)(pairs)  # type: ignore[call-arg]
    if isinstance(value, (list, tuple)):
        items = [_cast(each, device_type, dtype) for each in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _check_device_type(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


@overload
def custom_fwd(fwd: F, *, device_type: str, cast_inputs: DType | None = None) -> F: ...
@overload
def custom_fwd(
    fwd: None = None, *, device_type: str, cast_inputs: DType | None = None
) -> Callable[[F], F]: ...
def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: DType | None = None) -> Any:
    """Decorates `forward` of an `autograd.Function` for use under autocast.

    Args:
        fwd: the method; without it this is a decorator.
        device_type: of the autocast that is meant.
        cast_inputs: under autocast, cast floating arguments to this dtype and run with autocast off. None: as it comes.
    """
    _check_device_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorate_fwd(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = _autocast.state.dtypes[device_type]
        active = _autocast.state.enabled[device_type]
        if cast_inputs is None:
            args[0]._fwd_used_autocast = active
            return fwd(*args, **kwargs)
        args[0]._fwd_used_autocast = False
        if not active:
            return fwd(*args, **kwargs)
        with _autocast.disabled(device_type):
            return fwd(
                *_cast(args, device_type, cast_inputs),
                **{name: _cast(value, device_type, cast_inputs) for name, value in kwargs.items()},
            )

    return decorate_fwd


@overload
def custom_bwd(bwd: F, *, device_type: str) -> F: ...
@overload
def custom_bwd(bwd: None = None, *, device_type: str) -> Callable[[F], F]: ...
def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Decorates `backward` of an `autograd.Function`: it runs under the autocast that its `forward` ran under."""
    _check_device_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorate_bwd(*args: Any, **kwargs: Any) -> Any:
        used, dtype = args[0]._fwd_used_autocast, args[0]._dtype
        with autocast(device_type, dtype, enabled=used):
            return bwd(*args, **kwargs)

    return decorate_bwd
