"""Cross entropy of a linear layer's result, in one function."""

from __future__ import annotations

import math
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.declare import registry
from flambeau._core.dispatch import function
from flambeau._core.tensor import Tensor
from flambeau._core.warn import warn
from flambeau._ops.classification import cross_entropy


def _check(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {weight.dim()}")
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}")
    if weight.dim() > 2 and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched input, "
            f"(N, {input.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )


@function("nn.functional.linear_cross_entropy")
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    Args:
        ignore_index: a target that does not count; None is -100 for class indices, and needed for probabilities.
        options: a `LinearCrossEntropyOptions`. They are checked; how the work is divided is left to XLA.

    Shape: input `(N, F)` or `(F)`; linear weight `(C, *, F)`, bias `(C, *)`; target `(N, *)`, or `(N, C, *)` with
        probabilities.
    """
    _check(input, linear_weight, linear_bias)
    classes, *places = linear_weight.shape[:-1]
    shape = (*input.shape[:-1], classes, *places)
    if target.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if options is not None:
        if (
            places
            or label_smoothing
            or target.dtype is not dtypes.int64
            or reduction not in ("mean", "sum", "none")
        ):
            warn(
                "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in {'mean','sum','none'}, "
                "label_smoothing == 0, target.dtype == int64, out_features == (). Got "
                f"reduction={reduction!r}, label_smoothing={label_smoothing}, target.dtype={target.dtype}, "
                f"out_features={tuple(places)}, tracing=False, "
                f"linear_bias.shape={None if linear_bias is None else tuple(linear_bias.shape)}.",
            )
        else:
            options._check(math.prod(input.shape[:-1]), input.shape[-1], classes, input.dtype)
    if places:
        linear_weight = linear_weight.reshape(-1, input.shape[-1])  # type: ignore[attr-defined]
        linear_bias = None if linear_bias is None else linear_bias.reshape(-1)  # type: ignore[attr-defined]
    scores = registry["nn.functional.linear"](input, linear_weight, linear_bias).reshape(shape)
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, None, ignored, None, reduction, label_smoothing)
