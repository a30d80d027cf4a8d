"""Averaged stochastic gradient descent."""

from typing import Any

from flambeau._core.dtype import float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import full, ones, zeros, zeros_like
from flambeau._ops.optim_rules import asgd_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    as_number,
    check_range,
    check_single_element,
    is_nonzero,
    step_as_tensor,
)

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Descends with shrinking steps, and keeps an average of the parameters beside, as "ax".

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the size of the first step.
        lambd: how fast the steps shrink, and the parameters decay.
        alpha: the power with which the steps shrink.
        t0: the step at which the averaging starts.
        weight_decay: adds this times the parameter to its gradient.
        foreach, capturable, differentiable: accepted and kept in the groups; XLA leaves no kernel to
        choose. maximize: step with the gradient.

    Raises: ValueError, for values out of range.
    Source: Polyak and Juditsky 1992.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = ASGD([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.4999, 0.4999], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_single_element(lr)
        check_range("learning rate", lr)
        check_range("weight_decay value", weight_decay)
        defaults = dict(
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Groups that older versions saved lack the newer options, and count their steps in numbers.
        for group in self.param_groups:
            group.setdefault("foreach", None)
            group.setdefault("maximize", False)
            group.setdefault("differentiable", False)
            group.setdefault("capturable", False)
            for param in group["params"]:
                step_as_tensor(self.state.get(param), param, "step", "eta", "mu")

    def start(self, param: Tensor, group: Group) -> State:
        return {
            "step": zeros((), dtype=float32, device=param.device),
            "eta": full((), as_number(group["lr"]), dtype=float32, device=param.device),
            "mu": ones((), dtype=float32, device=param.device),
            "ax": zeros_like(param),
        }

    def rule(self, group: Group) -> Rule:
        return Rule(
            asgd_step,
            ("ax", "eta", "mu", "step"),
            (
                group["lr"],
                group["lambd"],
                group["alpha"],
                group["t0"],
                group["weight_decay"],
                is_nonzero(group["weight_decay"]),
                group["maximize"],
            ),
        )
