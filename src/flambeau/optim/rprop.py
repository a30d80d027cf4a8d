"""Resilient backpropagation."""

from typing import Any

from flambeau._core.dtype import float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import full_like, zeros, zeros_like
from flambeau._ops.optim_rules import rprop_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    as_number,
    check_range,
    check_single_element,
    step_as_tensor,
)

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Steps by sizes of their own, which grow while the gradient keeps its sign and shrink when it turns.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the first sizes.
        etas: the factors to shrink and to grow by.
        step_sizes: the smallest and the largest size.
        foreach, capturable, differentiable: accepted and kept in the groups; XLA leaves no kernel to
        choose. maximize: step with the gradient.

    Raises: ValueError, for values out of range.
    Source: Riedmiller and Braun 1993.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = Rprop([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_single_element(lr)
        check_range("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = dict(
            lr=lr,
            etas=etas,
            step_sizes=step_sizes,
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
                step_as_tensor(self.state.get(param), param)

    def start(self, param: Tensor, group: Group) -> State:
        size = as_number(group["lr"])
        if param.is_complex():
            size = complex(size, size)
        return {
            "step": zeros((), dtype=float32, device=param.device),
            "prev": zeros_like(param),
            "step_size": full_like(param, size),
        }

    def rule(self, group: Group) -> Rule:
        return Rule(
            rprop_step,
            ("prev", "step_size", "step"),
            (
                *group["etas"],
                *group["step_sizes"],
                group["maximize"],
            ),
        )
