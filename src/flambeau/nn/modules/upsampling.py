"""Upsample and its two old names."""

from __future__ import annotations

from typing import Any

from flambeau._core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]

Ratio = float | tuple[float, ...]


class Upsample(Module):
    """Makes signals, images or volumes larger or smaller.

    Args:
        size: the size of the output: one number, or one for each dimension.
        scale_factor: or the factor to the input's.
        mode: "nearest", "linear", "bilinear", "bicubic" or "trilinear".
        align_corners: let the corners' centres keep their places.
        recompute_scale_factor: take the factor that follows from the rounded size.

    Shape: input `(N, C, *)` with 1 to 3 dimensions more; output likewise.
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: Ratio | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Ratio | None = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.setdefault("recompute_scale_factor", True)
        super().__setstate__(state)

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Repeats pixels to make images larger.

    Args:
        size: height and width of the output.
        scale_factor: or the factor to the input's.
    """

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        scale_factor: float | tuple[float, float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Interpolates between pixels to make images larger, with corners in place.

    Args:
        size: height and width of the output.
        scale_factor: or the factor to the input's.
    """

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        scale_factor: float | tuple[float, float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
