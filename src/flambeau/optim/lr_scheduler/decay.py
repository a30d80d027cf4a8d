"""Schedulers that multiply the rates by a factor: in steps, on a straight line, exponentially."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from flambeau.optim.lr_scheduler.scheduler import LRScheduler, Rate, warn_outside_of_step
from flambeau.optim.optimizer import Optimizer

__all__ = ["ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class _FactorLR(LRScheduler):
    """A scheduler that multiplies all rates by one number at each epoch.

    `_factor` gives that number, None for none; `_closed_form_factor` what multiplies the initial rates.
    """

    def _factor(self) -> float | None:
        raise NotImplementedError(f"{type(self).__name__} has to define _factor()")

    def _closed_form_factor(self) -> float:
        raise NotImplementedError(f"{type(self).__name__} has to define _closed_form_factor()")

    def get_lr(self) -> list[Rate]:
        """The rates of the next epoch."""
        warn_outside_of_step(self)
        factor = self._factor()
        rates = [group["lr"] for group in self.optimizer.param_groups]
        return rates if factor is None else [rate * factor for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        return [base * self._closed_form_factor() for base in self.base_lrs]


class StepLR(_FactorLR):
    """Multiplies the rates by `gamma` after every `step_size` epochs.

    Args:
        optimizer: whose rates to set.
        step_size: how many epochs a rate lasts.
        gamma: the factor.
        last_epoch: the epoch to resume from; -1 starts anew.

    >>> import flambeau
    >>> optimizer = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        return None if self.last_epoch == 0 or self.last_epoch % self.step_size != 0 else self.gamma

    def _closed_form_factor(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_FactorLR):
    """Multiplies the rates by `gamma` at each of the given epochs.

    Args:
        optimizer: whose rates to set.
        milestones: the epochs; one named twice counts twice.
        gamma: the factor.
        last_epoch: the epoch to resume from; -1 starts anew.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch not in self.milestones:
            return None
        return self.gamma ** self.milestones[self.last_epoch]

    def _closed_form_factor(self) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(_FactorLR):
    """Multiplies the rates by `factor` until `total_iters` epochs have passed.

    Args:
        optimizer: whose rates to set.
        factor: 0 to 1.
        total_iters: the epoch from which on the rates are the full ones.
        last_epoch: the epoch to resume from; -1 starts anew.

    Raises: ValueError, for a factor out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else None

    def _closed_form_factor(self) -> float:
        return self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(_FactorLR):
    """Leads the rates on a straight line from one part of their size to another, as when warming up.

    Args:
        optimizer: whose rates to set.
        start_factor: the part at first, above 0, at most 1.
        end_factor: the part after `total_iters` epochs and from then on, 0 to 1.
        total_iters: the length of the way.
        last_epoch: the epoch to resume from; -1 starts anew.

    Raises: ValueError, for factors out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1."
            )
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)

    def _closed_form_factor(self) -> float:
        passed = min(self.total_iters, self.last_epoch)
        return self.start_factor + (self.end_factor - self.start_factor) * passed / self.total_iters


class ExponentialLR(_FactorLR):
    """Multiplies the rates by `gamma` at every epoch.

    Args:
        optimizer: whose rates to set.
        gamma: the factor.
        last_epoch: the epoch to resume from; -1 starts anew.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        return None if self._is_initial else self.gamma

    def _closed_form_factor(self) -> float:
        return self.gamma**self.last_epoch


class PolynomialLR(_FactorLR):
    """Lowers the rates to 0 along a polynomial.

    Args:
        optimizer: whose rates to set.
        total_iters: the epoch at which they are 0.
        power: of the polynomial; 1 is a straight line.
        last_epoch: the epoch to resume from; -1 starts anew.
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        left = 1.0 - self.last_epoch / self.total_iters
        left_before = 1.0 - (self.last_epoch - 1) / self.total_iters
        factor: float = (left / left_before) ** self.power
        return factor

    def _closed_form_factor(self) -> float:
        factor: float = (1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power
        return factor
