"""Rates that go up and down between two bounds, again and again."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from flambeau.optim.lr_scheduler.functions import kept_attributes
from flambeau.optim.lr_scheduler.momentum import check_momentum, set_momentum
from flambeau.optim.lr_scheduler.scheduler import (
    LRScheduler,
    Rate,
    check_optimizer,
    one_per_group,
    set_option,
    warn_outside_of_step,
)
from flambeau.optim.optimizer import Optimizer

__all__ = ["CyclicLR"]


class CyclicLR(LRScheduler):
    """Moves the rates along straight lines between two bounds; steps after every batch.

    Args:
        optimizer: whose rates to set.
        base_lr: the lower bound and first rate; a list gives one for each group.
        max_lr: the upper bound, as far as the scale lets it be reached; or a list.
        step_size_up: the steps on the way up.
        step_size_down: the steps on the way down; as many as up, if None.
        mode: "triangular" keeps the height, "triangular2" halves it with each cycle, "exp_range" multiplies
        it by `gamma` at each step.
        gamma: for "exp_range".
        scale_fn: gives the height in place of `mode`, of the cycle or of the step, as `scale_mode` says.
        scale_mode: "cycle" (counted from 1) or "iterations".
        cycle_momentum: move the momentum (the first beta) between `max_momentum` and `base_momentum`, low
        where the rate is high.
        last_epoch: the step to resume from; -1 starts anew.

    Raises: ValueError, for an unknown mode, lists of another length than the groups, or an optimizer without
    momentum.
    Source: Smith 2017, arXiv:1506.01186.

    >>> import flambeau
    >>> optimizer = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], momentum=0.9)
    >>> schedule = CyclicLR(optimizer, base_lr=1.0, max_lr=2.0, step_size_up=2)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [1.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = one_per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                set_option(group, "lr", rate)
        self.max_lrs = one_per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_ref: Callable[[float], float]
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        self._init_scale_fn()
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = check_momentum(optimizer)
            self.base_momentums = one_per_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = one_per_group("max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                self._start_momentum()
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _start_momentum(self) -> None:
        for group, low, high in zip(
            self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
        ):
            set_momentum(group, high, self.use_beta1)
            group["max_momentum"], group["base_momentum"] = high, low

    def _init_scale_fn(self) -> None:
        """Chooses the function of the mode, unless the user gave one."""
        if self._scale_fn_custom is not None:
            return
        if self.mode == "triangular":
            self._scale_fn_ref = _full_height
            self.scale_mode = "cycle"
        elif self.mode == "triangular2":
            self._scale_fn_ref = _half_of_last_cycle
            self.scale_mode = "cycle"
        elif self.mode == "exp_range":
            self._scale_fn_ref = partial(_power, self.gamma)
            self.scale_mode = "iterations"

    def scale_fn(self, x: float) -> float:
        """The height of the peak, as a part of the full one, at a cycle or step."""
        return (self._scale_fn_ref if self._scale_fn_custom is None else self._scale_fn_custom)(x)

    def get_lr(self) -> list[Rate]:
        """The rates of the next step; sets the momentum as well."""
        warn_outside_of_step(self)
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        part = 1.0 + self.last_epoch / self.total_size - cycle
        rising = part <= self.step_ratio
        scale = part / self.step_ratio if rising else (part - 1) / (self.step_ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                set_momentum(group, high - (high - low) * scale * height, self.use_beta1)
        return [
            base + (top - base) * scale * height
            for base, top in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; of a `scale_fn` that is an object, its attributes."""
        state = super().state_dict()
        state.pop("_scale_fn_ref", None)
        custom = state.pop("_scale_fn_custom")
        state["_scale_fn_custom"] = None if custom is None else kept_attributes(custom)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave; a `scale_fn` that is no object stays as it is."""
        saved = state_dict.pop("_scale_fn_custom")  # taken from the caller's dict, as PyTorch does
        super().load_state_dict(state_dict)
        if saved is not None:
            self._scale_fn_custom.__dict__.update(saved)
        self._init_scale_fn()


def _full_height(cycle: float) -> float:
    return 1.0


def _half_of_last_cycle(cycle: float) -> float:
    return float(0.5 ** (cycle - 1))


def _power(gamma: float, step: float) -> float:
    return float(gamma**step)
