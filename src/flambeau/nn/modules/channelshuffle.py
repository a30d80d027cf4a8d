"""ChannelShuffle."""

from __future__ import annotations

from flambeau._core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Deals the channels out anew, so that each group gets some of every group.

    Args:
        groups: number of groups; they divide the channels.

    Shape: input `(N, C, *)`; output the same.
    Source: Zhang et al. 2017, arXiv:1707.01083.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
