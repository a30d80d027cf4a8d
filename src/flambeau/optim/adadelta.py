"""Adadelta."""

from typing import Any

from flambeau._core.dtype import float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import zeros, zeros_like
from flambeau._ops.optim_rules import adadelta_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    check_range,
    check_single_element,
    is_nonzero,
    step_as_tensor,
)

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Sizes each step by the root of recent updates over the root of recent gradients.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: a factor of the steps.
        rho: how much of the running means is kept at each step.
        eps: added under both roots.
        weight_decay: adds this times the parameter to its gradient.
        foreach, capturable, differentiable: accepted and kept in the groups; XLA leaves no kernel to
        choose. maximize: step with the gradient.

    Raises: ValueError, for values out of range.
    Source: Zeiler 2012, arXiv:1212.5701.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = Adadelta([weight], eps=0.1)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.2929, 0.2929], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_single_element(lr)
        check_range("learning rate", lr)
        check_range("rho value", rho, 1.0)
        check_range("epsilon value", eps)
        check_range("weight_decay value", weight_decay)
        defaults = dict(
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            capturable=capturable,
            foreach=foreach,
            differentiable=differentiable,
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
                step_as_tensor(self.state.get(param), param)

    def start(self, param: Tensor, group: Group) -> State:
        return {
            "step": zeros((), dtype=float32, device=param.device),
            "square_avg": zeros_like(param),
            "acc_delta": zeros_like(param),
        }

    def rule(self, group: Group) -> Rule:
        return Rule(
            adadelta_step,
            ("square_avg", "acc_delta", "step"),
            (
                group["lr"],
                group["rho"],
                group["eps"],
                group["weight_decay"],
                is_nonzero(group["weight_decay"]),
                group["maximize"],
            ),
        )
