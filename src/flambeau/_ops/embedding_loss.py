"""Losses of rankings and embeddings: margins between scores, angles and distances."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from flambeau._core.declare import PROMOTE, Array, broadcast_shapes, register
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops import distance
from flambeau._ops.loss import binary_cross_entropy_with_logits, kl_div, poisson_nll_loss
from flambeau._ops.reduction import (
    NUMBERS,
    checked_reduction,
    chosen_reduction,
    loss_shape,
    reduced,
    reduced_tensor,
    share,
)
from flambeau._ops.supported import supports


@function("nn.functional.hinge_embedding_loss")
def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """A distance where the target is 1; by how much it falls short of `margin` where it is -1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    near = input.where(target != -1, 0.0)
    far = (margin - input).clamp_min(0).where(target != 1, 0.0)
    return reduced_tensor(near + far, reduction)


@function("nn.functional.margin_ranking_loss")
def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """By how much the ranking of two scores that `target` asks for (1: the first higher, -1: lower) misses
    `margin`.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduced_tensor((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def _margin_shape(input: Meta, target: Meta, reduction: str) -> tuple[int, ...]:
    return loss_shape(broadcast_shapes(input.shape, target.shape), reduction)


@op(
    promote=PROMOTE, shape=_margin_shape, dtypes=supports("hf", "exp_vml_cpu"), node="SoftMarginLossBackward0"
)
def soft_margin(xp: Any, input: Array, target: Array, reduction: str) -> Array:
    return reduced(xp, xp.log1p(xp.exp(-target * input)), reduction)


@soft_margin.gradient("input")
def _(xp: Any, g: Array, input: Array, target: Array, reduction: str) -> Array:
    own = share(g, broadcast_shapes(input.shape, target.shape), reduction)
    return -target * own / (1 + xp.exp(target * input))


@function("nn.functional.soft_margin_loss", checked=True)
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`log(1 + exp(-target * input))`: the logistic loss for targets of 1 and -1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.requires_grad:
        raise RuntimeError(
            "The function 'soft_margin_loss' is not differentiable with respect to argument 'target'. This "
            "input cannot "
            "have requires_grad True."
        )
    return apply(soft_margin, (input, target, reduction))


@function("nn.functional.multilabel_soft_margin_loss", checked=True)
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of binary cross entropies with scores `input`."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    target = target.to(input.dtype)  # type: ignore[attr-defined]  # classes may come as integers here
    loss: Any = binary_cross_entropy_with_logits(input, target, weight, reduction="none")
    return reduced_tensor(loss.sum(-1) / input.size(-1), reduction)


@function("nn.functional.cosine_embedding_loss")
def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`1 - cosine` where the target is 1; by how much the cosine exceeds `margin` where it is -1.

    Shape: inputs `(N, D)` and target `(N)`, or `(D)` and `()`.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    dims = target.dim()
    if dims > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != dims + 1 or input2.dim() != dims + 1:
        raise RuntimeError(
            f"{dims}D target tensor expects {dims + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and "
            f"{list(input2.shape)}."
        )
    # PyTorch's epsilon here stands under each square root.
    product, first, second = (
        (a * b).sum(dims) for a, b in ((input1, input2), (input1, input1), (input2, input2))
    )
    cosine = product / ((first + 1e-12) * (second + 1e-12)).sqrt()
    alike = (1 - cosine).where(target == 1, 0.0)
    unlike = (cosine - margin).clamp_min(0).where(target == -1, 0.0)
    return reduced_tensor(alike + unlike, reduction)


def _check_triplet(anchor: Any, positive: Any, negative: Any) -> None:
    dims = [tensor.dim() for tensor in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            "dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    measure: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    near, far = measure(anchor, positive), measure(anchor, negative)
    if swap:
        far = far.minimum(measure(positive, negative))
    return reduced_tensor((margin + near - far).clamp_min(0), reduction)


@function("nn.functional.triplet_margin_loss", checked=True)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """By how much the distance to `negative` fails to exceed that to `positive` by `margin`.

    Args:
        swap: measure from the positive instead where that is nearer to the negative.

    Source: Balntas and others 2016, "Learning shallow convolutional feature descriptors with triplet losses".
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_triplet(anchor, positive, negative)
    return _triplet(
        anchor,
        positive,
        negative,
        lambda a, b: distance.pairwise_distance(a, b, p, eps),
        margin,
        swap,
        reduction,
    )


@function("nn.functional.triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Any = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own."""
    reduction = checked_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_triplet(anchor, positive, negative)
    return _triplet(
        anchor, positive, negative, distance_function or distance.pairwise_distance, margin, swap, reduction
    )


# -- the same below torch itself, where a reduction is a number ------------------------------------


def _numbered(function: Callable[..., Any], names: str) -> Callable[..., Any]:
    order = names.split()

    def numbered(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(order, args, strict=False)) | kwargs
        given["reduction"] = NUMBERS[given.get("reduction", 0)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # kl_div's about "mean", which its PyTorch twin does not give
            return function(**given)

    numbered.__name__, numbered.__doc__ = function.__name__, function.__doc__
    return numbered


for _function, _names in (
    (binary_cross_entropy_with_logits, "input target weight pos_weight reduction"),
    (cosine_embedding_loss, "input1 input2 target margin reduction"),
    (hinge_embedding_loss, "input target margin reduction"),
    (margin_ranking_loss, "input1 input2 target margin reduction"),
    (kl_div, "input target reduction"),
    (poisson_nll_loss, "input target log_input full eps reduction"),
    (triplet_margin_loss, "anchor positive negative margin p eps swap reduction"),
):
    register(_function.__name__, _numbered(_function, _names))
