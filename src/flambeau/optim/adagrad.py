"""Adagrad."""

from typing import Any

from flambeau._core.dtype import float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import full_like, zeros
from flambeau._ops.optim_rules import adagrad_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    check_fused,
    check_range,
    check_single_element,
    is_nonzero,
    step_as_tensor,
)

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Divides each gradient by the root of the sum of its squares so far.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the size of a step.
        lr_decay: how fast the steps get shorter.
        initial_accumulator_value: where the sums start.
        eps: added to the denominator.
        weight_decay: adds this times the parameter to its gradient.
        foreach, capturable, differentiable, fused: accepted and kept in the groups; XLA leaves no kernel to
        choose. maximize: step with the gradient.

    Raises: ValueError, for values out of range.
    Source: Duchi, Hazan and Singer 2011.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = Adagrad([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_single_element(lr)
        check_range("learning rate", lr)
        check_range("lr_decay value", lr_decay)
        check_range("weight_decay value", weight_decay)
        check_range("initial_accumulator_value value", initial_accumulator_value)
        check_range("epsilon value", eps)
        defaults = dict(
            lr=lr,
            lr_decay=lr_decay,
            eps=eps,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)
        # The sums are there from the start, for programs that look at them or share them.
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param] = self.start(param, group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Groups that older versions saved lack the newer options, and count their steps in numbers.
        for group in self.param_groups:
            group.setdefault("foreach", None)
            group.setdefault("maximize", False)
            group.setdefault("differentiable", False)
            group.setdefault("fused", None)
            for param in group["params"]:
                step_as_tensor(self.state.get(param), param)

    def start(self, param: Tensor, group: Group) -> State:
        initial = group["initial_accumulator_value"]
        if param.is_complex():
            initial = complex(initial, initial)
        return {
            "step": zeros((), dtype=float32, device=param.device),
            "sum": full_like(param, initial),
        }

    def share_memory(self) -> None:
        """Moves the sums to memory shared between processes."""
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["sum"].share_memory_()

    def rule(self, group: Group) -> Rule:
        return Rule(
            adagrad_step,
            ("sum", "step"),
            (
                group["lr"],
                group["lr_decay"],
                group["eps"],
                group["weight_decay"],
                is_nonzero(group["weight_decay"]),
                group["maximize"],
            ),
        )
