"""Normalizations within a sample: over trailing dimensions, over groups of channels, over neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import empty
from flambeau._ops.norm import cross_map_response
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LocalResponseNorm(Module):
    """Divides each element by a power of the squares around it in the neighbouring channels.

    Args:
        size: number of channels that count.
        alpha, beta, k: the divisor is `(k + alpha * mean of squares) ** beta`.

    Shape: input `(N, C, *)`; output the same.
    Source: Krizhevsky et al. 2012.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """An older `LocalResponseNorm`, for images only.

    Args:
        size, alpha, beta, k: as there.

    Shape: input `(N, C, H, W)`; output the same.
    """

    size: int

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        return cross_map_response(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, Integral):
        return (normalized_shape,)  # type: ignore[return-value]
    return tuple(normalized_shape)  # type: ignore[arg-type]


class LayerNorm(Module):
    """Gives the trailing dimensions mean 0 and variance 1, then scales and shifts each element.

    Args:
        normalized_shape: sizes of those dimensions; an int stands for one.
        eps: added to the variance under the root.
        elementwise_affine: learn `weight` (at first one) and `bias` (zero), of shape `normalized_shape`.
        bias: learn `bias`, if `elementwise_affine`.
        device, dtype: of the parameters.

    Shape: input `(*, *normalized_shape)`; output the same.
    Raises: RuntimeError, if the input's last sizes are not `normalized_shape`.
    Source: Ba et al. 2016, arXiv:1607.06450.
    """

    normalized_shape: tuple[int, ...]
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = sizes = _sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(sizes, **made)) if elementwise_affine else None)
        self.register_parameter(
            "bias", Parameter(empty(sizes, **made)) if elementwise_affine and bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the scale to one and the shift to zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Gives each group of channels of a sample mean 0 and variance 1, then scales and shifts each channel.

    Args:
        num_groups: number of groups.
        num_channels: number of channels, dimension 1 of the input; the groups divide it.
        eps: added to the variance under the root.
        affine: learn `weight` (starting at one) and `bias` (at zero), one number for each channel.
        device, dtype: of the parameters.
        bias: learn `bias`, if `affine`.

    Shape: input `(N, num_channels, *)`; output the same.
    Raises: ValueError, if the groups do not divide the channels.
    Source: Wu and He 2018, arXiv:1803.08494.
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_channels, **made)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_channels, **made)) if affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the scale to one and the shift to zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides the trailing dimensions of the input by their root mean square, then scales.

    Args:
        normalized_shape: sizes of those dimensions; an int stands for one.
        eps: added under the root; None takes the epsilon of the input's dtype.
        elementwise_affine: learn `weight`, of shape `normalized_shape`, starting at one.
        device, dtype: of the parameter.

    Shape: input `(*, *normalized_shape)`, floating; output the same shape and dtype.
    Raises: RuntimeError, if the input's last sizes are not `normalized_shape`.
    Source: Zhang and Sennrich 2019, arXiv:1910.07467.

    >>> tuple(nn.RMSNorm(4)(flambeau.ones(2, 4)).shape)
    (2, 4)
    """

    normalized_shape: tuple[int, ...]
    weight: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = sizes = _sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = Parameter(empty(sizes, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the scale to one."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
