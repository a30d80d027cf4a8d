"""Stochastic gradient descent."""

from typing import Any

from flambeau._core.tensor import Tensor
from flambeau._ops.optim import sgd_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    check_fused,
    check_single_element,
    is_nonzero,
)

__all__ = ["SGD"]


class SGD(Optimizer):
    """Steps against the gradient, with momentum if asked.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the size of a step, relative to the gradient.
        momentum: how much of the last step is kept in this one.
        dampening: how much less than fully a gradient enters the momentum.
        weight_decay: adds this times the parameter to its gradient.
        nesterov: step from where the momentum will lead; needs momentum and no dampening.
        maximize: step with the gradient.
        foreach, differentiable, fused: accepted and kept in the groups; XLA leaves no kernel to choose.

    Raises: ValueError, for negative values, or `nesterov` without momentum or with dampening.
    Source: Polyak 1964; Sutskever et al. 2013.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = SGD([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_single_element(lr)
        if lr < 0.0:  # type: ignore[operator]
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:  # type: ignore[operator]
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Groups that older versions saved lack the newer options.
        for group in self.param_groups:
            for name in ("nesterov", "maximize", "differentiable"):
                group.setdefault(name, False)
            for name in ("foreach", "fused"):
                group.setdefault(name, None)

    def start(self, param: Tensor, group: Group) -> State:
        return {}  # the first gradient starts the momentum

    def rule(self, group: Group) -> Rule:
        return Rule(
            sgd_step,
            ("momentum_buffer" if group["momentum"] != 0 else None,),
            (
                group["lr"],
                group["momentum"],
                group["dampening"],
                group["weight_decay"],
                group["momentum"] != 0,
                is_nonzero(group["weight_decay"]),
                group["nesterov"],
                group["maximize"],
            ),
        )
