"""Losses that compare element by element: regression, binary cross entropy, divergence, likelihoods.

The frequent ones are one operation each, reduction included, with the gradient beside it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core.declare import PROMOTE, Array, Op, broadcast_shapes, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value
from flambeau._core.warn import warn
from flambeau._ops.bounds import require, when_known
from flambeau._ops.reduction import (
    checked_reduction,
    chosen_reduction,
    loss_shape,
    reduced,
    reduced_tensor,
    share,
)
from flambeau._ops.supported import kind, result_type, supports


def _warn_of_sizes(input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        )


def _pair_shape(input: Meta, target: Meta, *rest: Any) -> tuple[int, ...]:
    return loss_shape(broadcast_shapes(input.shape, target.shape), rest[-1])


# -- functions of the difference -------------------------------------------------------------------


def _difference_loss(
    name: str, node: str, kernel: str, loss: Callable[..., Any], slope: Callable[..., Any]
) -> Op:
    """A loss of `input - target` alone, which may have a parameter: `loss(xp, difference, parameter)`."""

    def dtypes(operation: str, input: Meta, target: Meta, *_: Any) -> None:
        supports("hfc" if name == "l1_loss" else "hf", kernel)(operation, input, target)

    def body(xp: Any, input: Array, target: Array, parameter: float, reduction: str) -> Array:
        return reduced(xp, loss(xp, input - target, parameter), reduction)

    body.__name__ = name
    rule: Callable[..., Any] | None = None
    if name == "l1_loss":
        rule = _real_result
    declared = op(promote=PROMOTE, shape=_pair_shape, dtypes=dtypes, node=node, result=rule)(body)

    def gradient(xp: Any, g: Array, input: Array, target: Array, parameter: float, reduction: str) -> Array:
        difference = input - target
        return share(g, difference.shape, reduction) * slope(xp, difference, parameter)

    def opposite(xp: Any, g: Array, input: Array, target: Array, parameter: float, reduction: str) -> Array:
        return -gradient(xp, g, input, target, parameter, reduction)

    declared.gradient("input")(gradient)
    declared.gradient("target")(opposite)
    return declared


def _real_result(input: Meta, target: Meta, *_: Any) -> Any:
    return result_type(input, target).to_real()


def _sign(xp: Any, d: Any) -> Any:
    if d.dtype.kind != "c":
        return xp.sign(d)
    size = xp.abs(d)
    return xp.where(size == 0, 0, d / xp.where(size == 0, 1, size))


def _smooth_l1(xp: Any, d: Any, beta: float) -> Any:
    size = xp.abs(d)
    return xp.where(size < beta, 0.5 * d * d / beta, size - 0.5 * beta)


def _huber(xp: Any, d: Any, delta: float) -> Any:
    size = xp.abs(d)
    return xp.where(size <= delta, 0.5 * d * d, delta * (size - 0.5 * delta))


mse = _difference_loss(
    "mse_loss", "MseLossBackward0", "mse_cpu", lambda xp, d, _: d * d, lambda xp, d, _: 2 * d
)
l1 = _difference_loss(
    "l1_loss", "MeanBackward0", "abs_cpu", lambda xp, d, _: xp.abs(d), lambda xp, d, _: _sign(xp, d)
)
smooth_l1 = _difference_loss(
    "smooth_l1_loss",
    "SmoothL1LossBackward0",
    "smooth_l1_cpu",
    _smooth_l1,
    lambda xp, d, beta: xp.where(xp.abs(d) < beta, d / beta, xp.sign(d)),
)
huber = _difference_loss(
    "huber_loss", "HuberLossBackward0", "huber_cpu", _huber, lambda xp, d, delta: xp.clip(d, -delta, delta)
)


def _weighted(losses: Any, weight: Any, input: Tensor, reduction: str) -> Tensor:
    """Losses times weights; their mean is over the weights."""
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    losses = losses * weight
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / weight.sum()


def _compared(
    declared: Op,
    input: Tensor,
    target: Tensor,
    parameter: float,
    reduction: str,
    weight: Tensor | None = None,
) -> Tensor:
    if weight is None:
        return apply(declared, (input, target, parameter, reduction))
    return _weighted(apply(declared, (input, target, parameter, "none")), weight, input, reduction)


@function("nn.functional.mse_loss")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean of squared differences.

    >>> import flambeau
    >>> flambeau.nn.functional.mse_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
    tensor(2.)
    """
    _warn_of_sizes(input, target)
    return _compared(mse, input, target, 0.0, chosen_reduction(size_average, reduce, reduction), weight)


@function("nn.functional.l1_loss")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean of absolute differences."""
    _warn_of_sizes(input, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not (input.is_floating_point() or input.is_complex() or target.is_floating_point()):
        return reduced_tensor((input - target).abs(), reduction)  # type: ignore[operator]
    return _compared(l1, input, target, 0.0, reduction, weight)


@function("nn.functional.smooth_l1_loss")
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Squared differences below `beta`, absolute ones above, joined smoothly."""
    _warn_of_sizes(input, target)
    reduction = chosen_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return _compared(l1, input, target, 0.0, reduction)
    return _compared(smooth_l1, input, target, float(beta), reduction)


@function("nn.functional.huber_loss")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half squared differences up to `delta`, linear beyond."""
    _warn_of_sizes(input, target)
    if not delta > 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    reduction = checked_reduction(reduction)
    if weight is None:
        return _compared(huber, input, target, float(delta), reduction)
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    # Unlike the other two, its mean is over the elements.
    return reduced_tensor(_compared(huber, input, target, float(delta), "none") * weight, reduction)  # type: ignore[operator]


# -- binary cross entropy --------------------------------------------------------------------------


def _check_probabilities(input: Value, target: Value, *_: Any) -> None:
    """Values on an accelerator are not waited for: there the logarithms of such inputs give nan."""
    if input.meta.device.type != "cpu" or not input.meta.numel:
        return
    for name, value in (("input", input), ("target", target)):
        when_known(value, functools.partial(_check_known_probabilities, name))


def _check_known_probabilities(name: str, value: Value) -> None:
    array = value.numpy()
    array = array if array.dtype.kind == "f" else array.astype(np.float32)
    if not (array.min() >= 0 and array.max() <= 1):
        error = RuntimeError(f"all elements of {name} should be between 0 and 1")
        error.add_note(
            f"They go from {array.min():g} to {array.max():g}. For raw scores use binary_cross_entropy_with_logits "
            "(nn.BCEWithLogitsLoss), or apply torch.sigmoid first."
        )
        raise error


def _check_binary(name: str, input: Meta, target: Meta, weight: Meta | None, reduction: str) -> None:
    if input.dtype is not target.dtype:
        raise RuntimeError(f"Found dtype {target.dtype.scalar_type} but expected {input.dtype.scalar_type}")
    supports("hf", "binary_cross_entropy")(name, input)


def _clamped_log(xp: Any, x: Any) -> Any:
    """The logarithm, not below -100: a wrong certainty costs much, not infinitely much."""
    return xp.maximum(xp.log(x), xp.asarray(-100, x.dtype))


@op(
    promote=PROMOTE,
    shape=lambda input, *rest: loss_shape(input.shape, rest[-1]),
    dtypes=_check_binary,
    check=_check_probabilities,
    node="BinaryCrossEntropyBackward0",
)
def bce(xp: Any, input: Array, target: Array, weight: Array | None, reduction: str) -> Array:
    loss = (target - 1) * xp.maximum(xp.log1p(-input), xp.asarray(-100, input.dtype)) - target * _clamped_log(
        xp, input
    )
    return reduced(xp, loss if weight is None else loss * weight, reduction)


def _weigh(g: Any, weight: Any) -> Any:
    return g if weight is None else g * weight


@bce.gradient("input")
def _(xp: Any, g: Array, input: Array, target: Array, weight: Any, reduction: str) -> Array:
    spread = xp.maximum((1 - input) * input, xp.asarray(1e-12, input.dtype))
    return _weigh(share(g, input.shape, reduction), weight) * (input - target) / spread


@bce.gradient("target")
def _(xp: Any, g: Array, input: Array, weight: Any, reduction: str) -> Array:
    slope = xp.maximum(xp.log1p(-input), xp.asarray(-100, input.dtype)) - _clamped_log(xp, input)
    return _weigh(share(g, input.shape, reduction), weight) * slope


@function("nn.functional.binary_cross_entropy")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-likelihood of targets in [0, 1] under probabilities `input`.

    Raises: RuntimeError, if an input or target is outside of [0, 1].
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) "
            "is deprecated. "
            "Please ensure they have the same size."
        )
    if weight is not None:
        weight = _expanded(weight, input)
    return apply(bce, (input, target, weight, reduction))


def _expanded(weight: Tensor, input: Tensor) -> Tensor:
    shape = tuple(weight.shape)
    if len(shape) > input.dim() or any(
        n not in (1, m) for n, m in zip(shape[::-1], input.shape[::-1], strict=False)
    ):
        bad = next(
            (
                i
                for i, (n, m) in enumerate(zip(shape[::-1], input.shape[::-1], strict=False))
                if n not in (1, m)
            ),
            0,
        )
        raise RuntimeError(
            f"Attempting to broadcast a dimension of length {shape[-1 - bad]} at {-1 - bad}! Mismatching "
            "argument at "
            f"index 1 had {weight.size()}; but expected shape should be broadcastable to {list(input.shape)}"
        )
    return weight


def _log_sigmoid(xp: Any, x: Any) -> Any:
    return xp.minimum(x, xp.zeros((), x.dtype)) - xp.log1p(xp.exp(-xp.abs(x)))


def _sigmoid(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def _logits_shape(input: Meta, target: Meta, weight: Any, pos_weight: Any, reduction: str) -> tuple[int, ...]:
    extra = [meta.shape for meta in (weight, pos_weight) if meta is not None]
    return loss_shape(broadcast_shapes(input.shape, *extra), reduction)


def _check_logits(name: str, input: Meta, target: Meta, *_: Any) -> None:
    supports("hf", "log_sigmoid_cpu")(name, input)
    if kind(target.dtype) in "bi":
        error = RuntimeError(
            f"result type {input.dtype.scalar_type} can't be cast to the desired output type "
            f"{target.dtype.scalar_type}"
        )
        error.add_note(f"The target is of dtype {target.dtype}: convert it with `target.to({input.dtype})`.")
        raise error


@op(promote=PROMOTE, shape=_logits_shape, dtypes=_check_logits, node="BinaryCrossEntropyWithLogitsBackward0")
def bce_with_logits(
    xp: Any, input: Array, target: Array, weight: Array | None, pos_weight: Array | None, reduction: str
) -> Array:
    log_probability = _log_sigmoid(xp, input)
    if pos_weight is not None:
        log_probability = log_probability * ((pos_weight - 1) * target + 1)
    return reduced(xp, _weigh((1 - target) * input - log_probability, weight), reduction)


def _logits_share(g: Any, input: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    extra = [array.shape for array in (weight, pos_weight) if array is not None]
    return _weigh(share(g, broadcast_shapes(input.shape, *extra), reduction), weight)


@bce_with_logits.gradient("input")
def _(xp: Any, g: Array, input: Array, target: Array, weight: Any, pos_weight: Any, reduction: str) -> Array:
    own = _logits_share(g, input, weight, pos_weight, reduction)
    if pos_weight is None:
        return own * (_sigmoid(xp, input) - target)
    scaled = pos_weight * target
    return own * ((scaled + 1 - target) * _sigmoid(xp, input) - scaled)


@bce_with_logits.gradient("target")
def _(xp: Any, g: Array, input: Array, weight: Any, pos_weight: Any, reduction: str) -> Array:
    own = _logits_share(g, input, weight, pos_weight, reduction)
    if pos_weight is None:
        return -own * input
    return own * (_log_sigmoid(xp, -input) - pos_weight * _log_sigmoid(xp, input))


@function("nn.functional.binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of `sigmoid(input)`, exact for large scores; `pos_weight` scales positive
    targets.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    return apply(bce_with_logits, (input, target, weight, pos_weight, reduction))


# -- divergence ------------------------------------------------------------------------------------


def _divergence_shape(input: Meta, target: Meta, log_target: bool, reduction: str) -> tuple[int, ...]:
    return _pair_shape(target, input, reduction)  # PyTorch names the target's size first


@op(promote=PROMOTE, shape=_divergence_shape, node="KlDivBackward0")
def kl_divergence(xp: Any, input: Array, target: Array, log_target: bool, reduction: str) -> Array:
    if log_target:
        return reduced(xp, xp.exp(target) * (target - input), reduction)
    safe = xp.where(target == 0, xp.ones((), target.dtype), target)
    return reduced(xp, target * xp.log(safe) - target * input, reduction)


@kl_divergence.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, target: Array, log_target: bool, reduction: str) -> Array:
    own = share(g, broadcast_shapes(input_meta.shape, target.shape), reduction)
    return -own * (xp.exp(target) if log_target else target)


@kl_divergence.gradient("target")
def _(xp: Any, g: Array, input: Array, target: Array, log_target: bool, reduction: str) -> Array:
    own = share(g, broadcast_shapes(input.shape, target.shape), reduction)
    if log_target:
        return own * xp.exp(target) * (target - input + 1)
    # `target / target` is 1, but nan at 0 as in PyTorch, where the slope is infinite.
    safe = xp.where(target == 0, xp.ones((), target.dtype), target)
    return own * (xp.log(safe) + target / target - input)


@function("nn.functional.kl_div")
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """The Kullback-Leibler divergence of `target` from log-probabilities `input`.

    Args:
        reduction: "batchmean" is the divergence's own definition, the sum divided by the batch.
    """
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(size_average, reduce, reduction)
    elif reduction == "mean":
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
        )
    if reduction == "batchmean":
        total: Any = apply(kl_divergence, (input, target, log_target, "sum"))
        return total / input.size()[0] if input.dim() else total
    return apply(kl_divergence, (input, target, log_target, checked_reduction(reduction)))


# -- likelihoods -----------------------------------------------------------------------------------


@function("nn.functional.poisson_nll_loss")
def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-likelihood of counts under Poisson distributions of rate `exp(input)` (or `input`).

    Args:
        full: add Stirling's approximation of the constant term.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + registry["where"](target > 1, stirling, 0.0)
    return reduced_tensor(loss, reduction)


@function("nn.functional.gaussian_nll_loss")
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """Minus the log-likelihood of targets under normal distributions of mean `input` and variance `var`.

    Raises: ValueError, if a variance is negative or of a size that does not fit.
    """
    negative = "var has negative entry/entries"
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError(negative)
        var = input.new_full(input.size(), var)
    else:
        require(registry["lt"](var, 0).logical_not(), lambda: negative)
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or [v for x, v in zip(input.shape, var.shape, strict=True) if x != v] != [
            1
        ]:
            # One dimension may be 1 in its place; so may any number be 0, which PyTorch's check lets through.
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    # Clamped outside of the graph: below eps the variance still gets its gradient.
    with no_grad():
        missing = var.clamp(min=eps) - var
    var = var + missing
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced_tensor(loss, reduction)
