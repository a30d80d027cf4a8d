"""Momentum that cycles against the rate: an option of its own, or the first of Adam's betas."""

from typing import Any

from flambeau.optim.optimizer import Optimizer


def check_momentum(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is the first of its betas.

    Raises: ValueError, if it has neither momentum nor betas.
    """
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def set_momentum(group: dict[str, Any], momentum: float, use_beta1: bool) -> None:
    """Sets a group's momentum."""
    if use_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
