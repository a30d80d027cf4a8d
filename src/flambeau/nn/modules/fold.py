"""Fold and Unfold: images as columns of windows, and back."""

from __future__ import annotations

from flambeau._core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["Fold", "Unfold"]

Size = int | tuple[int, ...]


class Fold(Module):
    """Adds up overlapping windows to images.

    Args:
        output_size: height and width of the images.
        kernel_size: size of a window.
        dilation: steps between two elements of a window.
        padding: how much of the border is cut off.
        stride: steps between two windows.

    Shape: input `(N, C * window, L)` or without `N`; output `(N, C, *output_size)`.
    """

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """Lays the windows of images out as columns.

    Args:
        kernel_size: size of a window.
        dilation: steps between two elements of a window.
        padding: how much is added on all sides, of zeros.
        stride: steps between two windows.

    Shape: input `(N, C, H, W)` or without `N`; output `(N, C * window, L)`.
    """

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )
