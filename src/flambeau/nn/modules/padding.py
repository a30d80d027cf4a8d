"""Layers that add a border: of one number, or of what is beside it."""

from __future__ import annotations

from typing import ClassVar

from flambeau._core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

Padding = int | tuple[int, ...]


class _PadNd(Module):
    """What all share: `padding` is one number, or one for each end, from the last dimension to the first."""

    _dimensions: ClassVar[int]
    _mode: ClassVar[str]
    padding: tuple[int, ...]

    def __init__(self, padding: Padding) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._dimensions)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        single, batch = self._dimensions + 1, self._dimensions + 2
        if input.dim() not in (single, batch):
            raise ValueError(f"expected {single}D or {batch}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Adds at each end of a signal what stands at the other.

    Args:
        padding: how much: one number, or one for the left and one for the right.

    Shape: input `(N, C, L)` or `(C, L)`; output likewise.
    """

    _dimensions = 1


class CircularPad2d(_CircularPadNd):
    """Adds on each side of an image what stands at the other.

    Args:
        padding: how much: one number, or left, right, top, bottom.
    """

    _dimensions = 2


class CircularPad3d(_CircularPadNd):
    """Adds on each side of a volume what stands at the other.

    Args:
        padding: how much: one number, or left, right, top, bottom, front, back.
    """

    _dimensions = 3


class _ConstantPadNd(_PadNd):
    _mode = "constant"
    value: float

    def __init__(self, padding: Padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Adds a number at the ends of a signal.

    Args:
        padding: how often: one number, or one for the left and one for the right; negative ones cut off.
        value: the number.
    """

    _dimensions = 1


class ConstantPad2d(_ConstantPadNd):
    """Adds a number around an image.

    Args:
        padding: how often: one number, or left, right, top, bottom; negative ones cut off.
        value: the number.
    """

    _dimensions = 2


class ConstantPad3d(_ConstantPadNd):
    """Adds a number around a volume.

    Args:
        padding: how often: one number, or left, right, top, bottom, front, back; negative ones cut off.
        value: the number.
    """

    _dimensions = 3


class ZeroPad1d(ConstantPad1d):
    """Adds zeros at the ends of a signal; `padding` as in `ConstantPad1d`."""

    def __init__(self, padding: Padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Adds zeros around an image; `padding` as in `ConstantPad2d`."""

    def __init__(self, padding: Padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Adds zeros around a volume; `padding` as in `ConstantPad3d`."""

    def __init__(self, padding: Padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Adds a mirror image at the ends of a signal, without repeating the end itself.

    Args:
        padding: how much: one number, or one for the left and one for the right.
    """

    _dimensions = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Adds mirror images around an image, without repeating its border.

    Args:
        padding: how much: one number, or left, right, top, bottom.
    """

    _dimensions = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Adds mirror images around a volume, without repeating its border.

    Args:
        padding: how much: one number, or left, right, top, bottom, front, back.
    """

    _dimensions = 3


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the ends of a signal.

    Args:
        padding: how often: one number, or one for the left and one for the right.
    """

    _dimensions = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the border of an image.

    Args:
        padding: how often: one number, or left, right, top, bottom.
    """

    _dimensions = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the border of a volume.

    Args:
        padding: how often: one number, or left, right, top, bottom, front, back.
    """

    _dimensions = 3
