"""The base of all learning rate schedulers: counting epochs, and writing rates into an optimizer's groups.

A subclass gives `get_lr`, the next rate of each group, mostly from the present one ("chainable": several
schedulers may then work on one optimizer). Where it also gives `_get_closed_form_lr`, the rates as a function
of the epoch alone, `step(epoch)` takes that.
"""

import functools
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from flambeau._core.tensor import Tensor
from flambeau.optim.optimizer import Optimizer, as_number

__all__ = ["EPOCH_DEPRECATION_WARNING", "LRScheduler"]

Rate: TypeAlias = Any  # a float, or a tensor of one element

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from "
    "None, the closed form is used instead of the new chainable form, where available. Please open an issue "
    "if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
_ABOUT_ORDER = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
_STEP_REPLACED = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, "
    "make sure to call `optimizer.step()` before `lr_scheduler.step()`. " + _ABOUT_ORDER
)
_STEPPED_TOO_EARLY = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you "
    "should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  Failure to do "
    "this will result in PyTorch skipping the first value of the learning rate schedule. " + _ABOUT_ORDER
)


class LRScheduler:
    """Base class of all learning rate schedulers.

    Args:
        optimizer: whose groups' "lr" to set; the rates it has now are kept in them as "initial_lr".
        last_epoch: the epoch to resume from; -1 starts anew.

    Raises: TypeError, for anything but an optimizer; KeyError, when resuming with groups that have no
    "initial_lr".
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False
    _step_count: int
    _last_lr: list[Rate]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", copied(group["lr"]))
        else:
            _check_initial_rates(optimizer)
        self.base_lrs: list[Rate] = rates_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        """Sets the rates of the first epoch."""
        self._step_count = 0
        with _flag(self, "_is_initial"):
            self.step()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave. The optimizer's own state has the rates themselves."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Rate]:
        """The rates this scheduler set last, one for each group."""
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """The rates of the next epoch, one for each group; for `step` to call."""
        raise NotImplementedError(f"{type(self).__name__} has to define get_lr(), or override step()")

    def step(self, epoch: int | None = None) -> None:
        """Goes on to the next epoch, or to the given one, and sets its rates.

        Call it after the optimizer's `step`.
        """
        if self._step_count == 1:
            _warn_of_order(self.optimizer)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        with _flag(self, "_get_lr_called_within_step"):
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                closed_form: Callable[[], list[Rate]] = getattr(self, "_get_closed_form_lr", self.get_lr)
                rates = closed_form()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", rate)
        self._last_lr = rates_of(self.optimizer)


class _LRScheduler(LRScheduler):
    """The base under its name of before PyTorch 2.0, for `isinstance` and for subclasses."""


# -- for subclasses ------------------------------------------------------------------------------


def check_optimizer(optimizer: Any) -> None:
    """Raises for anything but an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def warn_outside_of_step(scheduler: LRScheduler) -> None:
    """Warns of a `get_lr` that the user called: it gives the next rates, not the last ones."""
    if not scheduler._get_lr_called_within_step:
        warnings.warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            UserWarning,
            stacklevel=3,
        )


def copied(rate: Rate) -> Rate:
    """A rate that does not change with the group's: tensors are written in place."""
    return rate.clone() if isinstance(rate, Tensor) else rate  # type: ignore[attr-defined]


def rates_of(optimizer: Optimizer, name: str = "lr") -> list[Rate]:
    """One option of all groups, as copies."""
    return [copied(group[name]) for group in optimizer.param_groups]


def set_option(group: dict[str, Any], name: str, value: Any) -> None:
    """Sets an option of a group; one that is a tensor stays that tensor and takes the value."""
    if isinstance(group[name], Tensor):
        group[name].fill_(as_number(value))
    else:
        group[name] = value


def one_per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A list as it is, and anything else once for each group.

    Raises: ValueError, for a list of another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {groups}."
        )
    return list(value)


# -- helpers -------------------------------------------------------------------------------------


def _check_initial_rates(optimizer: Optimizer) -> None:
    for number, group in enumerate(optimizer.param_groups):
        if "initial_lr" not in group:
            raise KeyError(
                f"param 'initial_lr' is not specified in param_groups[{number}] when resuming scheduler with "
                "last_epoch >= 0.\nThis typically happens when:\n"
                "1. You're trying to resume training from a checkpoint but haven't properly loaded the "
                "optimizer state\n"
                "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
            )


def _note_steps(optimizer: Optimizer) -> None:
    """Lets the optimizer note that it made a step, so that a wrong order of steps can be told."""
    step = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched"):
        return
    # Not by strong reference: an optimizer in a cycle would live, with its parameters, until collected.
    own = weakref.ref(optimizer)
    function = step.__func__  # type: ignore[attr-defined]

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        optimizer = own()
        optimizer._opt_called = True  # type: ignore[union-attr]
        return function.__get__(optimizer, type(optimizer))(*args, **kwargs)

    noted._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = noted  # type: ignore[method-assign]


def _warn_of_order(optimizer: Optimizer) -> None:
    if not hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        warnings.warn(_STEP_REPLACED, UserWarning, stacklevel=3)
    elif not getattr(optimizer, "_opt_called", False):
        warnings.warn(_STEPPED_TOO_EARLY, UserWarning, stacklevel=3)


@contextmanager
def _flag(scheduler: LRScheduler, name: str) -> Iterator[None]:
    """An attribute that is True within the block."""
    setattr(scheduler, name, True)
    try:
        yield
    finally:
        setattr(scheduler, name, False)
