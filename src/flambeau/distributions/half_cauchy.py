"""The distribution of the distance of a Cauchy number from its median."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flambeau._core.tensor import Tensor
from flambeau._ops.construct import as_tensor
from flambeau.distributions._half import Half
from flambeau.distributions.cauchy import Cauchy
from flambeau.distributions.transforms import AbsTransform

__all__ = ["HalfCauchy"]


class HalfCauchy(Half):
    """The absolute value of a Cauchy number of median zero.

    Args:
        scale: half of the width of that at half of its height.

    >>> HalfCauchy(1.0).cdf(HalfCauchy(1.0).mode).item()
    0.0
    """

    def __init__(self, scale: Tensor | float, validate_args: bool | None = None) -> None:
        base = Cauchy(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        return super().expand(batch_shape, _instance=self._get_checked_instance(HalfCauchy, _instance))

    @property
    def mean(self) -> Tensor:
        return self._full(math.inf, self.scale)

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def _as_value(self, value: Any) -> Tensor:
        return as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
