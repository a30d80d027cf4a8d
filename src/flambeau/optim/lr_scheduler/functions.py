"""Schedulers that follow functions of the user's."""

import types
from collections.abc import Callable
from typing import Any

from flambeau.optim.lr_scheduler.scheduler import LRScheduler, Rate, warn_outside_of_step
from flambeau.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR", "kept_attributes"]

Factor = Callable[[int], float]


class _FunctionLR(LRScheduler):
    """What the two share: a function for each group, and how it is saved."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        groups = len(optimizer.param_groups)
        if not isinstance(lr_lambda, list | tuple):
            self.lr_lambdas = [lr_lambda] * groups
        else:
            if len(lr_lambda) != groups:
                raise ValueError(f"Expected {groups} lr_lambdas, but got {len(lr_lambda)}")
            self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; of the functions the attributes of those that are objects."""
        state = {name: value for name, value in super().state_dict().items() if name != "lr_lambdas"}
        state["lr_lambdas"] = [kept_attributes(function) for function in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave; functions that are no objects stay as they are."""
        self.__dict__.update({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for function, saved in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=False):
            if saved is not None:
                function.__dict__.update(saved)


class LambdaLR(_FunctionLR):
    """Sets each rate to the initial one times a function of the epoch.

    Args:
        optimizer: whose rates to set.
        lr_lambda: gives the factor of an epoch; a list gives a function for each group.
        last_epoch: the epoch to resume from; -1 starts anew.

    Raises: ValueError, for a list of another length than the groups.

    >>> import flambeau
    >>> optimizer = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[Rate]:
        """The rates of the next epoch."""
        warn_outside_of_step(self)
        return [
            base * function(self.last_epoch)
            for function, base in zip(self.lr_lambdas, self.base_lrs, strict=True)
        ]


class MultiplicativeLR(_FunctionLR):
    """Multiplies each rate by a function of the epoch.

    Args:
        optimizer: whose rates to set.
        lr_lambda: gives the factor of an epoch; a list gives a function for each group.
        last_epoch: the epoch to resume from; -1 starts anew.

    Raises: ValueError, for a list of another length than the groups.
    """

    def get_lr(self) -> list[Rate]:
        """The rates of the next epoch."""
        warn_outside_of_step(self)
        groups = self.optimizer.param_groups
        if self._is_initial:
            return [group["lr"] for group in groups]
        return [
            group["lr"] * function(self.last_epoch)
            for function, group in zip(self.lr_lambdas, groups, strict=True)
        ]


def kept_attributes(function: Any) -> dict[str, Any] | None:
    """What a state dict keeps of a callable: an object's attributes, and of a function nothing."""
    return None if isinstance(function, types.FunctionType) else function.__dict__.copy()
