"""Adafactor."""

from collections import ChainMap
from typing import Any

from flambeau._core.dtype import finfo, float32
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import zeros, zeros_like
from flambeau._ops.optim_whole_rules import adafactor_step
from flambeau.optim.optimizer import (
    Group,
    Optimizer,
    ParamsT,
    Rule,
    State,
    check_single_element,
    is_nonzero,
    step_as_tensor,
)

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adam without the first running mean, whose second keeps only a row and a column for each matrix.

    Args:
        params: tensors, (name, tensor) pairs, or dicts of such with options of their own.
        lr: the largest relative step; also the scale of `weight_decay`.
        beta2_decay: the power of the count of steps by which older gradients lose weight.
        eps: the smallest divisor (None: the precision of the parameters) and the smallest scale of a parameter.
        d: an update whose root mean square exceeds this is scaled down to it.
        weight_decay: shrinks the parameters by `lr` times this at each step.
        foreach: accepted and kept in the groups; XLA leaves no kernel to choose. maximize: step with the gradient.

    Raises: ValueError, for values out of range; RuntimeError, for complex parameters.
    Source: Shazeer and Stern 2018, arXiv:1804.04235.

    >>> import flambeau
    >>> weight = flambeau.ones(2, requires_grad=True)
    >>> optimizer = Adafactor([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.5000, 0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_single_element(lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = dict(
            lr=lr,
            beta2_decay=beta2_decay,
            eps=eps,
            d=d,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
        )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
            for param in group["params"]:
                step_as_tensor(self.state.get(param), param)

    def start(self, param: Tensor, group: Group) -> State:
        state: State = {"step": zeros((), dtype=float32, device=param.device)}
        if param.dim() > 1:
            *lead, rows, columns = param.shape
            alike: Any = dict(dtype=param.dtype, device=param.device)
            return state | {
                "row_var": zeros((*lead, rows, 1), **alike),
                "col_var": zeros((*lead, 1, columns), **alike),
            }
        return state | {"variance": zeros_like(param)}

    def _step_group(self, group: Group, params: list[Tensor]) -> None:
        if any(param.is_complex() for param in params):
            raise RuntimeError("Adafactor does not support complex parameters")
        smallest = finfo(params[0].dtype).eps if params else None
        # Matrices keep other entries than vectors. No copy of the group: a recorded step asks it again later.
        for factored in (True, False):
            chosen = [param for param in params if (param.dim() > 1) is factored]
            more: Any = ChainMap({"factored": factored, "smallest": smallest}, group)
            super()._step_group(more, chosen)

    def rule(self, group: Group) -> Rule:
        floor, eps = group["eps"]
        return Rule(
            adafactor_step,
            ("row_var", "col_var", None, "step") if group["factored"] else (None, None, "variance", "step"),
            (
                group["lr"],
                group["beta2_decay"],
                group["smallest"] if floor is None else floor,
                eps,
                group["d"],
                group["weight_decay"],
                is_nonzero(group["weight_decay"]),
                group["maximize"],
            ),
            elementwise=False,
        )
