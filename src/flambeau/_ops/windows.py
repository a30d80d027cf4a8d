"""Window functions for signals: `torch.hann_window` and its like, and those of `torch.signal.windows`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.dispatch import function
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, meta_of
from flambeau._ops.construct import as_device, as_dtype, finish

Values = np.ndarray[Any, Any]


def _made(
    count: int, values: Callable[[], Values], dtype: dtypes.dtype, device: Any, requires_grad: bool
) -> Tensor:
    """A window of `count` values; one of a single value is 1."""
    meta = meta_of((count,), dtype, as_device(device, "window"))
    if meta.device is META:
        return finish(None, meta, requires_grad)
    found = np.ones(count) if count < 2 else values()
    return finish(found.astype(meta.np), meta, requires_grad)


def _cosine_sum(coefficients: Iterable[float], angle: Values) -> Values:
    total = np.zeros_like(angle)
    for i, coefficient in enumerate(coefficients):
        total += (-1) ** i * coefficient * np.cos(i * angle)
    return total


def _kaiser_values(count: int, beta: float, steps: int) -> Values:
    place = np.linspace(-beta, -beta + 2 * beta * (count - 1) / steps, count)
    return np.asarray(np.i0(np.sqrt(np.maximum(beta * beta - place * place, 0))) / np.i0(beta))


# -- torch.hann_window and its like ----------------------------------------------------------------


def _legacy(
    name: str, window_length: int, periodic: bool, values: Callable[[int, int], Values], dtype: Any, layout:
    Any, device: Any, requires_grad: bool,
) -> Tensor:  # fmt: skip
    """`values(count, steps)` gives a window of `count` values, where the whole one has `steps` steps."""
    wanted = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
    if not (wanted.is_floating_point or wanted.is_complex):
        raise RuntimeError(f"{name} expects floating point dtypes, got: {wanted}")
    if window_length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={window_length}")
    steps = window_length if periodic else window_length - 1
    return _made(window_length, lambda: values(window_length, steps), wanted, device, requires_grad)


def _angles(count: int, steps: int) -> Values:
    return 2 * math.pi * np.arange(count) / steps


@function("hann_window")
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A raised cosine from 0 to 1 and back; periodic ones leave out the last 0."""

    def values(count: int, steps: int) -> Values:
        return _cosine_sum((0.5, 0.5), _angles(count, steps))

    return _legacy("hann_window", window_length, periodic, values, dtype, layout, device, requires_grad)


@function("hamming_window")
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`alpha - beta * cos`, which does not quite reach 0."""

    def values(count: int, steps: int) -> Values:
        return _cosine_sum((alpha, beta), _angles(count, steps))

    return _legacy("hamming_window", window_length, periodic, values, dtype, layout, device, requires_grad)


@function("blackman_window")
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A sum of three cosines."""

    def values(count: int, steps: int) -> Values:
        return _cosine_sum((0.42, 0.5, 0.08), _angles(count, steps))

    return _legacy("blackman_window", window_length, periodic, values, dtype, layout, device, requires_grad)


@function("bartlett_window")
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle."""

    def values(count: int, steps: int) -> Values:
        return 1 - np.abs(2 * np.arange(count) / steps - 1)

    return _legacy("bartlett_window", window_length, periodic, values, dtype, layout, device, requires_grad)


@function("kaiser_window")
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Kaiser's window of shape `beta`."""

    def values(count: int, steps: int) -> Values:
        return _kaiser_values(count, beta, steps)

    return _legacy("kaiser_window", window_length, periodic, values, dtype, layout, device, requires_grad)


# -- torch.signal.windows --------------------------------------------------------------------------


def _window(
    name: str, M: int, sym: bool, values: Callable[[int], Values], dtype: Any, layout: Any, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    """`values(steps)` gives the window, where the whole one has `steps` steps."""
    wanted = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and layout is not dtypes.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if wanted not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {wanted}")
    return _made(M, lambda: values(M - 1 if sym else M), wanted, device, requires_grad)


@function("signal.windows.exponential")
def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any
    = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Falls by a factor e every `tau` values from its center."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def values(steps: int) -> Values:
        middle = steps / 2 if center is None else center
        return np.exp(-np.abs(np.arange(M) - middle) / tau)

    return _window("exponential", M, sym, values, dtype, layout, device, requires_grad)


@function("signal.windows.cosine")
def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Half a wave of the sine."""

    def values(steps: int) -> Values:
        return np.sin((np.arange(M) + 0.5) * math.pi / (steps + 1))

    return _window("cosine", M, sym, values, dtype, layout, device, requires_grad)


@function("signal.windows.gaussian")
def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A bell curve with standard deviation `std`."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")

    def values(steps: int) -> Values:
        return np.exp(-(((np.arange(M) - steps / 2) / std) ** 2) / 2)

    return _window("gaussian", M, sym, values, dtype, layout, device, requires_grad)


@function("signal.windows.kaiser")
def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any =
    None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Kaiser's window of shape `beta`."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def values(steps: int) -> Values:
        return _kaiser_values(M, beta, steps)

    return _window("kaiser", M, sym, values, dtype, layout, device, requires_grad)


@function("signal.windows.bartlett")
def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A triangle."""

    def values(steps: int) -> Values:
        return 1 - np.abs(2 * np.arange(M) / steps - 1)

    return _window("bartlett", M, sym, values, dtype, layout, device, requires_grad)


@function("signal.windows.general_cosine")
def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None, device: Any =
    None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A sum of cosines with coefficients `a` of alternating sign."""
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    coefficients = tuple(a)
    if not coefficients:
        raise ValueError("Coefficients cannot be empty")

    def values(steps: int) -> Values:
        return _cosine_sum(coefficients, _angles(M, steps))

    return _window("general_cosine", M, sym, values, dtype, layout, device, requires_grad)


@function("signal.windows.general_hamming")
def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any =
    None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`alpha - (1 - alpha) * cos`."""
    return general_cosine(
        M,
        a=(alpha, 1 - alpha),
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def _declare_cosine_sum(name: str, coefficients: tuple[float, ...]) -> None:
    def window(
        M: int,
        *,
        sym: bool = True,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        return general_cosine(
            M, a=coefficients, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
        )

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"A sum of cosines with the coefficients {coefficients} of alternating sign."
    function(f"signal.windows.{name}")(window)


_declare_cosine_sum("hann", (0.5, 0.5))
_declare_cosine_sum("hamming", (0.54, 0.46))
_declare_cosine_sum("blackman", (0.42, 0.5, 0.08))
_declare_cosine_sum("nuttall", (0.3635819, 0.4891775, 0.1365995, 0.0106411))
