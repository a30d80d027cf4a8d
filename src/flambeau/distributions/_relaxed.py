"""Continuous relaxations, made from one of the logarithms."""

from __future__ import annotations

from typing import Any

from flambeau._core.tensor import Tensor
from flambeau.distributions.transformed_distribution import TransformedDistribution


class Relaxed(TransformedDistribution):
    """A transformed sample of `base_dist`, which has a temperature, and probabilities or their logits."""

    has_rsample = True
    base_dist: Any

    @property
    def temperature(self) -> Tensor:
        """How far from a single category."""
        found: Tensor = self.base_dist.temperature
        return found

    @property
    def logits(self) -> Tensor:
        """Logarithms of the probabilities, or log-odds."""
        found: Tensor = self.base_dist.logits
        return found

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        found: Tensor = self.base_dist.probs
        return found
