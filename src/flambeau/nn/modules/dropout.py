"""Layers that leave out a random part while training, and do nothing in evaluation."""

from __future__ import annotations

from flambeau._core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Makes each element zero with probability `p`, and scales the others up by `1 / (1 - p)`.

    Args:
        p: the probability.
        inplace: overwrite the input.

    Raises: ValueError, if `p` is no probability.
    Source: Hinton et al. 2012, arXiv:1207.0580.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Makes whole channels zero, each with probability `p`, and scales the others up by `1 / (1 - p)`.

    Args:
        p: the probability.
        inplace: overwrite the input.

    Shape: input `(N, C, L)` or `(C, L)`; output the same.
    Source: Tompson et al. 2014, arXiv:1411.4280.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Makes whole channels zero, as `Dropout1d` does.

    Shape: input `(N, C, H, W)` or `(N, C, L)`; output the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Makes whole channels zero, as `Dropout1d` does.

    Shape: input `(N, C, D, H, W)` or `(C, D, H, W)`; output the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout for SELUs: what is left out becomes their negative limit, and mean and variance stay.

    Args:
        p: the probability of leaving an element out.
        inplace: overwrite the input.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
