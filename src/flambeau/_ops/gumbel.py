"""`gumbel_softmax`: a sample from categories that gradients flow through."""

from __future__ import annotations

from typing import Any

from flambeau._core.dispatch import function
from flambeau._core.random import default_generator
from flambeau._core.tensor import Tensor
from flambeau._core.warn import warn
from flambeau._ops.random import drawn


@function("nn.functional.gumbel_softmax")
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A differentiable sample from the categories that `logits` weigh.

    Args:
        logits: log-probabilities, which need not be normalized.
        tau: the temperature; the lower, the nearer to a single category.
        hard: return that category alone as a one, and differentiate as if it were not so.
        dim: the dimension of the categories.

    Source: Jang et al. 2017, arXiv:1611.01144; Maddison et al. 2017, arXiv:1611.00712.
    """
    if eps != 1e-10:
        warn("`eps` parameter is deprecated and has no effect.")
    meta = logits._meta
    noise = drawn(lambda batch: default_generator.gumbel((*batch, *meta.shape), meta.np), meta)
    tensor: Any = logits
    soft: Any = ((tensor + noise) / tau).softmax(dim)
    if not hard:
        return soft
    chosen = soft.argmax(dim, keepdim=True)
    one_hot = soft.detach().new_zeros(meta.shape).scatter_(dim, chosen, 1.0)
    return one_hot - soft.detach() + soft
