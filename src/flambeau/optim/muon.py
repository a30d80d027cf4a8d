"""Muon."""

from flambeau._core.tensor import Tensor
from flambeau._ops.factory import zeros_like
from flambeau._ops.optim_whole_rules import muon_step
from flambeau.optim.optimizer import Group, Optimizer, ParamsT, Rule, State, check_single_element

__all__ = ["Muon"]


class Muon(Optimizer):
    """Momentum whose matrices are made orthogonal before each step; for the weights of hidden layers.

    Args:
        params: matrices, (name, matrix) pairs, or dicts of such with options of their own.
        lr: the size of a step.
        weight_decay: shrinks the parameters by `lr` times this at each step.
        momentum: how much of the running mean is kept at each step.
        nesterov: look one step ahead along the momentum.
        ns_coefficients: of the polynomial `a x + b x^3 + c x^5` that moves singular values towards 1.
        eps: the smallest norm to divide by.
        ns_steps: how often the polynomial is applied.
        adjust_lr_fn: how `lr` grows with a matrix: by the root of rows over columns, if that is over 1 ("original", also
            for None), or so that updates are about as large as AdamW's ("match_rms_adamw").

    Raises: ValueError, for values out of range and for parameters that are no matrices; RuntimeError, for complex ones.
    Source: Jordan 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982.

    >>> import flambeau
    >>> weight = flambeau.eye(2).requires_grad_()
    >>> optimizer = Muon([weight], lr=0.5, weight_decay=0)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> bool((weight.diag() < 1).all())
    True
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_single_element(lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = dict(
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{param.size()}"
                    )

    def start(self, param: Tensor, group: Group) -> State:
        return {"momentum_buffer": zeros_like(param)}

    def _step_group(self, group: Group, params: list[Tensor]) -> None:
        if any(param.is_complex() for param in params):
            raise RuntimeError("Muon does not support complex parameters")
        if any(param.ndim != 2 for param in params):
            raise ValueError("Param gradient must be a 2D matrix")
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        super()._step_group(group, params)

    def rule(self, group: Group) -> Rule:
        return Rule(
            muon_step,
            ("momentum_buffer",),
            (
                group["lr"],
                group["weight_decay"],
                group["momentum"],
                group["eps"],
                group["nesterov"],
                group["ns_coefficients"],
                group["ns_steps"],
                group["adjust_lr_fn"],
            ),
            elementwise=False,
        )
