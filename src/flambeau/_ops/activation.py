"""Activation functions: each one node with its own gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT_UNARY, KEEP, Array, Index, Op, Out, Scalar, canonical_dim, same
from flambeau._core.dispatch import apply, function, in_place, op
from flambeau._core.random import Generator, default_generator
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.elementary import sigmoid_values
from flambeau._ops.error_function import erf_values, gelu_single
from flambeau._ops.random import drawn, in_batch
from flambeau._ops.supported import both, refuses, supports

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _activation(name: str, *names: str, kernel: str, kinds: str = "hf", **options: Any) -> Callable[..., Op]:
    rule = options.pop("dtypes", None) or supports(kinds, kernel)
    return op(
        *names, promote=KEEP, shape=same, pointwise=True, dtypes=rule, node=f"{name}Backward", **options
    )


def _either(declared: Op, name: str) -> Callable[..., Tensor]:
    """Calls an operation, or its in-place form where `inplace` is set."""
    writing = in_place(declared.function, name)

    def call(inplace: bool, *args: Any) -> Tensor:
        return writing(*args) if inplace else declared.function(*args)

    return call


# -- piecewise linear ------------------------------------------------------------------------------

_no_complex_clamp = refuses("c", "clamp is not supported for complex types", NotImplementedError)


@op(
    "relu",
    "relu_",
    "Tensor.relu",
    "Tensor.relu_",
    "nn.functional.relu_",
    promote=KEEP,
    shape=same,
    pointwise=True,
    dtypes=both(refuses("b", "Boolean inputs not supported for relu"), _no_complex_clamp),
)
def relu(xp: Any, input: Array) -> Array:
    """`max(input, 0)`; the gradient at 0 is 0."""
    return xp.where(input <= 0, xp.zeros((), input.dtype), input)


@relu.gradient("input")
def _(xp: Any, g: Array, output: Array) -> Array:
    return xp.where(output <= 0, xp.zeros((), g.dtype), g)


_relu = _either(relu, "relu_")
_relu_function = relu.function


@function("nn.functional.relu")
def functional_relu(input: Tensor, inplace: bool = False) -> Tensor:
    """`max(input, 0)`, in place if `inplace`.

    >>> import flambeau
    >>> flambeau.nn.functional.relu(flambeau.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _relu(True, input) if inplace else _relu_function(input)


def _check_hardtanh(name: str, input: Meta, min_val: Any, max_val: Any) -> None:
    refuses("b", "Bool inputs not supported for hardtanh")(name, input)
    _no_complex_clamp(name, input)
    if input.dtype is dtypes.uint8 and (min_val < 0 or max_val < 0):
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")


@op(
    promote=KEEP,
    shape=lambda input, *_: input.shape,
    pointwise=True,
    dtypes=_check_hardtanh,
    node="HardtanhBackward",
)
def hardtanh_values(xp: Any, input: Array, min_val: float, max_val: float) -> Array:
    """The element within the bounds; no gradient flows at the bounds."""
    low, high = (xp.asarray(bound, input.dtype) for bound in (min_val, max_val))
    return xp.minimum(xp.maximum(input, low), high)


@hardtanh_values.gradient("input")
def _(xp: Any, g: Array, input: Array, min_val: float, max_val: float) -> Array:
    return xp.where((input <= min_val) | (input >= max_val), 0, g)


_hardtanh = _either(hardtanh_values, "hardtanh_")


@function("nn.functional.hardtanh")
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` cut off at `min_val` and `max_val`."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _hardtanh(inplace, input, min_val, max_val)


@function("nn.functional.hardtanh_")
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` in place."""
    return hardtanh(input, min_val, max_val)


@function("nn.functional.relu6")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """`min(max(input, 0), 6)`."""
    return _hardtanh(inplace, input, 0.0, 6.0)


@_activation("LeakyRelu", kernel="leaky_relu_cpu")
def leaky_relu_values(xp: Any, input: Array, negative_slope: Scalar = 0.01) -> Array:
    """`input` above zero, `negative_slope * input` below."""
    return xp.where(input > 0, input, input * negative_slope)


@leaky_relu_values.gradient("input")
def _(xp: Any, g: Array, input: Array, negative_slope: Any) -> Array:
    return xp.where(input > 0, g, g * negative_slope)


_leaky_relu = _either(leaky_relu_values, "leaky_relu_")


@function("nn.functional.leaky_relu")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` above zero, `negative_slope * input` below."""
    return _leaky_relu(inplace, input, negative_slope)


@function("nn.functional.leaky_relu_")
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` in place."""
    return _leaky_relu(False, input, negative_slope)


def _check_prelu(name: str, input: Meta, weight: Meta) -> None:
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype.scalar_type} and "
            f"{weight.dtype.scalar_type}"
        )
    supports("hf", "prelu_cpu")(name, input)


def _prelu_weight(xp: Any, weight: Any, ndim: int) -> Any:
    """The weight with its entries along dimension 1."""
    if weight.ndim == 0 or weight.shape[0] == 1 or ndim < 2:
        return weight.reshape((1,) * ndim)
    return weight.reshape((1, -1) + (1,) * (ndim - 2))


def _prelu_shape(input: Meta, weight: Meta) -> tuple[int, ...]:
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.numel != 1:
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        if channels != weight.numel:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel} and channel size = {channels}."
            )
    return input.shape


@op(
    "prelu",
    "Tensor.prelu",
    "nn.functional.prelu",
    promote=KEEP,
    shape=_prelu_shape,
    pointwise=True,
    dtypes=_check_prelu,
    node="PreluKernelBackward",
)
def prelu(xp: Any, input: Array, weight: Array) -> Array:
    """`input` above zero, `weight * input` below; `weight` has one entry, or one for each channel."""
    return xp.where(input > 0, input, input * _prelu_weight(xp, weight, input.ndim))


@prelu.gradient("input")
def _(xp: Any, g: Array, input: Array, weight: Array) -> Array:
    return xp.where(input > 0, g, g * _prelu_weight(xp, weight, input.ndim))


@prelu.gradient("weight")
def _(xp: Any, g: Array, input: Array, weight_meta: Meta) -> Array:
    slopes = xp.where(input > 0, 0, g * input)
    axes = (
        tuple(range(input.ndim)) if weight_meta.numel == 1 else tuple(i for i in range(input.ndim) if i != 1)
    )
    return slopes.sum(axes).reshape(weight_meta.shape)


@op(
    "threshold",
    "threshold_",
    "Tensor.threshold",
    promote=KEEP,
    shape=lambda input, *_: input.shape,
    pointwise=True,
    dtypes=supports("bihf", "threshold_cpu"),
)
def threshold_values(xp: Any, input: Array, threshold: Scalar, value: Scalar) -> Array:
    """`input` where it exceeds `threshold`, `value` elsewhere."""
    return xp.where(input <= threshold, value, input)


@threshold_values.gradient("input")
def _(xp: Any, g: Array, input: Array, threshold: Any) -> Array:
    return xp.where(input <= threshold, 0, g)


_threshold = _either(threshold_values, "threshold_")


@function("nn.functional.threshold")
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`input` where it exceeds `threshold`, `value` elsewhere."""
    return _threshold(inplace, input, threshold, value)


@function("nn.functional.threshold_")
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` in place."""
    return _threshold(False, input, threshold, value)


@op(
    "hardshrink",
    "Tensor.hardshrink",
    "nn.functional.hardshrink",
    out=EXACT_UNARY,
    promote=KEEP,
    shape=same,
    pointwise=True,
    dtypes=supports("hf", "hardshrink_cpu"),
)
def hardshrink(xp: Any, input: Array, lambd: Scalar = 0.5) -> Array:
    """0 between `-lambd` and `lambd`, `input` elsewhere."""
    return xp.where((input >= -lambd) & (input <= lambd), 0, input)


@hardshrink.gradient("input")
def _(xp: Any, g: Array, input: Array, lambd: Any) -> Array:
    return xp.where((input >= -lambd) & (input <= lambd), 0, g)


@op(
    promote=KEEP,
    shape=same,
    pointwise=True,
    dtypes=supports("hf", "softshrink_check"),
    node="SoftshrinkBackward",
)
def softshrink_values(xp: Any, input: Array, lambd: Scalar = 0.5) -> Array:
    """`input` moved towards zero by `lambd`, 0 in between."""
    outside = xp.where(input > lambd, input - lambd, input + lambd)
    return xp.where((input >= -lambd) & (input <= lambd), 0, xp.where(xp.isnan(input), input, outside))


@softshrink_values.gradient("input")
def _(xp: Any, g: Array, input: Array, lambd: Any) -> Array:
    return xp.where((input >= -lambd) & (input <= lambd), 0, g)


@function("nn.functional.softshrink", out=EXACT_UNARY)
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` moved towards zero by `lambd`; 0 between `-lambd` and `lambd`."""
    dtype = input.dtype
    if not dtype.is_floating_point:
        raise NotImplementedError(f"\"softshrink_check\" not implemented for '{dtype.scalar_type}'")
    if not 0 <= lambd <= dtypes.finfo(dtype).max:
        raise RuntimeError(
            f"lambda must be in range [0, {dtypes.finfo(dtype).max:g}] for input dtype {dtype.scalar_type}, but found "
            f"{lambd:g}"
        )
    return apply(softshrink_values, (input, lambd))


@_activation("Hardsigmoid", kernel="hardsigmoid_cpu")
def hardsigmoid_values(xp: Any, input: Array) -> Array:
    """`(input + 3) / 6`, cut off at 0 and 1."""
    return xp.minimum(xp.maximum(input + 3, 0), 6) / 6


@hardsigmoid_values.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    return xp.where((input > -3) & (input < 3), g / 6, 0)


_hardsigmoid = _either(hardsigmoid_values, "hardsigmoid_")


@function("nn.functional.hardsigmoid")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`(input + 3) / 6`, cut off at 0 and 1."""
    return _hardsigmoid(inplace, input)


@_activation("Hardswish", kernel="hardswish_cpu")
def hardswish_values(xp: Any, input: Array) -> Array:
    """`input * hardsigmoid(input)`."""
    return input * xp.minimum(xp.maximum(input + 3, 0), 6) / 6


@hardswish_values.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    return xp.where(input <= -3, 0, xp.where(input < 3, g * (input / 3 + 0.5), g))


_hardswish = _either(hardswish_values, "hardswish_")


@function("nn.functional.hardswish")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * hardsigmoid(input)`.

    Source: Howard et al. 2019, arXiv:1905.02244.
    """
    return _hardswish(inplace, input)


# -- exponential -----------------------------------------------------------------------------------


@op(
    promote=KEEP,
    shape=lambda input, *_: input.shape,
    pointwise=True,
    dtypes=supports("hf", "elu_cpu"),
    node="EluBackward",
)
def elu_values(
    xp: Any, input: Array, alpha: Scalar = 1.0, scale: Scalar = 1.0, input_scale: Scalar = 1.0
) -> Array:
    """`scale * input` above zero, `scale * alpha * (exp(input_scale * input) - 1)` below."""
    negative = xp.expm1(xp.minimum(input, 0) * input_scale) * (alpha * scale)
    return xp.where(input < 0, negative, input * scale)


@elu_values.gradient("input")
def _(xp: Any, g: Array, input: Array, alpha: Any, scale: Any, input_scale: Any) -> Array:
    slope = input_scale * alpha * scale * xp.exp(xp.minimum(input, 0) * input_scale)
    return xp.where(input <= 0, g * slope, g * scale)


_elu = _either(elu_values, "elu_")


@function("nn.functional.elu")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` above zero, `alpha * (exp(input) - 1)` below.

    Source: Clevert et al. 2015, arXiv:1511.07289.
    """
    return _elu(inplace, input, alpha, 1.0, 1.0)


@function("nn.functional.elu_")
def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` in place."""
    return _elu(False, input, alpha, 1.0, 1.0)


@function("nn.functional.selu")
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu` with the constants that keep mean and variance.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """
    return _elu(inplace, input, SELU_ALPHA, SELU_SCALE, 1.0)


@function("selu")
def top_level_selu(input: Tensor) -> Tensor:
    """`elu` with the constants that keep mean and variance."""
    return selu(input)


@function("selu_", "nn.functional.selu_")
def selu_(input: Tensor) -> Tensor:
    """`selu` in place."""
    return selu(input)


@op(
    promote=KEEP,
    shape=lambda input, *_: input.shape,
    pointwise=True,
    dtypes=supports("hf", "elu_cpu"),
    node="CeluBackward",
)
def celu_values(xp: Any, input: Array, alpha: Scalar = 1.0) -> Array:
    """`input` above zero, `alpha * (exp(input / alpha) - 1)` below."""
    return xp.where(input < 0, xp.expm1(xp.minimum(input, 0) / alpha) * alpha, input)


@celu_values.gradient("input")
def _(xp: Any, g: Array, input: Array, alpha: Any) -> Array:
    return xp.where(input <= 0, g * xp.exp(xp.minimum(input, 0) / alpha), g)


_celu = _either(celu_values, "celu_")


@function("nn.functional.celu")
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` above zero, `alpha * (exp(input / alpha) - 1)` below; differentiable once at zero for any
    `alpha`.

    Source: Barron 2017, arXiv:1704.07483.
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _celu(inplace, input, alpha)


@function("celu")
def top_level_celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`input` above zero, `alpha * (exp(input / alpha) - 1)` below."""
    return celu(input, alpha)


@function("celu_", "nn.functional.celu_")
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` in place."""
    return celu(input, alpha)


@op(
    "nn.functional.softplus",
    out=EXACT_UNARY,
    promote=KEEP,
    shape=same,
    pointwise=True,
    dtypes=supports("hf", "softplus_cpu"),
    node="SoftplusBackward",
)
def softplus(xp: Any, input: Array, beta: Scalar = 1, threshold: Scalar = 20) -> Array:
    """`log(1 + exp(beta * input)) / beta`; `input` itself where `beta * input` exceeds `threshold`."""
    scaled = input * beta
    return xp.where(scaled > threshold, input, xp.log1p(xp.exp(xp.minimum(scaled, threshold))) / beta)


@softplus.gradient("input")
def _(xp: Any, g: Array, input: Array, beta: Any, threshold: Any) -> Array:
    scaled = input * beta
    power = xp.exp(xp.minimum(scaled, threshold))
    return xp.where(scaled > threshold, g, g * power / (power + 1))


def _log_sigmoid(xp: Any, x: Any) -> Any:
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


@op(
    "nn.functional.logsigmoid",
    out=Out("expected scalar type {wanted} but found {found}"),
    promote=KEEP,
    shape=same,
    pointwise=True,
    dtypes=supports("hf", "log_sigmoid_cpu"),
    node="LogSigmoidBackward",
)
def logsigmoid(xp: Any, input: Array) -> Array:
    """`log(sigmoid(input))`, exact for large negative elements."""
    return _log_sigmoid(xp, input)


@logsigmoid.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    power = xp.exp(-xp.abs(input))
    return g * xp.where(input < 0, 1 - power / (1 + power), power / (1 + power))


# -- smooth gates ----------------------------------------------------------------------------------

_ROOT_HALF = math.sqrt(0.5)
_ROOT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _check_gelu(name: str, input: Meta, approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    supports("hf", "GeluKernelImpl")(name, input)


@op(
    "nn.functional.gelu",
    out=EXACT_UNARY,
    promote=KEEP,
    shape=lambda input, *_: input.shape,
    pointwise=True,
    dtypes=_check_gelu,
)
def gelu(xp: Any, input: Array, *, approximate: str = "none") -> Array:
    """`input` times the probability that a standard normal number is below it.

    Args:
        approximate: "tanh" for the formula with tanh in place of the error function.
    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    """
    if approximate == "tanh":
        inner = _ROOT_2_OVER_PI * (input + _CUBIC * (input * input * input))
        return 0.5 * input * (1 + xp.tanh(inner))
    if xp is np and input.dtype == np.float32:
        return gelu_single(input)
    return 0.5 * input * (1 + erf_values(xp, input * _ROOT_HALF))


@gelu.gradient("input")
def _(xp: Any, g: Array, input: Array, approximate: str) -> Array:
    if approximate == "tanh":
        square = input * input
        tanh = xp.tanh(_ROOT_2_OVER_PI * (input + _CUBIC * (square * input)))
        slope = 0.5 * input * (1 - tanh * tanh) * (_ROOT_2_OVER_PI * (1 + 3 * _CUBIC * square))
        return g * (0.5 * (1 + tanh) + slope)
    below = 0.5 * (1 + erf_values(xp, input * _ROOT_HALF))
    density = xp.exp(input * input * -0.5) * (0.5 * _ROOT_HALF * 2 / math.sqrt(math.pi))
    return g * (below + input * density)


@_activation("Silu", kernel="silu_cpu", kinds="hfc")
def silu_values(xp: Any, input: Array) -> Array:
    """`input * sigmoid(input)`."""
    return input / (1 + xp.exp(-input))


@silu_values.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    gate = sigmoid_values(xp, input)
    return g * xp.conj(gate * (1 + input * (1 - gate)))


_silu = _either(silu_values, "silu_")


@function("nn.functional.silu")
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * sigmoid(input)`.

    Source: Elfwing et al. 2017, arXiv:1702.03118.
    """
    return _silu(inplace, input)


@_activation("Mish", kernel="mish_cpu")
def mish_values(xp: Any, input: Array) -> Array:
    """`input * tanh(softplus(input))`."""
    return input * xp.tanh(_log1p_exp(xp, input))


def _log1p_exp(xp: Any, x: Any) -> Any:
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


@mish_values.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    gate = sigmoid_values(xp, input)
    tanh = xp.tanh(_log1p_exp(xp, input))
    return g * (tanh + input * gate * (1 - tanh * tanh))


_mish = _either(mish_values, "mish_")


@function("nn.functional.mish")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * tanh(softplus(input))`.

    Source: Misra 2019, arXiv:1908.08681.
    """
    return _mish(inplace, input)


def _floating(input: Meta) -> Any:
    is_exact = not (input.dtype.is_floating_point or input.dtype.is_complex)
    return dtypes.get_default_dtype() if is_exact else input.dtype


@op(
    "nn.functional.softsign",
    promote=_floating,
    shape=same,
    pointwise=True,
    dtypes=supports("ihfc", "abs_cpu"),
    node="DivBackward",
)
def softsign(xp: Any, input: Array) -> Array:
    """`input / (1 + abs(input))`."""
    return input / (1 + xp.abs(input))


@softsign.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    size = 1 + xp.abs(input)
    if input.dtype.kind != "c":
        return g / (size * size)
    unit = xp.where(input == 0, 0, input / xp.where(input == 0, 1, xp.abs(input)))
    return g / size - xp.real(g * xp.conj(input)) / (size * size) * unit


@op(
    "nn.functional.tanhshrink",
    promote=_floating,
    shape=same,
    pointwise=True,
    node="SubBackward",
    dtypes=refuses(
        "b",
        "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
        "invert a mask, use the "
        "`~` or `logical_not()` operator instead.",
    ),
)
def tanhshrink(xp: Any, input: Array) -> Array:
    """`input - tanh(input)`."""
    return input - xp.tanh(input)


@tanhshrink.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    tanh = xp.tanh(input)
    return g * xp.conj(tanh * tanh)


def _halved(input: Meta, dim: int) -> tuple[int, ...]:
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    at = canonical_dim(dim, input.ndim)
    if input.shape[at] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {at} is size {input.shape[at]}")
    return (*input.shape[:at], input.shape[at] // 2, *input.shape[at + 1 :])


@op("nn.functional.glu", promote=KEEP, shape=_halved, dtypes=supports("hf", "glu_cpu"))
def glu(xp: Any, input: Array, dim: int = -1) -> Array:
    """The first half of a dimension times the sigmoid of the second.

    Source: Dauphin et al. 2016, arXiv:1612.08083.
    """
    first, second = xp.split(input, 2, axis=dim)
    return first * sigmoid_values(xp, second)


@glu.gradient("input")
def _(xp: Any, g: Array, input: Array, dim: int) -> Array:
    first, second = xp.split(input, 2, axis=dim)
    gate = sigmoid_values(xp, second)
    return xp.concatenate([g * gate, g * first * (gate * (1 - gate))], axis=dim)


# -- randomized ------------------------------------------------------------------------------------


@op(promote=KEEP, shape=same, pointwise=True, node="RreluWithNoiseBackward")
def with_slopes(xp: Any, input: Array, slopes: Index) -> Array:
    """Each element times its slope, which is float32 beside 16-bit floats."""
    return input * slopes


@with_slopes.gradient("input")
def _(g: Array, slopes: Array, input_meta: Meta) -> Array:
    return g * slopes.astype(input_meta.np).astype(slopes.dtype)


def _rrelu(
    input: Tensor,
    lower: float,
    upper: float,
    training: bool,
    inplace: bool,
    generator: Generator | None = None,
) -> Tensor:
    if lower > upper:
        raise RuntimeError(
            f"Lower bound should be less than or equal to the upper bound, but got {lower} and {upper}"
        )
    supports("hf", "rrelu_with_noise_out_cpu" if training else "leaky_relu_cpu")("rrelu", input._meta)
    if not training:
        return _leaky_relu(inplace, input, (lower + upper) / 2)
    source = generator or default_generator

    def draw(batch: tuple[int, ...]) -> Any:
        return source.rrelu_slopes(in_batch(input._host_array(), batch), lower, upper)

    dtype = input._meta.dtype if input._meta.dtype is dtypes.float64 else dtypes.float32
    return _with_slopes(inplace, input, drawn(draw, input._meta.with_dtype(dtype)))


_with_slopes = _either(with_slopes, "rrelu_")


@function("nn.functional.rrelu", checked=True)
def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """`leaky_relu` whose slope is random in training: uniform between `lower` and `upper`; their mean
    otherwise.
    """
    return _rrelu(input, lower, upper, training, inplace)


@function("rrelu")
def top_level_rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """`leaky_relu` whose slope is random in training."""
    return _rrelu(input, lower, upper, training, False, generator)


@function("rrelu_")
def rrelu_(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """`rrelu` in place."""
    return _rrelu(input, lower, upper, training, False, generator)


@function("nn.functional.rrelu_")
def functional_rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """`rrelu` in place."""
    return _rrelu(input, lower, upper, training, False)
