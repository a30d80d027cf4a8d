"""Instance normalization and its lazy forms."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    _dimensions: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: DeviceLike = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _get_no_batch_dim(self) -> int:
        return self._dimensions + 1

    def _check_input_dim(self, input: Tensor) -> None:
        single, batch = self._dimensions + 1, self._dimensions + 2
        if input.dim() not in (single, batch):
            raise ValueError(f"expected {single}D or {batch}D input (got {input.dim()}D input)")

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: Any,
        unexpected_keys: Any,
        error_msgs: Any,
    ) -> None:
        if local_metadata.get("version", None) is None and not self.track_running_stats:
            found = [name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if found:
                error_msgs.append(_unexpected_statistics(type(self).__name__, found, prefix))
                for name in found:
                    state_dict.pop(prefix + name)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        channels = input.dim() - self._get_no_batch_dim()
        if input.size(channels) != self.num_features:
            self._refuse_channels(input, channels)
        if input.dim() == self._get_no_batch_dim():
            return self._apply_instance_norm(input.unsqueeze(0)).squeeze(0)
        return self._apply_instance_norm(input)

    def _refuse_channels(self, input: Tensor, dim: int) -> None:
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: "
                f"{input.size(dim)}."
            )
        warnings.warn(
            f"input's size at dim={dim} does not match num_features. You can silence this warning by not "
            "passing in num_features, which is not used because affine=False",
            stacklevel=3,
        )

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )


def _unexpected_statistics(kind: str, names: list[str], prefix: str) -> str:
    listed = " and ".join(f'"{prefix}{name}"' for name in names)
    return (
        f"Unexpected running stats buffer(s) {listed} for {kind} with track_running_stats=False. If "
        f"state_dict is a checkpoint saved before 0.4.0, this may be expected because {kind} does not track "
        "running stats by default since 0.4.0. Please remove these keys from state_dict. If the running "
        f"stats are actually needed, instead set track_running_stats=True in {kind} to enable them. See "
        f"the documentation of {kind} for details."
    )


class InstanceNorm1d(_InstanceNorm):
    """Normalizes each channel of each sample by itself.

    Args:
        num_features: number of channels.
        eps: added to the variance under the root.
        momentum: the weight of a new batch in the running statistics.
        affine: scale and shift the channels by learned numbers.
        track_running_stats: keep running statistics, and use them in evaluation.
        device, dtype: of the parameters and buffers.
        bias: learn the shift, if `affine`.

    Shape: input `(N, C, L)` or `(C, L)`; output the same.
    Raises: ValueError, for other dimensions or, if `affine`, other numbers of channels.
    Source: Ulyanov et al. 2016, arXiv:1607.08022.
    """

    _dimensions = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalizes each channel of each image by itself; the arguments are those of `InstanceNorm1d`.

    Shape: input `(N, C, H, W)` or `(C, H, W)`; output the same.
    """

    _dimensions = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalizes each channel of each volume by itself; the arguments are those of `InstanceNorm1d`.

    Shape: input `(N, C, D, H, W)` or `(C, D, H, W)`; output the same.
    """

    _dimensions = 3


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm1d that learns `num_features` from its first input; affine and tracking by default."""

    cls_to_become = InstanceNorm1d
    _dimensions = 1


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm2d that learns `num_features` from its first input; affine and tracking by default."""

    cls_to_become = InstanceNorm2d
    _dimensions = 2


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm3d that learns `num_features` from its first input; affine and tracking by default."""

    cls_to_become = InstanceNorm3d
    _dimensions = 3
