"""A tensor as text, as PyTorch prints it: `format_tensor` and `set_printoptions`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flambeau._core.dtype import (
    bool_,
    complex64,
    complex128,
    dtype,
    float8_e8m0fnu,
    float64,
    get_default_dtype,
    int64,
)


@dataclass
class PrintOptions:
    """What `set_printoptions` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


options = PrintOptions()

_PROFILES: dict[str | None, dict[str, float]] = {
    "default": dict(precision=4, threshold=1000, edgeitems=3, linewidth=80),
    "short": dict(precision=2, threshold=1000, edgeitems=2, linewidth=80),
    "full": dict(precision=4, threshold=math.inf, edgeitems=3, linewidth=80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors are printed; what is None keeps its value, except `sci_mode`.

    Args:
        precision: digits after the point.
        threshold: tensors of more elements than this are summarised.
        edgeitems: how many elements a summary shows at either end of a dimension.
        linewidth: characters in a line.
        profile: "default", "short" or "full"; sets all of the above, before they are set singly.
        sci_mode: write powers of ten always (True), never (False), or where the values call for it (None).
    """
    chosen: dict[str, Any] = {**_PROFILES.get(profile, {})}
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    chosen |= {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        setattr(options, name, value)
    options.sci_mode = sci_mode


def format_tensor(
    array: np.ndarray[Any, Any] | None,
    dtype: dtype,
    *,
    prefix: str = "tensor(",
    size: Sequence[int] = (),
    device: str | None = None,
    grad_fn: str | None = None,
    requires_grad: bool = False,
) -> str:
    """The text of a tensor.

    Args:
        array: its values; None on the meta device, where it has none.
        dtype: its dtype, named where the text would not tell it.
        prefix: how the text begins; later lines are indented by as much.
        size: its size, needed where `array` is None.
        device: the device to name, None for the CPU.
        grad_fn: the name of the function it comes from, such as "MulBackward0".
        requires_grad: named if there is no `grad_fn`.

    >>> print(format_tensor(np.eye(2), float64))
    tensor([[1., 0.],
            [0., 1.]], dtype=torch.float64)
    """
    default = get_default_dtype()
    shape = tuple(size) if array is None else array.shape
    suffixes = [f"device='{device}'"] if device is not None else []
    if array is None:
        text = "..."
        suffixes.append(f"size={shape}")
        is_dtype_told = dtype is default
    elif array.size == 0:
        text = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={shape}")
        is_dtype_told = dtype is default
    else:
        text = _array_text(array, len(prefix))
        if not options.edgeitems:  # summaries then show no element, so PyTorch adds the size to every text
            suffixes.append(f"size={shape}")
        default_complex = complex128 if default is float64 else complex64
        is_dtype_told = dtype in (default, default_complex, int64, bool_)
    if not is_dtype_told:
        suffixes.append(f"dtype={dtype}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + text, suffixes, len(prefix))


def _with_suffixes(text: str, suffixes: Iterable[str], indent: int) -> str:
    # One more than the characters in the last line, or two in the only line: where PyTorch breaks lines.
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _array_text(array: np.ndarray[Any, Any], indent: int) -> str:
    is_summary = array.size > options.threshold
    shown = _edges(array) if is_summary else array
    if is_summary and not options.edgeitems:
        return "[...]"
    if array.dtype.kind == "c":
        number: _Style = _Complex(shown)
    elif array.dtype.kind in "biu":
        number = _Exact(shown)
    else:
        number = _Float(shown)
        array = _as_float64(array)
    return _nested(array, indent, number, is_summary)


def _as_float64(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same values as float64, which holds those of all floating dtypes and which Python formats."""
    with np.errstate(invalid="ignore"):  # NumPy warns of some NaNs
        return array.astype(np.float64)


def _edges(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements that a summary shows."""
    for axis, length in enumerate(array.shape):
        if length > 2 * options.edgeitems:
            kept = [*range(options.edgeitems), *range(length - options.edgeitems, length)]
            array = array.take(kept, axis)
    return array


def _nested(array: np.ndarray[Any, Any], indent: int, number: _Style, is_summary: bool) -> str:
    if array.ndim == 0:
        return number.text(array.item())
    edge = options.edgeitems
    is_cut = is_summary and len(array) > 2 * edge
    if array.ndim == 1:
        return _row(array, indent, number, is_cut)
    rows = array if not is_cut else [*array[:edge], *array[len(array) - edge :]]
    texts = [_nested(row, indent + 1, number, is_summary) for row in rows]
    if is_cut:
        texts.insert(edge, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def _row(array: np.ndarray[Any, Any], indent: int, number: _Style, is_cut: bool) -> str:
    edge = options.edgeitems
    per_line = max(1, math.floor((options.linewidth - indent) / (number.width + 2)))
    if is_cut:
        texts = [number.text(each) for each in array[:edge].tolist()]
        texts.append(" ...")
        texts += [number.text(each) for each in array[len(array) - edge :].tolist()]
    else:
        texts = [number.text(each) for each in array.tolist()]
    lines = [", ".join(texts[start : start + per_line]) for start in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


class _Exact:
    """Integers and truths."""

    def __init__(self, shown: np.ndarray[Any, Any]) -> None:
        self.width = max(len(str(each)) for each in shown.ravel().tolist())

    def text(self, value: int) -> str:
        return str(value).rjust(self.width)


class _Float:
    """Floats: whole ones with a bare point, others with `precision` digits, or in powers of ten."""

    def __init__(self, shown: np.ndarray[Any, Any]) -> None:
        values = _as_float64(shown).ravel()
        if shown.dtype == float8_e8m0fnu.np:
            # It has no zero, so PyTorch takes the smallest number, which 0 rounds to, for it; and NaN counts.
            values = values[values != 2.0**-127]
        else:
            # What is zero, infinite or not a number has no say, not even in the width.
            values = values[np.isfinite(values) & (values != 0)]
        self.width = 1
        self.is_whole = bool((values == np.ceil(values)).all())
        self.is_scientific = False
        if not values.size:
            return
        low, high = float(abs(values).min()), float(abs(values).max())
        self.is_scientific = high / low > 1000 or high > 1e8 or (not self.is_whole and low < 1e-4)
        if options.sci_mode is not None:
            self.is_scientific = options.sci_mode
        self.width = max(len(self._finite(value)) for value in values.tolist())

    def _finite(self, value: float) -> str:
        if self.is_scientific:
            return f"{value:.{options.precision}e}"
        return f"{value:.0f}." if self.is_whole else f"{value:.{options.precision}f}"

    def text(self, value: float) -> str:
        return (self._finite(value) if math.isfinite(value) else str(value)).rjust(self.width)


class _Complex:
    """Complex numbers: both parts as floats, each written like its fellows."""

    def __init__(self, shown: np.ndarray[Any, Any]) -> None:
        self.real, self.imag = _Float(shown.real), _Float(shown.imag)
        self.width = self.real.width + self.imag.width + 1

    def text(self, value: complex) -> str:
        imag = self.imag.text(value.imag).lstrip()
        sign = "" if imag.startswith("-") else "+"
        return f"{self.real.text(value.real)}{sign}{imag}j"


# How the elements of one tensor are written: alike, and as wide as the widest of those shown.
_Style = _Exact | _Float | _Complex
