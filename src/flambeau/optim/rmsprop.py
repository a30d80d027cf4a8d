"""RMSprop."""

from typing import Any

from flambeau._core.dtype import float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import zeros, zeros_like
from flambeau._ops.optim_rules import rmsprop_step
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

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Divides each gradient by the root of a running mean of its square.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the size of a step.
        alpha: how much of the running mean is kept at each step.
        eps: added to the denominator.
        momentum: how much of the last step is kept in this one.
        centered: divide by the standard deviation, without the mean.
        weight_decay: adds this times the parameter to its gradient.
        foreach, capturable, differentiable: accepted and kept in the groups; XLA leaves no kernel to
        choose. maximize: step with the gradient.

    Raises: ValueError, for values out of range.
    Source: Tieleman and Hinton 2012, lecture 6.5; `centered`: Graves 2013, arXiv:1308.0850.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = RMSprop([weight], lr=0.05)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_single_element(lr)
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        check_range("alpha value", alpha)
        defaults = dict(
            lr=lr,
            momentum=momentum,
            alpha=alpha,
            eps=eps,
            centered=centered,
            weight_decay=weight_decay,
            capturable=capturable,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Groups that older versions saved lack the newer options, and count their steps in numbers.
        for group in self.param_groups:
            group.setdefault("momentum", 0)
            group.setdefault("centered", False)
            group.setdefault("foreach", None)
            group.setdefault("maximize", False)
            group.setdefault("differentiable", False)
            group.setdefault("capturable", False)
            for param in group["params"]:
                step_as_tensor(self.state.get(param), param)

    def start(self, param: Tensor, group: Group) -> State:
        state = {
            "step": zeros((), dtype=float32, device=param.device),
            "square_avg": zeros_like(param),
        }
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = zeros_like(param)
        return state

    def rule(self, group: Group) -> Rule:
        return Rule(
            rmsprop_step,
            (
                "square_avg",
                "momentum_buffer" if group["momentum"] > 0 else None,
                "grad_avg" if group["centered"] else None,
                "step",
            ),
            (
                group["lr"],
                group["alpha"],
                group["eps"],
                group["weight_decay"],
                group["momentum"],
                is_nonzero(group["weight_decay"]),
                group["maximize"],
            ),
        )
