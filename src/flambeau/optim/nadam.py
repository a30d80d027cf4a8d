"""NAdam: Adam with Nesterov's momentum."""

from typing import Any

from flambeau._core.dtype import float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import ones, zeros, zeros_like
from flambeau._ops.optim_rules import nadam_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    check_betas,
    check_range,
    check_single_element,
    is_nonzero,
    step_as_tensor,
)

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam that steps from where its momentum will lead.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the size of a step.
        betas: how much of the two running means is kept at each step.
        eps: added to the denominator.
        momentum_decay: how fast the momentum comes to its full size.
        weight_decay: adds this times the parameter to its gradient; see
        `decoupled_weight_decay`.
        decoupled_weight_decay: shrink the parameter itself instead.
        foreach, capturable, differentiable: accepted and kept in the groups; XLA leaves no kernel to
        choose. maximize: step with the gradient.

    Raises: ValueError, for values out of range.
    Source: Dozat 2016.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = NAdam([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.4718, 0.4718], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_single_element(lr)
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_betas(betas)
        check_range("weight_decay value", weight_decay)
        check_range("momentum_decay value", momentum_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Groups that older versions saved lack the newer options, and count their steps in numbers.
        for group in self.param_groups:
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            for param in group["params"]:
                step_as_tensor(self.state.get(param), param, "step", "mu_product")

    def start(self, param: Tensor, group: Group) -> State:
        return {
            "step": zeros((), dtype=float32, device=param.device),
            "mu_product": ones((), dtype=float32, device=param.device),
            "exp_avg": zeros_like(param),
            "exp_avg_sq": zeros_like(param),
        }

    def rule(self, group: Group) -> Rule:
        return Rule(
            nadam_step,
            ("exp_avg", "exp_avg_sq", "mu_product", "step"),
            (
                group["lr"],
                *group["betas"],
                group["eps"],
                group["weight_decay"],
                group["momentum_decay"],
                is_nonzero(group["weight_decay"]),
                group["decoupled_weight_decay"],
                group["maximize"],
            ),
        )
