"""Losses against classes: negative log-likelihood, cross entropy, multi-class and multi-label margins.

Classes lie along dimension 1 (0 where there is no batch). With y the log-probabilities and a gradient d with
respect to them, the gradient with respect to the scores is `d - softmax * sum(d)`; cross entropy therefore
saves y alone.
"""

from __future__ import annotations

from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.declare import PROMOTE, Array, Index
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value
from flambeau._ops.bounds import index_range, when_known
from flambeau._ops.reduction import chosen_reduction, loss_shape, reduced
from flambeau._ops.softmax import log_softmax_parts
from flambeau._ops.sums import total
from flambeau._ops.supported import kind


def _class_axis(ndim: int) -> int:
    return 0 if ndim == 1 else 1


# -- what a target may be --------------------------------------------------------------------------


def _check_target(target: Meta) -> None:
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        error = RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype.scalar_type}")
        error.add_note(
            "The target holds class indices, which are integers (torch.int64): convert it with "
            "`target.long()` or "
            "`target.to(torch.int64)`."
        )
        raise error


def _check_weight(weight: Meta | None, input: Meta) -> None:
    if weight is None:
        return
    classes = input.shape[_class_axis(input.ndim)]
    if weight.shape != (classes,):
        if input.ndim <= 2:
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got "
                "weight tensor of "
                f"shape: {list(weight.shape)}"
            )
        raise RuntimeError(
            f"weight tensor should be defined either for all or no classes (there are {classes} classes, "
            "and the weight "
            f"is of shape {list(weight.shape)})"
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {input.dtype.scalar_type} but found {weight.dtype.scalar_type}"
        )


def _check_sizes(input: Meta, target: Meta) -> None:
    if input.ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if input.ndim == 1:
        if target.ndim == 1 and target.shape[0] != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}"
            )
        if target.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        return
    if target.ndim == 0 or input.shape[0] != target.shape[0]:
        found = target.shape[0] if target.ndim else 0
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({found})."
        )
    if input.ndim == 2 and target.ndim != 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    wanted = (input.shape[0], *input.shape[2:])
    if target.shape == wanted:
        return
    if input.ndim == 4 and target.ndim != 3:
        raise RuntimeError(
            "only batches of spatial targets supported (3D tensors) but got targets of dimension: "
            f"{target.ndim}"
        )
    if input.ndim == 4:
        raise RuntimeError(
            f"size mismatch (got input: {list(input.shape)} , target: {list(target.shape)}): the target "
            "should be of "
            f"size {list(wanted)}"
        )
    raise RuntimeError(f"Expected target size {list(wanted)}, got {list(target.shape)}")


def _check_classes(target: Value, classes: int, ignore_index: int) -> None:
    """Class indices must lie within the classes, `ignore_index` aside."""
    when_known(target, lambda known: _check_known_classes(known, classes, ignore_index))


def _check_known_classes(target: Value, classes: int, ignore_index: int) -> None:
    found = index_range(target)
    if found is None or (found[0] >= 0 and found[1] < classes):
        return
    array = target.numpy()
    bad = array[((array < 0) | (array >= classes)) & (array != ignore_index)]
    if not bad.size:
        return
    error = IndexError(f"Target {int(bad.flat[0])} is out of bounds.")
    error.add_note(
        f"The input has {classes} classes, so targets must be in [0, {classes - 1}], or {ignore_index} "
        "(ignore_index) "
        f"for elements to leave out; {bad.size} of {array.size} are neither."
    )
    raise error


# -- arrays ----------------------------------------------------------------------------------------


def _picked(xp: Any, values: Any, target: Any, axis: int) -> Any:
    """The value of each element's class."""
    found = xp.take_along_axis(
        values, xp.expand_dims(target.reshape(_element_shape(values, axis)), axis), axis
    )
    return xp.squeeze(found, axis)


def _element_shape(values: Any, axis: int) -> tuple[int, ...]:
    return tuple(values.shape[:axis]) + tuple(values.shape[axis + 1 :])


def _kept(xp: Any, target: Any, ignore_index: int, classes: int) -> tuple[Any, Any]:
    """Whether each element counts, and its class (0 where it does not)."""
    target = target.astype("int64")
    keep = target != ignore_index
    return keep, xp.where(keep, target, 0) if classes else target


def _element_weights(xp: Any, keep: Any, target: Any, weight: Any, dtype: Any) -> Any:
    """The weight of each element's class; 0 for those that are ignored."""
    if weight is None:
        return keep.astype(dtype)
    return xp.where(keep, weight.astype(dtype)[target], xp.zeros((), dtype))


def _combined(xp: Any, losses: Any, weights: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    if reduction == "none":
        return losses.reshape(shape)
    found = total(xp, losses, computed=True)
    return found if reduction == "sum" else found / total(xp, weights, computed=True)


def _scales(xp: Any, g: Any, weights: Any, reduction: str) -> Any:
    """The gradient of each element's loss."""
    if reduction == "none":
        return g.reshape(weights.shape)
    share = g / total(xp, weights, computed=True) if reduction == "mean" else g
    return xp.broadcast_to(share, weights.shape)


def _at_class(xp: Any, values: Any, target: Any, axis: int, classes: int) -> Any:
    """Zeros of scores' shape, with each element's value at its class."""
    ndim = values.ndim + 1
    numbers = xp.arange(classes).reshape(-1, *(1,) * (ndim - axis - 1))
    return xp.where(
        numbers == xp.expand_dims(target, axis), xp.expand_dims(values, axis), xp.zeros((), values.dtype)
    )


# -- negative log-likelihood -----------------------------------------------------------------------


def _class_loss_shape(
    input: Meta, target: Meta, weight: Meta | None, ignore_index: int, reduction: str
) -> Any:
    _check_sizes(input, target)
    if kind(input.dtype) not in "hf":
        where = "nll_loss_out_frame" if input.ndim <= 2 else "nll_loss2d_forward_out_frame"
        raise NotImplementedError(f"\"{where}\" not implemented for '{input.dtype.scalar_type}'")
    _check_weight(weight, input)
    _check_target(target)
    return loss_shape(target.shape if input.ndim > 1 else (), reduction)


def _check_indices(input: Value, target: Value, weight: Any, ignore_index: int, *_: Any) -> None:
    _check_classes(target, input.meta.shape[_class_axis(input.meta.ndim)], ignore_index)


def _node(inputs: Any) -> str:
    return "NllLossBackward0" if inputs[0].ndim <= 2 else "NllLoss2DBackward0"


@op(shape=_class_loss_shape, check=_check_indices, node=_node)
def nll(
    xp: Any, input: Array, target: Index, weight: Array | None, ignore_index: int, reduction: str
) -> Array:
    axis = _class_axis(input.ndim)
    keep, target = _kept(xp, target.reshape(_element_shape(input, axis)), ignore_index, input.shape[axis])
    weights = _element_weights(xp, keep, target, weight, input.dtype)
    if input.shape[axis]:
        losses = xp.where(keep, -weights * _picked(xp, input, target, axis), xp.zeros((), input.dtype))
    else:
        losses = xp.zeros(weights.shape, input.dtype)
    return _combined(xp, losses, weights, reduction, losses.shape)


@nll.gradient("input")
def _(
    xp: Any, g: Array, input_meta: Meta, target: Array, weight: Any, ignore_index: int, reduction: str
) -> Array:
    axis = _class_axis(input_meta.ndim)
    classes = input_meta.shape[axis]
    keep, target = _kept(xp, target.reshape(_element_shape(input_meta, axis)), ignore_index, classes)
    weights = _element_weights(xp, keep, target, weight, g.dtype)
    scales = xp.where(keep, -weights * _scales(xp, g, weights, reduction), xp.zeros((), g.dtype))
    return _at_class(xp, scales, target, axis, classes)


@function("nn.functional.nll_loss")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of each element's class.

    Args:
        input: log-probabilities.
        weight: a weight for each class; the mean is over the weights.
        ignore_index: a target of elements that do not count.

    Shape: input `(C)`, `(N, C)` or `(N, C, *)`; target `()`, `(N)` or `(N, *)`, of int64.
    Raises: IndexError, if a target is not in [0, C).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    return apply(nll, (input, target, weight, ignore_index, reduction))


# -- cross entropy ---------------------------------------------------------------------------------


def _log_softmax(xp: Any, x: Any, axis: int) -> Any:
    if x.size == 0:
        return x
    _, shifted, logarithm = log_softmax_parts(xp, x, axis)
    return shifted - logarithm


def _cross_entropy_shape(
    input: Meta, target: Meta, weight: Meta | None, ignore_index: int, reduction: str, label_smoothing: float
) -> list[Any]:
    _check_scores(input)
    return [_class_loss_shape(input, target, weight, ignore_index, reduction), input]


def _check_scores(input: Meta) -> None:
    if kind(input.dtype) not in "hf":
        last = "_lastdim" if _class_axis(input.ndim) == input.ndim - 1 else ""
        raise NotImplementedError(
            f"\"log_softmax{last}_kernel_impl\" not implemented for '{input.dtype.scalar_type}'"
        )


def _wide_classes(xp: Any, weight: Any, ndim: int, dtype: Any) -> Any:
    return weight.astype(dtype).reshape(-1, *(1,) * (ndim - _class_axis(ndim) - 1))


@op(shape=_cross_entropy_shape, check=_check_indices, outputs=("output", "log_probabilities"), node=_node)
def class_cross_entropy(
    xp: Any,
    input: Array,
    target: Index,
    weight: Array | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> tuple[Array, Array]:
    """The loss and the log-probabilities, which the gradient needs."""
    axis = _class_axis(input.ndim)
    classes = input.shape[axis]
    keep, target = _kept(xp, target.reshape(_element_shape(input, axis)), ignore_index, classes)
    weights = _element_weights(xp, keep, target, weight, input.dtype)
    if not input.size:
        losses, log_probabilities = xp.zeros(weights.shape, input.dtype), input
    else:
        highest, shifted, logarithm = log_softmax_parts(xp, input, axis)
        log_probabilities = shifted - logarithm
        # Of the class alone, so that without gradients no other is computed.
        own = _picked(xp, input, target, axis) - xp.squeeze(highest, axis) - xp.squeeze(logarithm, axis)
        losses = -weights * own
    if label_smoothing > 0:
        scaled = (
            log_probabilities
            if weight is None
            else log_probabilities * _wide_classes(xp, weight, input.ndim, input.dtype)
        )
        smooth = -xp.sum(scaled, axis=axis)
        losses = (1 - label_smoothing) * losses + (label_smoothing / classes) * smooth
    losses = xp.where(keep, losses, xp.zeros((), input.dtype))
    return _combined(xp, losses, weights, reduction, losses.shape), log_probabilities


@class_cross_entropy.gradient("input")
def _(
    xp: Any,
    g: Any,
    log_probabilities: Array,
    target: Array,
    weight: Any,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
    given: Any,
) -> Array:
    ndim = log_probabilities.ndim
    axis = _class_axis(ndim)
    classes = log_probabilities.shape[axis]
    cotangent = g[0]
    keep, target = _kept(xp, target.reshape(_element_shape(log_probabilities, axis)), ignore_index, classes)
    weights = _element_weights(xp, keep, target, weight, cotangent.dtype)
    scales = xp.where(keep, _scales(xp, cotangent, weights, reduction), xp.zeros((), cotangent.dtype))
    at_class = scales * weights * (1 - label_smoothing)
    probabilities = xp.exp(log_probabilities)
    found = probabilities * xp.expand_dims(at_class, axis) - _at_class(xp, at_class, target, axis, classes)
    if label_smoothing > 0:
        share = xp.expand_dims(scales * (label_smoothing / classes), axis)
        wide = (
            xp.ones((), cotangent.dtype)
            if weight is None
            else _wide_classes(xp, weight, ndim, cotangent.dtype)
        )
        every = classes if weight is None else xp.sum(weight)
        found = found + share * (probabilities * every - wide)
    if "log_probabilities" in given:  # second derivatives
        found = found + g[1] - probabilities * xp.sum(g[1], axis=axis, keepdims=True)
    return found


def _soft_shape(
    input: Meta, target: Meta, weight: Meta | None, reduction: str, label_smoothing: float
) -> Any:
    _check_scores(input)
    axis = _class_axis(input.ndim)
    if weight is not None and weight.shape != (input.shape[axis],):
        _check_weight(weight, input)
    return loss_shape(_element_shape(input, axis), reduction)


def _smoothed(xp: Any, target: Any, label_smoothing: float, classes: int) -> Any:
    return target * (1 - label_smoothing) + label_smoothing / classes if label_smoothing > 0 else target


@op(promote=PROMOTE, shape=_soft_shape, node="DivBackward1")
def soft_cross_entropy(
    xp: Any, input: Array, target: Array, weight: Array | None, reduction: str, label_smoothing: float
) -> Array:
    axis = _class_axis(input.ndim)
    terms = _log_softmax(xp, input, axis) * _smoothed(xp, target, label_smoothing, input.shape[axis])
    if weight is not None:
        terms = terms * _wide_classes(xp, weight, input.ndim, input.dtype)
    return reduced(xp, -xp.sum(terms, axis=axis), reduction)


@soft_cross_entropy.gradient("input", "target")
def _(
    xp: Any,
    g: Array,
    input: Array,
    target: Array,
    weight: Any,
    reduction: str,
    label_smoothing: float,
    needs: Any,
) -> tuple[Array | None, Array | None]:
    axis = _class_axis(input.ndim)
    elements = max(input.size // max(input.shape[axis], 1), 1)
    own = g / elements if reduction == "mean" else g
    if reduction == "none":
        own = xp.expand_dims(own, axis)
    if weight is not None:
        own = own * _wide_classes(xp, weight, input.ndim, input.dtype)
    log_probabilities = _log_softmax(xp, input, axis)
    to_input = to_target = None
    if "input" in needs:
        direct = -own * _smoothed(xp, target, label_smoothing, input.shape[axis])
        to_input = direct - xp.exp(log_probabilities) * xp.sum(direct, axis=axis, keepdims=True)
    if "target" in needs:
        to_target = -own * log_probabilities * (1 - label_smoothing)
    return to_input, to_target


@function("nn.functional.cross_entropy")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Minus the log-probability of each element's class under `softmax(input)`.

    Args:
        input: unnormalised scores.
        target: class indices, or probabilities of all classes in the input's shape.
        weight: a weight for each class; for indices the mean is over the weights.
        ignore_index: a target of elements that do not count.
        label_smoothing: how much of the target is spread evenly over all classes.

    Shape: input `(C)`, `(N, C)` or `(N, C, *)`; target `()`, `(N)` or `(N, *)` of int64, or as the input.
    Raises: IndexError, if a target is not in [0, C).

    >>> import flambeau
    >>> flambeau.nn.functional.cross_entropy(flambeau.zeros(2, 4), flambeau.tensor([1, 3]))
    tensor(1.3863)
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    for position, (name, value) in enumerate((("input", input), ("target", target))):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"cross_entropy_loss(): argument '{name}' (position {position + 1}) must be Tensor, "
                f"not {type(value).__name__}"
            )
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    if target._meta.shape == input._meta.shape:
        return _of_probabilities(input, target, weight, ignore_index, reduction, float(label_smoothing))
    found = apply(
        class_cross_entropy, (input, target, weight, ignore_index, reduction, float(label_smoothing))
    )
    return found[0]


def _of_probabilities(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    if not target.is_floating_point():
        error = RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{target.dtype.scalar_type}"
        )
        error.add_note(
            f"A target of the input's own shape {list(input.shape)} holds probabilities. One-hot targets "
            "need `.float()`; "
            "class indices have no dimension for the classes: `target.argmax(1)` makes them of one-hot ones."
        )
        raise error
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    return apply(soft_cross_entropy, (input, target, weight, reduction, label_smoothing))


# -- margins ---------------------------------------------------------------------------------------


def _check_long(target: Meta) -> None:
    if target.dtype is not dtypes.int64:
        error = RuntimeError(f"expected scalar type Long but found {target.dtype.scalar_type}")
        error.add_note(
            "The target holds class indices: convert it with `target.long()` or `target.to(torch.int64)`."
        )
        raise error


def _last(shape: tuple[int, ...]) -> int:
    """The number of classes, which lie along the last dimension here."""
    return shape[-1] if shape else 1


def _check_rows(input: Meta) -> None:
    if input.ndim > 2 or 0 in input.shape[-1:]:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )


def _multi_margin_shape(
    input: Meta, target: Meta, weight: Meta | None, p: int, margin: float, reduction: str
) -> tuple[int, ...]:
    _check_rows(input)
    batch = input.shape[0] if input.ndim > 1 else 1
    if target.ndim > 1 or target.numel != batch:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples "
            "(batch size). "
            f"Expected target size [{batch}], but got {list(target.shape)}. Input has shape "
            f"{list(input.shape)}."
        )
    if weight is not None and weight.shape != (_last(input.shape),):
        raise RuntimeError(
            f"inconsistent weight size, expected {_last(input.shape)} but got {list(weight.shape)}"
        )
    if kind(input.dtype) not in "hf":
        scalar_type = input.dtype.scalar_type
        raise NotImplementedError(f"\"multi_margin_loss_cpu_kernel\" not implemented for '{scalar_type}'")
    _check_long(target)
    return loss_shape(target.shape, reduction)


def _check_margin_target(input: Value, target: Value, *_: Any) -> None:
    classes = _last(input.meta.shape)
    when_known(target, lambda known: _check_known_margin_target(known, classes))


def _check_known_margin_target(target: Value, classes: int) -> None:
    found = index_range(target)
    if found is not None and (found[0] < 0 or found[1] >= classes):
        error = RuntimeError("target out of range")
        error.add_note(f"Targets go from {found[0]} to {found[1]}, and there are {classes} classes.")
        raise error


def _violations(xp: Any, input: Any, target: Any, margin: float) -> tuple[Any, Any, Any, Any]:
    """How far each other class comes too close to the right one."""
    scores = input.reshape(-1, _last(input.shape))
    target = target.reshape(-1, 1)
    right = xp.take_along_axis(scores, target, 1)
    other = xp.arange(scores.shape[1]) != target
    gap = margin - right + scores
    return scores, target, other, xp.where(other & (gap > 0), gap, xp.zeros((), input.dtype))


@op(shape=_multi_margin_shape, check=_check_margin_target, node="MultiMarginLossBackward0")
def multi_margin(
    xp: Any, input: Array, target: Index, weight: Array | None, p: int, margin: float, reduction: str
) -> Array:
    scores, index, _, gap = _violations(xp, input, target, margin)
    terms = gap if p == 1 else gap * gap
    if weight is not None:
        terms = terms * weight[index]
    losses = xp.sum(terms, axis=1) / scores.shape[1]
    return reduced(xp, losses.reshape(target.shape), reduction)


@multi_margin.gradient("input")
def _(
    xp: Any, g: Array, input: Array, target: Array, weight: Any, p: int, margin: float, reduction: str
) -> Array:
    scores, index, _, gap = _violations(xp, input, target, margin)
    slope = (gap > 0).astype(g.dtype) if p == 1 else 2 * gap
    if weight is not None:
        slope = slope * weight[index]
    own = g.reshape(-1, 1) if reduction == "none" else g / max(len(scores), 1) if reduction == "mean" else g
    slope = slope * own / scores.shape[1]
    own_class = xp.arange(scores.shape[1]) == index
    return xp.where(own_class, -xp.sum(slope, axis=1, keepdims=True), slope).reshape(input.shape)


@function("nn.functional.multi_margin_loss")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """By how much (to the power `p`) other classes' scores come within `margin` of the right one's."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    return apply(multi_margin, (input, target, weight, p, float(margin), reduction))


def _multilabel_shape(input: Meta, target: Meta, reduction: str) -> tuple[int, ...]:
    _check_rows(input)
    if target.shape != input.shape and not (input.ndim < 2 and target.numel == input.numel):
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    if kind(input.dtype) not in "hf":
        raise NotImplementedError(
            f"\"multilabel_margin_loss_forward_out_frame\" not implemented for '{input.dtype.scalar_type}'"
        )
    _check_long(target)
    return loss_shape(input.shape[:1] if input.ndim > 1 else (), reduction)


def _check_labels(input: Value, target: Value, *_: Any) -> None:
    classes = _last(input.meta.shape)
    when_known(target, lambda known: _check_known_labels(known, classes))


def _check_known_labels(target: Value, classes: int) -> None:
    found = index_range(target)
    if found is not None and (found[0] < -1 or found[1] >= classes):
        raise RuntimeError("argument #2 'target' is out of range")


def _label_gaps(xp: Any, input: Any, target: Any) -> tuple[Any, Any, Any]:
    """For each label and each other class (sample, label, class): how far the class comes too close to the
    label.
    """
    scores = input.reshape(-1, _last(input.shape))
    target = target.reshape(scores.shape)
    listed = xp.cumsum(target < 0, axis=1) == 0  # labels end at the first -1
    index = xp.where(listed, target, 0)
    onehot = (xp.arange(scores.shape[1]) == index[:, :, None]) & listed[:, :, None]
    is_label = xp.any(onehot, axis=1)
    gap = 1 - xp.take_along_axis(scores, index, 1)[:, :, None] + scores[:, None, :]
    active = listed[:, :, None] & ~is_label[:, None, :] & (gap > 0)
    return xp.where(active, gap, xp.zeros((), input.dtype)), active, onehot


@op(shape=_multilabel_shape, check=_check_labels, node="MultilabelMarginLossBackward0")
def multilabel_margin(xp: Any, input: Array, target: Index, reduction: str) -> Array:
    gap, _, _ = _label_gaps(xp, input, target)
    losses = xp.sum(gap, axis=(1, 2)) / gap.shape[2]
    return reduced(xp, losses if input.ndim > 1 else losses[0], reduction)


@multilabel_margin.gradient("input")
def _(xp: Any, g: Array, input: Array, target: Array, reduction: str) -> Array:
    _, active, onehot = _label_gaps(xp, input, target)
    slope = active.astype(g.dtype)
    towards = xp.sum(slope, axis=1) - xp.sum(xp.sum(slope, axis=2, keepdims=True) * onehot, axis=1)
    own = g.reshape(-1, 1) if reduction == "none" else g / max(len(towards), 1) if reduction == "mean" else g
    return (towards * own / slope.shape[2]).reshape(input.shape)


@function("nn.functional.multilabel_margin_loss")
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """By how much the scores of other classes come within 1 of the labels' scores; labels end at the first
    -1.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    return apply(multilabel_margin, (input, target, reduction))
