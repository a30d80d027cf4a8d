"""Adam."""

from typing import Any

from flambeau._core.dtype import float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import zeros, zeros_like
from flambeau._ops.optim import adam_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    check_fused,
    check_single_element,
    is_nonzero,
    step_as_tensor,
)

__all__ = ["Adam"]


class Adam(Optimizer):
    """Sizes each step by running means of the gradient and of its square.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the size of a step.
        betas: how much of the two running means is kept at each step.
        eps: added to the denominator.
        weight_decay: adds this times the parameter to its gradient; see `decoupled_weight_decay`.
        amsgrad: divide by the largest mean square so far.
        foreach, capturable, differentiable, fused: accepted and kept in the groups; XLA leaves no kernel to
        choose. maximize: step with the gradient.
        decoupled_weight_decay: shrink the parameter itself instead, which makes this AdamW.

    Raises: ValueError, for values out of range.
    Source: Kingma and Ba 2015, arXiv:1412.6980; `amsgrad`: Reddi, Kale and Kumar 2018.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = Adam([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor):
            if foreach and not capturable:
                raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
            check_single_element(lr)
        # So written for nan's sake.
        if not lr >= 0.0:  # type: ignore[operator]
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        _check_betas(betas, bool(foreach and not capturable))
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        )
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Groups that older versions saved lack the newer options, and count their steps in numbers.
        for group in self.param_groups:
            for name in ("amsgrad", "maximize", "capturable", "differentiable", "decoupled_weight_decay"):
                group.setdefault(name, False)
            for name in ("foreach", "fused"):
                group.setdefault(name, None)
            for param in group["params"]:
                step_as_tensor(self.state.get(param), param)

    def start(self, param: Tensor, group: Group) -> State:
        state = {
            "step": zeros((), dtype=float32, device=param.device),
            "exp_avg": zeros_like(param),
            "exp_avg_sq": zeros_like(param),
        }
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(param)
        return state

    def rule(self, group: Group) -> Rule:
        return Rule(
            adam_step,
            ("exp_avg", "exp_avg_sq", "max_exp_avg_sq" if group["amsgrad"] else None, "step"),
            (
                group["lr"],
                *group["betas"],
                group["eps"],
                group["weight_decay"],
                is_nonzero(group["weight_decay"]),
                group["decoupled_weight_decay"],
                group["maximize"],
            ),
        )


def _check_betas(betas: tuple[float | Tensor, float | Tensor], foreach_without_capture: bool) -> None:
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:  # type: ignore[operator]
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for index in (0, 1):
        beta = betas[index]
        if isinstance(beta, Tensor):
            if foreach_without_capture:
                raise ValueError(
                    f"betas[{index}] as a Tensor is not supported for capturable=False and foreach=True"
                )
            if beta.numel() != 1:
                raise ValueError(f"Tensor betas[{index}] must be 1-element")
