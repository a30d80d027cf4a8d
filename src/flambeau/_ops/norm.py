"""Normalisation: batch, layer, group, instance, root mean square, local response.

All but the last are one formula over different axes: `(x - mean) / sqrt(var + eps)`, whose gradient is
`(g' - mean(g') - y mean(g' y)) / sqrt(var + eps)` with `g' = g * weight` (Ioffe and Szegedy 2015, arXiv:1502.03167).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import xla
from flambeau._core.declare import KEEP, Array, Scalar, canonical_dim, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.sums import channel_total, total, weighted_total


def _statistics_dtype(input: Meta) -> dtypes.dtype:
    return dtypes.float32 if input.dtype.itemsize < 4 else input.dtype


def _moments(xp: Any, x: Array, axes: Any, eps: Any) -> tuple[Array, Array, Array]:
    """Centred values, variance, and one over its root; two passes, as one loses digits."""
    count = math.prod(x.shape[a] for a in axes)
    mean = total(xp, x, axes, keepdims=True) / max(count, 1)
    centred = x - mean
    var = total(xp, centred * centred, axes, keepdims=True, computed=True) / max(count, 1)
    return mean, var, 1 / xp.sqrt(var + eps)


def _through_statistics(
    gradient: Array, given: Any, to_mean: Any, to_rstd: Any, normal: Array, rstd: Array
) -> Array:
    """Adds the gradient through the saved mean and 1 / sqrt(var + eps), which second derivatives ask for."""
    count = math.prod(gradient.shape) // max(math.prod(rstd.shape), 1)
    if "mean" in given:
        gradient = gradient + to_mean / count
    if "rstd" in given:
        gradient = gradient - to_rstd * rstd * rstd * normal / count
    return gradient


def _per_channel(value: Any, ndim: int) -> Any:
    return value.reshape(1, -1, *(1,) * (ndim - 2))


def _lying(xp: Any, x: Array) -> Array:
    """An array `(N, C, *)`, or one row for each place of it where programs keep channels last."""
    return xp.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) if xp is not np and xla.channels_last() else x


def _standing(xp: Any, x: Array, shape: tuple[int, ...]) -> Array:
    """What `_lying` took apart, of this shape again."""
    return x if x.shape == shape else xp.moveaxis(x.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


# -- batch norm ------------------------------------------------------------------------------------


def _batch_shape(input: Meta, weight: Any, bias: Any, eps: Any) -> list[Meta]:
    channels = meta_of((input.shape[1],), _statistics_dtype(input), input.device)
    return [input, channels, channels, channels]


@op(
    promote=KEEP,
    shape=_batch_shape,
    outputs=("output", "mean", "var", "rstd"),
    node="NativeBatchNormBackward",
)
def batch_norm_train(
    xp: Any, input: Array, weight: Array | None, bias: Array | None, eps: Scalar
) -> tuple[Array, Array, Array, Array]:
    """Normalises each channel by its own batch; also the batch's mean, biased variance and 1 / sqrt(var + eps)."""
    x = _lying(xp, input)
    mean, var, rstd = _moments(xp, x, (0, *range(2, x.ndim)), eps)
    scale = rstd if weight is None else rstd * _per_channel(weight, x.ndim)
    result = (x - mean) * scale
    if bias is not None:
        result = result + _per_channel(bias, x.ndim)
    return _standing(xp, result, input.shape), mean.reshape(-1), var.reshape(-1), rstd.reshape(-1)


@batch_norm_train.gradient("input", "weight", "bias")
def _(
    xp: Any, g: Any, input: Array, weight: Any, mean: Array, rstd: Array, needs: Any, given: Any
) -> tuple[Array | None, Array | None, Array | None]:
    shape, count = input.shape, input.size // input.shape[1]
    cotangent, input = _lying(xp, g[0]), _lying(xp, input)
    ndim = input.ndim
    axes = (0, *range(2, ndim))
    wide = _per_channel(rstd, ndim)
    normal = (input - _per_channel(mean, ndim)) * wide
    # One pair of sums for all three: the weight is the same in each.
    to_bias, to_weight = total(xp, cotangent, axes), total(xp, cotangent * normal, axes, computed=True)
    to_input = None
    if "input" in needs:
        scale = wide if weight is None else wide * _per_channel(weight, ndim)
        means = (_per_channel(sums / count, ndim) for sums in (to_bias, to_weight))
        to_input = scale * (cotangent - next(means) - normal * next(means))
        to_mean, to_rstd = _per_channel(g[1], ndim), _per_channel(g[3], ndim)
        to_input = _through_statistics(to_input, given, to_mean, to_rstd, normal, wide)
        to_input = _standing(xp, to_input, shape)
    return to_input, to_weight if "weight" in needs else None, to_bias if "bias" in needs else None


@op(promote=KEEP, shape=lambda input, *_: input.shape, node="NativeBatchNormBackward")
def batch_norm_eval(
    xp: Any,
    input: Array,
    running_mean: Array,
    running_var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: Scalar,
) -> Array:
    """Normalises each channel by running statistics."""
    scale = 1 / xp.sqrt(running_var + eps)
    if weight is not None:
        scale = scale * weight
    result = (input - _per_channel(running_mean, input.ndim)) * _per_channel(scale, input.ndim)
    return result if bias is None else result + _per_channel(bias, input.ndim)


@batch_norm_eval.gradient("input", "weight", "bias")
def _(
    xp: Any,
    g: Array,
    input: Array,
    running_mean: Array,
    running_var: Array,
    weight: Any,
    eps: Any,
    needs: Any,
) -> tuple[Array | None, Array | None, Array | None]:
    rstd = 1 / xp.sqrt(running_var + eps)
    scale = rstd if weight is None else rstd * weight
    to_weight = None
    if "weight" in needs:
        normal = (input - _per_channel(running_mean, g.ndim)) * _per_channel(rstd, g.ndim)
        to_weight = channel_total(xp, g * normal, computed=True)
    return g * _per_channel(scale, g.ndim), to_weight, channel_total(xp, g) if "bias" in needs else None


@op(promote=KEEP, shape=lambda running, *_: running.shape, differentiable=False)
def running_update(xp: Any, running: Array, batch: Array, momentum: Scalar, correction: float) -> Array:
    """`(1 - momentum) * running + momentum * correction * batch`."""
    return (1 - momentum) * running + momentum * (batch * correction).astype(running.dtype)


def _check_vector(name: str, tensor: Tensor | None, count: int) -> None:
    if tensor is not None and tensor.numel() != count:
        raise RuntimeError(f"{name} should contain {count} elements not {tensor.numel()}")


def _of_nothing(input: Tensor, weight: Any, bias: Any) -> Tensor:
    """An empty input as PyTorch treats it: nothing is checked, and the first channel's parameters join the graph."""
    result: Any = input.clone()  # type: ignore[attr-defined]
    if weight is not None:
        result = result * weight[0]
    return result if bias is None else result + bias[0]


def _batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    training: bool, momentum: float, eps: float,
) -> Tensor:  # fmt: skip
    if not isinstance(input, Tensor):
        raise TypeError(
            f"batch_norm(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if not input.numel():
        return _of_nothing(input, weight, bias)
    channels = input.shape[1] if input.ndim > 1 else 0
    _check_vector("running_mean", running_mean, channels)
    if running_mean is None and not training:
        raise RuntimeError("running_mean must be defined in evaluation mode")
    _check_vector("running_var", running_var, channels)
    if running_var is None and not training:
        raise RuntimeError("running_var must be defined in evaluation mode")
    _check_vector("weight", weight, channels)
    _check_vector("bias", bias, channels)
    if not input.is_floating_point():
        raise NotImplementedError(f"\"batch_norm\" not implemented for '{input.dtype.scalar_type}'")
    canonical_dim(1, input.ndim)
    if not training:
        return apply(batch_norm_eval, (input, running_mean, running_var, weight, bias, eps))
    result, mean, var, _ = apply(batch_norm_train, (input, weight, bias, eps))
    count = input.numel() // max(channels, 1)
    previous, modes.grad = modes.grad, False
    try:
        if running_mean is not None:
            _update(running_mean, mean, momentum, 1.0)
        if running_var is not None:
            _update(running_var, var, momentum, count / max(count - 1, 1))
    finally:
        modes.grad = previous
    return result


def _update(running: Tensor, batch: Tensor, momentum: Any, correction: float) -> None:
    if isinstance(momentum, Tensor):  # that of a module without one, which counts batches
        weight = momentum.to(running.dtype)  # type: ignore[attr-defined]
        new = (1 - weight) * running + weight * (batch * correction)
        running._write(new.to(running.dtype)._read())
    else:
        running._write(apply(running_update, (running, batch, momentum, correction))._read())


def _check_batch_size(size: Any) -> None:
    count = size[0] * math.prod(size[2:])
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


@function("nn.functional.batch_norm")
def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-05,
) -> Tensor:  # fmt: skip
    """Normalises each channel, by the batch in training (then the running statistics follow), else by those.

    Shape: input `(N, C, *)`, everything else `(C,)`.
    Raises: ValueError, if training on one value per channel.
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167.
    """
    if training:
        if eps <= 0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
        _check_batch_size(input.size())
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


@function("batch_norm")
def torch_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    training: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    """`nn.functional.batch_norm` in the order of arguments of `torch.batch_norm`."""
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


@function("nn.functional.instance_norm")
def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-05,
) -> Tensor:  # fmt: skip
    """Normalises each channel of each sample.

    Shape: input `(N, C, *)`; weight, bias and running statistics `(C,)`.
    Source: Ulyanov, Vedaldi and Lempitsky 2016, arXiv:1607.08022.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.size()}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    batch, channels = input.shape[0], input.shape[1]
    flat = input.reshape(1, batch * channels, *input.shape[2:])  # type: ignore[attr-defined]

    def repeated(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.repeat(batch)  # type: ignore[attr-defined]

    mean, var = repeated(running_mean), repeated(running_var)
    result = _batch_norm(flat, repeated(weight), repeated(bias), mean, var, use_input_stats, momentum, eps)
    if use_input_stats:
        previous, modes.grad = modes.grad, False
        try:
            for running, found in ((running_mean, mean), (running_var, var)):
                if running is not None:
                    running.copy_(found.view(batch, channels).mean(0))  # type: ignore[union-attr,attr-defined]
        finally:
            modes.grad = previous
    return result.view(input.shape)  # type: ignore[attr-defined]


@function("instance_norm")
def torch_instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    """`nn.functional.instance_norm` in the order of arguments of `torch.instance_norm`."""
    return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


# -- layer norm ------------------------------------------------------------------------------------


def _check_normalized(input: Meta, shape: Any, text: str = "*, ") -> None:
    if len(shape) < 1:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            f"normalized_shape = {list(shape)}"
        )
    if input.ndim < len(shape) or input.shape[input.ndim - len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{text}{', '.join(map(str, shape))}], but "
            f"got input of size{list(input.shape)}"
        )


def _check_affine(shape: Any, **tensors: Meta | None) -> None:
    for name, meta in tensors.items():
        if meta is not None and meta.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(meta.shape)} "
                f"and normalized_shape = {list(shape)}"
            )


def _layer_shape(input: Meta, shape: Any, weight: Meta | None, bias: Meta | None, eps: Any) -> list[Meta]:
    _check_affine(shape, weight=weight, bias=bias)
    _check_normalized(input, shape)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"LayerNormKernelImpl\" not implemented for '{input.dtype.scalar_type}'")
    for meta in (weight, bias):
        if meta is not None and meta.dtype is not input.dtype and meta.dtype is not dtypes.float32:
            raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    rows = meta_of(
        (*input.shape[: input.ndim - len(shape)], *(1,) * len(shape)), _statistics_dtype(input), input.device
    )
    return [input, rows, rows]


@op(promote=KEEP, shape=_layer_shape, outputs=("output", "mean", "rstd"), node="NativeLayerNormBackward")
def layer_norm_op(
    xp: Any, input: Array, normalized_shape: Any, weight: Array | None, bias: Array | None, eps: Scalar
) -> tuple[Array, Array, Array]:
    """Normalises the trailing dimensions; also their mean and 1 / sqrt(var + eps)."""
    # In two dimensions, as its gradient.
    lead, count = input.shape[: input.ndim - len(normalized_shape)], math.prod(normalized_shape)
    rows = input.reshape(math.prod(lead), count)
    mean = total(xp, rows, 1, keepdims=True) / max(count, 1)
    result = rows - mean
    rstd = 1 / xp.sqrt(total(xp, result * result, 1, keepdims=True, computed=True) / max(count, 1) + eps)
    result *= rstd  # in place in NumPy, where an array made costs as much as the arithmetic
    if weight is not None:
        result *= weight.reshape(-1)
    if bias is not None:
        result += bias.reshape(-1)
    statistics = (*lead, *(1,) * len(normalized_shape))
    return result.reshape(input.shape), mean.reshape(statistics), rstd.reshape(statistics)


@layer_norm_op.gradient("input", "weight", "bias")
def _(
    xp: Any,
    g: Any,
    input: Array,
    normalized_shape: Any,
    weight: Any,
    mean: Array,
    rstd: Array,
    needs: Any,
    given: Any,
) -> tuple[Array | None, Array | None, Array | None]:
    # In two dimensions, where XLA's loops are shorter, and with one product for two of the sums.
    count = math.prod(normalized_shape)
    lead = math.prod(input.shape[: input.ndim - len(normalized_shape)])
    cotangent, wide = g[0].reshape(lead, count), rstd.reshape(lead, 1)
    normal = (input.reshape(lead, count) - mean.reshape(lead, 1)) * wide
    product, to_input = cotangent * normal, None
    if "input" in needs:
        scaled, scale = cotangent, xp.ones(count, cotangent.dtype)
        if weight is not None:
            scale = weight.reshape(-1)
            scaled = cotangent * scale
        mean_g, mean_gy = (weighted_total(xp, each, scale) / count for each in (cotangent, product))
        rows = wide * (scaled - mean_g - normal * mean_gy)
        to_mean, to_rstd = (each.reshape(lead, 1) for each in g[1:])
        to_input = _through_statistics(rows, given, to_mean, to_rstd, normal, wide).reshape(input.shape)
    to_weight = total(xp, product, 0).reshape(normalized_shape) if "weight" in needs else None
    to_bias = total(xp, cotangent, 0).reshape(normalized_shape) if "bias" in needs else None
    return to_input, to_weight, to_bias


def _sizes(value: Any, name: str) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not {type(value).__name__}"
        )
    return tuple(item.__index__() for item in value)


@function("nn.functional.layer_norm")
def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Normalises the trailing dimensions `normalized_shape` of each sample, then scales and shifts.

    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """
    return apply(layer_norm_op, (input, _sizes(normalized_shape, "layer_norm"), weight, bias, eps))[0]


@function("layer_norm")
def torch_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.layer_norm`; there is no choice of kernels here."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


def _rms_shape(input: Meta, shape: Any, weight: Meta | None, eps: Any) -> list[Meta]:
    _check_affine(shape, weight=weight)
    _check_normalized(input, shape, "*")
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise NotImplementedError(f"\"rms_norm\" not implemented for '{input.dtype.scalar_type}'")
    rows = (*input.shape[: input.ndim - len(shape)], *(1,) * len(shape))
    return [input, meta_of(rows, _statistics_dtype(input), input.device)]


@op(promote=KEEP, shape=_rms_shape, outputs=("output", "rstd"), node="MulBackward")
def rms_norm_op(
    xp: Any, input: Array, normalized_shape: Any, weight: Array | None, eps: Scalar
) -> tuple[Array, Array]:
    """Divides the trailing dimensions by their root mean square; also one over that root."""
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    # The square of a complex number, not of its magnitude, as in PyTorch.
    square = total(xp, input * input, axes, keepdims=True, computed=True) / math.prod(normalized_shape)
    rstd = 1 / xp.sqrt(square + eps)
    result = input * rstd
    return result if weight is None else result * weight, rstd


@rms_norm_op.gradient("input", "weight")
def _(
    xp: Any, g: Any, input: Array, normalized_shape: Any, weight: Any, rstd: Array, needs: Any, given: Any
) -> tuple[Array | None, Array | None]:
    cotangent = g[0]
    own = input.ndim - len(normalized_shape)
    lead, axes = tuple(range(own)), tuple(range(own, input.ndim))
    normal = input * rstd
    if normal.dtype.kind == "c":
        normal, rstd = xp.conj(normal), xp.conj(rstd)
        weight = None if weight is None else xp.conj(weight)
    scaled = cotangent if weight is None else cotangent * weight
    mean = total(xp, scaled * normal, axes, keepdims=True, computed=True) / math.prod(normalized_shape)
    to_weight = total(xp, cotangent * normal, lead, computed=True) if "weight" in needs else None
    return _through_statistics(rstd * (scaled - normal * mean), given, None, g[1], normal, rstd), to_weight


@function("nn.functional.rms_norm", "rms_norm")
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divides the trailing dimensions by their root mean square, then scales.

    Args:
        eps: added under the root; None takes the epsilon of the input's dtype (of float32 for narrower ones).
    Source: Zhang and Sennrich 2019, arXiv:1910.07467.
    """
    if eps is None:
        wide = input.dtype.to_real() if input.is_complex() else input.dtype
        eps = dtypes.finfo(wide if wide.itemsize >= 4 else dtypes.float32).eps
    return apply(rms_norm_op, (input, _sizes(normalized_shape, "rms_norm"), weight, eps))[0]


# -- group norm ------------------------------------------------------------------------------------


def _group_shape(input: Meta, groups: int, weight: Meta | None, bias: Meta | None, eps: Any) -> list[Meta]:
    rows = meta_of((input.shape[0], groups, 1), _statistics_dtype(input), input.device)
    return [input, rows, rows]


@op(promote=KEEP, shape=_group_shape, outputs=("output", "mean", "rstd"), node="NativeGroupNormBackward")
def group_norm_op(
    xp: Any, input: Array, groups: int, weight: Array | None, bias: Array | None, eps: Scalar
) -> tuple[Array, Array, Array]:
    """Normalises groups of channels of each sample; also each group's mean and 1 / sqrt(var + eps)."""
    samples, _, of_group, places = _group_split(input, groups)
    mean, _, rstd = _moments(xp, input.reshape(samples, groups, of_group * places), (2,), eps)
    centre, scale = (
        xp.broadcast_to(each, (samples, groups, of_group)).reshape(samples, groups * of_group, 1)
        for each in (mean, rstd)
    )
    if weight is not None:
        scale = scale * weight[:, None]
    result = (input.reshape(samples, groups * of_group, places) - centre) * scale
    if bias is not None:
        result = result + bias[:, None]
    return result.reshape(input.shape), mean, rstd


def _group_split(input: Any, groups: int) -> tuple[int, ...]:
    """Samples, groups, channels of a group, places."""
    samples, channels, *places = input.shape
    return samples, groups, channels // groups, math.prod(places)


@group_norm_op.gradient("input", "weight", "bias")
def _(
    xp: Any, g: Any, input: Array, groups: int, weight: Any, mean: Array, rstd: Array, needs: Any, given: Any
) -> tuple[Array | None, Array | None, Array | None]:
    split = _group_split(input, groups)
    cotangent, wide = g[0].reshape(split), rstd[..., None]
    normal = (input.reshape(split) - mean[..., None]) * wide
    # Sums over the places of each channel serve all three.
    sums, sums_normal = total(xp, cotangent, (3,)), total(xp, cotangent * normal, (3,), computed=True)
    to_input = None
    if "input" in needs:
        own: Any = 1 if weight is None else weight.reshape(1, *split[1:3])
        count = split[2] * split[3]
        mean_g, mean_gy = (
            ((each * own).sum(2) / max(count, 1))[..., None, None] for each in (sums, sums_normal)
        )
        scaled = cotangent if weight is None else cotangent * own[..., None]
        rows = (*split[:2], count)
        to_rows = (wide * (scaled - mean_g - normal * mean_gy)).reshape(rows)
        to_rows = _through_statistics(to_rows, given, g[1], g[2], normal.reshape(rows), rstd)
        to_input = to_rows.reshape(input.shape)
    to_weight = sums_normal.sum(0).reshape(input.shape[1]) if "weight" in needs else None
    return to_input, to_weight, sums.sum(0).reshape(input.shape[1]) if "bias" in needs else None


@function("nn.functional.group_norm")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Normalises `num_groups` groups of channels of each sample.

    Shape: input `(N, C, *)`, weight and bias `(C,)`.
    Source: Wu and He 2018, arXiv:1803.08494.
    """
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    shape = list(input.shape)
    if num_groups == 0:
        raise ZeroDivisionError("integer division or modulo by zero")
    if num_groups < 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    per_group = [shape[0] * shape[1] // num_groups, num_groups, *shape[2:]]
    if per_group[0] * math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape}")
    if shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{shape} and num_groups={num_groups}"
        )
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tuple(tensor.shape) != (shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(tensor.shape)} and input of shape {shape}"
            )
    if not input.is_floating_point():
        raise NotImplementedError(f"\"GroupNormKernelImpl\" not implemented for '{input.dtype.scalar_type}'")
    return apply(group_norm_op, (input, num_groups, weight, bias, eps))[0]


@function("group_norm")
def torch_group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.group_norm`; there is no choice of kernels here."""
    return group_norm(input, num_groups, weight, bias, eps)


# -- local response --------------------------------------------------------------------------------


@op(promote=KEEP, shape=lambda input, *_: input.shape, node="DivBackward")
def local_response_op(xp: Any, input: Array, size: int, alpha: Scalar, beta: float, k: Scalar) -> Array:
    """`input / (k + alpha * mean of squares over neighbouring channels) ** beta`."""
    return input / _response_scale(xp, input, size, alpha, k) ** beta


def _response_scale(xp: Any, input: Array, size: int, alpha: Any, k: Any) -> Array:
    return _channel_windows(xp, input * input, size // 2, (size - 1) // 2) / size * alpha + k


@local_response_op.gradient("input")
def _(xp: Any, g: Array, input: Array, size: int, alpha: Any, beta: float, k: Any) -> Array:
    scale = _response_scale(xp, input, size, alpha, k)
    inverse = scale**-beta
    # A channel is in the windows of those around it: `before` and `after` change places.
    nearby = _channel_windows(xp, g * input * inverse / scale, (size - 1) // 2, size // 2)
    return g * inverse - input * nearby * (2 * alpha * beta / size)


def _local_response_by_pooling(input: Any, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Step by step: of int64 the mean is an integer; what the pool refuses it names."""
    across = (size // 2, (size - 1) // 2)
    squares = input.mul(input)
    if input.ndim == 3:
        squares = registry["nn.functional.pad"](squares.unsqueeze(1), (0, 0, *across))
        means = registry["nn.functional.avg_pool2d"](squares, (size, 1), stride=1).squeeze(1)
    else:
        squares = squares.view(input.shape[0], 1, *input.shape[1:3], -1)
        squares = registry["nn.functional.pad"](squares, (0, 0, 0, 0, *across))
        means = (
            registry["nn.functional.avg_pool3d"](squares, (size, 1, 1), stride=1).squeeze(1).view(input.shape)
        )
    return input / means.mul(alpha).add(k).pow(beta)


@function("nn.functional.local_response_norm")
def local_response_norm(
    input: Tensor, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Normalises each element by those at the same place of `size` neighbouring channels.

    Source: Krizhevsky, Sutskever and Hinton 2012.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)"
        )
    if not input.numel():
        return input
    if size <= 0 or not input.is_floating_point():
        return _local_response_by_pooling(input, size, alpha, beta, k)
    return apply(local_response_op, (input, size, alpha, beta, k))


def _channel_windows(xp: Any, array: Array, before: int, after: int) -> Array:
    """Sums over each channel, `before` channels ahead of it and `after` behind it; there are zeros beyond the ends."""
    channels = array.shape[1]
    padded = xp.pad(array, ((0, 0), (before, after), *((0, 0),) * (array.ndim - 2)))
    total = padded[:, :channels]
    for offset in range(1, before + after + 1):
        total = total + padded[:, offset : offset + channels]
    return total


def _cross_map_scale(xp: Any, input: Array, size: int, alpha: Any, k: Any) -> Array:
    squares, reach, channels = input * input, (size - 1) // 2, input.shape[1]
    near = _channel_windows(xp, squares, reach, reach)
    if channels > reach + 1:
        # As in PyTorch, whose running sum never drops the first channel.
        late = (xp.arange(channels) > reach).reshape(1, -1, *(1,) * (input.ndim - 2))
        near = near + xp.where(late, squares[:, :1], 0).astype(squares.dtype)
    return near * (alpha / size) + k


@op(promote=KEEP, shape=lambda input, *_: input.shape, node="CrossMapLRN2dBackward")
def cross_map_response(xp: Any, input: Array, size: int, alpha: Scalar, beta: Scalar, k: Scalar) -> Array:
    """`local_response_norm` as the older `CrossMapLRN2d` has it."""
    return input * _cross_map_scale(xp, input, size, alpha, k) ** -beta


@cross_map_response.gradient("input")
def _(xp: Any, g: Array, input: Array, output: Array, size: int, alpha: Any, beta: Any, k: Any) -> Array:
    # Not quite the derivative: PyTorch's windows lie one channel ahead for odd sizes, and networks were trained with that.
    scale = _cross_map_scale(xp, input, size, alpha, k)
    before = min(int(size - (size - 1) / 2), size - 1)
    nearby = _channel_windows(xp, g * output / scale, before, size - 1 - before)
    return g * scale**-beta - input * nearby * (2 * alpha * beta / size)
