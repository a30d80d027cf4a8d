"""Special functions: the error function, gamma and its logarithm's derivatives, Bessel's exponential kin,
probabilities.

Most are for JAX alone (`jax.scipy.special`); the error function, the commonest, runs in NumPy, too.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from flambeau._core.declare import FLOATING, PROMOTE, Array, Operand, Scalar, broadcast, same
from flambeau._core.dispatch import apply, function, op
from flambeau._core.later import Later
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.elementary import names_of, unary
from flambeau._ops.error_function import erf_values, erfcx_values
from flambeau._ops.pointwise import as_operand
from flambeau._ops.sizes import integer
from flambeau._ops.supported import refuses, supports

jss = Later("jax.scipy.special")

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_ROOT_2_PI = math.sqrt(2 * math.pi)


def _real(kernel: str, half: bool = True) -> Any:
    return supports("bihf" if half else "bif", kernel)


# -- the error function and the normal distribution ------------------------------------------------


def _erfc(xp: Any, x: Any) -> Any:
    if xp is np:
        size = np.abs(x)
        tail = np.exp(-size * size) * erfcx_values(size)
        return np.where(x < 0, 2 - tail, tail).astype(x.dtype)
    return jss.erfc(x)


def _erfcx(xp: Any, x: Any) -> Any:
    if xp is np:
        return erfcx_values(x).astype(x.dtype)
    return _erfcx_jax(xp, x)


def _erfcx_jax(jnp: Any, x: Any) -> Any:
    """`exp(x**2) * erfc(x)`, by a continued fraction where the two would over- and underflow."""
    size = jnp.abs(x)
    near = jnp.minimum(size, 3.0)
    direct = jnp.exp(near * near) * jss.erfc(near)
    far = jnp.maximum(size, 3.0)
    fraction = jnp.zeros_like(far)
    for k in range(40, 0, -1):
        fraction = (k / 2) / (far + fraction)
    positive = jnp.where(size < 3.0, direct, 1 / (math.sqrt(math.pi) * (far + fraction)))
    return jnp.where(x < 0, 2 * jnp.exp(x * x) - positive, positive)


erf = unary(
    "erf special.erf",
    erf_values,
    lambda xp, g, input: g * (_TWO_OVER_ROOT_PI * xp.exp(-input * input)),
    "The error function.",
    dtypes=_real("erf_vml_cpu"),
)
erfc = unary(
    "erfc special.erfc",
    _erfc,
    lambda xp, g, input: g * (-_TWO_OVER_ROOT_PI * xp.exp(-input * input)),
    "1 minus the error function, exact far out.",
    dtypes=_real("erfc_vml_cpu"),
)
erfcx = unary(
    "special.erfcx",
    _erfcx,
    lambda g, input, output: g * (2 * input * output - _TWO_OVER_ROOT_PI),
    "`exp(input**2) * erfc(input)`.",
    dtypes=_real("erfcx_cpu", half=False),
    node="SpecialErfcxBackward0",
)
ndtr = unary(
    "special.ndtr",
    lambda xp, x: 0.5 * _erfc(xp, -x * math.sqrt(0.5)),
    lambda xp, g, input: g * (xp.exp(-0.5 * input * input) / _ROOT_2_PI),
    "The probability that a standard normal number is below.",
    dtypes=_real("erf_vml_cpu"),
    node="SpecialNdtrBackward0",
)


def _jax_unary(names: str, formula: Any, gradient: Any, doc: str, **options: Any) -> Any:
    """`unary` for a body that runs on JAX alone: `formula(x)`."""
    first, *aliases = names.split()

    def body(input: Array) -> Array:
        return formula(input)

    body.__name__, body.__doc__ = first.rpartition(".")[2], doc
    options = {"out": True, "promote": FLOATING, "shape": same, "pointwise": True} | options
    declared = op(*names_of(first, *aliases), **options)(body)
    if gradient is not None:
        declared.gradient("input", dual=False)(gradient)
    return declared


erfinv = _jax_unary(
    "erfinv special.erfinv",
    lambda x: jss.erfinv(x),
    lambda xp, g, output: g * (xp.exp(output * output) / _TWO_OVER_ROOT_PI),
    "The inverse of the error function.",
    dtypes=_real("erfinv_vml_cpu"),
)
ndtri = _jax_unary(
    "special.ndtri",
    lambda x: jss.ndtri(x),
    lambda xp, g, output: g * _ROOT_2_PI * xp.exp(0.5 * output * output),
    "The number below which a standard normal one is with this probability.",
    dtypes=_real("ndtri_cpu", half=False),
    node="SpecialNdtriBackward0",
)
log_ndtr = _jax_unary(
    "special.log_ndtr",
    lambda x: jss.log_ndtr(x),
    lambda xp, g, input: g / _erfcx(xp, input * -math.sqrt(0.5)) * math.sqrt(2 / math.pi),
    "The logarithm of `ndtr`.",
    dtypes=_real("log_ndtr_cpu", half=False),
    node="SpecialLogNdtrBackward0",
)

# -- gamma -----------------------------------------------------------------------------------------


def _digamma(x: Any) -> Any:
    import jax.numpy as jnp

    # PyTorch: an infinity of the opposite sign at zero, nan at the other poles.
    found = jss.digamma(jnp.where(x == 0, 1, x))
    pole = (x < 0) & (x == jnp.floor(x))
    return jnp.where(x == 0, jnp.copysign(jnp.inf, -x).astype(x.dtype), jnp.where(pole, jnp.nan, found))


def _polygamma(n: int, x: Any) -> Any:
    if n == 0:
        return _digamma(x)
    if n == 1:
        return _trigamma(x)
    return _higher_polygamma(n)(x)


@functools.cache
def _higher_polygamma(n: int) -> Any:
    """`polygamma` as JAX may differentiate it: not through the sum."""
    import jax

    sign = 1.0 if n % 2 else -1.0
    function = jax.custom_jvp(lambda x: sign * math.factorial(n) * _zeta(n + 1.0, x))
    function.defjvps(lambda tangent, _, x: tangent * _polygamma(n + 1, x))
    return function


def _zeta(x: Any, q: Any) -> Any:
    """Hurwitz's zeta; below zero, where JAX's is not defined, the first terms are added up to the first
    positive one.
    """
    import jax.numpy as jnp
    from jax import lax

    x, q = jnp.broadcast_arrays(jnp.asarray(x, q.dtype), q)
    steps = jnp.where(jnp.isfinite(q), jnp.clip(jnp.ceil(-q), 0, 10_000), 0)

    def add(k: Any, total: Any) -> Any:
        return total + jnp.where(k < steps, jnp.power(q + k, -x), 0)

    first = lax.fori_loop(0, jnp.max(steps, initial=0).astype(int), add, jnp.zeros_like(q))
    found = first + jss.zeta(x, q + steps)
    at_pole = (q <= 0) & (q == jnp.floor(q))
    undefined = (x < 1) | ((q < 0) & (x != jnp.floor(x)))
    found = jnp.where(at_pole, jnp.inf, jnp.where(undefined, jnp.nan, found))
    return jnp.where(x < 1, jnp.nan, jnp.where(x == 1, jnp.inf, found))


def _trigamma(x: Any) -> Any:
    """The second derivative of log gamma: reflection below 0.5, a recurrence, the asymptotic series."""
    import jax.numpy as jnp

    reflected = x < 0.5
    z = jnp.where(reflected, 1 - x, x)
    total = jnp.zeros_like(z)
    for _ in range(6):
        total = total + 1 / (z * z)
        z = z + 1
    square = 1 / (z * z)
    series = (1 + 1 / (2 * z) + square * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30)))) / z
    total = total + series
    sine = jnp.sin(jnp.pi * x)
    return jnp.where(reflected, (math.pi / sine) ** 2 - total, total)


digamma = _jax_unary(
    "digamma special.digamma special.psi",
    _digamma,
    lambda g, input: g * _polygamma(1, input),
    "The derivative of the logarithm of gamma.",
    dtypes=_real("digamma"),
)
lgamma = _jax_unary(
    "lgamma special.gammaln",
    lambda x: jss.gammaln(x),
    lambda g, input: g * _digamma(input),
    "The logarithm of the size of gamma.",
    dtypes=_real("lgamma_vml_cpu"),
)


@op(
    promote=FLOATING,
    shape=lambda input, n: input.shape,
    pointwise=True,
    dtypes=_real("polygamma"),
    node="PolygammaBackward",
)
def polygamma_values(input: Array, n: int) -> Array:
    """The n-th derivative of digamma."""
    return _polygamma(n, input)


@polygamma_values.gradient("input")
def _(g: Array, input: Array, n: int) -> Array:
    return g * _polygamma(n + 1, input)


@function("polygamma", "special.polygamma", out=True)
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma."""
    n = integer(n, "polygamma", "n", 1)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return apply(polygamma_values, (input, n))


@function("Tensor.polygamma", "Tensor.polygamma_")
def polygamma_method(input: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma."""
    return polygamma(n, input)


def _check_mvlgamma(name: str, input: Meta, p: int) -> None:
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    refuses("c", "mvlgamma is not supported for complex tensors")(name, input)


@op(
    "mvlgamma",
    "special.multigammaln",
    "Tensor.mvlgamma",
    "Tensor.mvlgamma_",
    out=True,
    promote=FLOATING,
    shape=lambda input, p: input.shape,
    pointwise=True,
    dtypes=_check_mvlgamma,
)
def mvlgamma(input: Array, p: int) -> Array:
    """The logarithm of the gamma function of `p` dimensions."""
    total: Any = p * (p - 1) / 4 * math.log(math.pi)
    for i in range(p):
        total = total + jss.gammaln(input - i / 2)
    return total


@mvlgamma.gradient("input")
def _(g: Array, input: Array, p: int) -> Array:
    return g * sum(_digamma(input - i / 2) for i in range(p))


@op(
    "igamma",
    "special.gammainc",
    "Tensor.igamma",
    "Tensor.igamma_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("hf", "igamma_cpu"),
)
def gammainc(input: Array, other: Array) -> Array:
    """The lower regularized incomplete gamma function."""
    return jss.gammainc(input, other)


@op(
    "igammac",
    "special.gammaincc",
    "Tensor.igammac",
    "Tensor.igammac_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("hf", "igammac_cpu"),
)
def gammaincc(input: Array, other: Array) -> Array:
    """The upper regularized incomplete gamma function."""
    return jss.gammaincc(input, other)


def _gamma_density(xp: Any, a: Any, x: Any) -> Any:
    return xp.exp((a - 1) * xp.log(x) - x - jss.gammaln(a))


@gammainc.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return g * _gamma_density(xp, input, other)


@gammaincc.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return -g * _gamma_density(xp, input, other)


@op(promote=FLOATING, shape=broadcast, dtypes=_real("zeta_cpu", half=False), node="SpecialZetaBackward0")
def zeta_values(input: Array, other: Operand) -> Array:
    """Hurwitz's zeta function."""
    return _zeta(input, other)


@zeta_values.gradient("other")
def _(g: Array, input: Array, other: Array) -> Array:
    return g * -input * _zeta(input + 1, other)


@function("special.zeta", out=True)
def zeta(input: Any, other: Any) -> Tensor:
    """Hurwitz's zeta function: the sum of `(k + other) ** -input` over all k from 0."""
    return apply(zeta_values, (as_operand(input, other), other))


# -- modified Bessel functions of the first kind ---------------------------------------------------


def _i1_gradient(xp: Any, g: Any, input: Any, output: Any) -> Any:
    away = xp.abs(input) > np.finfo(input.dtype).eps
    safe = xp.where(away, input, 1)
    return g * xp.where(away, jss.i0(input) - output / safe, 0.5)


def _i1e_gradient(xp: Any, g: Any, input: Any, output: Any) -> Any:
    away = xp.abs(input) > np.finfo(input.dtype).eps
    safe = xp.where(away, input, 1)
    return g * xp.where(away, jss.i0e(input) - output * (xp.sign(input) + 1 / safe), 0.5)


i0 = _jax_unary(
    "i0 special.i0",
    lambda x: jss.i0(x),
    lambda g, input: g * jss.i1(input),
    "The modified Bessel function of the first kind and order 0.",
    dtypes=_real("i0_vml_cpu"),
)
i0e = _jax_unary(
    "special.i0e",
    lambda x: jss.i0e(x),
    lambda xp, g, input, output: g * (jss.i1e(input) - xp.sign(input) * output),
    "`exp(-abs(input)) * i0(input)`.",
    dtypes=_real("i0e_cpu"),
    node="SpecialI0EBackward0",
)
i1 = _jax_unary(
    "special.i1",
    lambda x: jss.i1(x),
    _i1_gradient,
    "The modified Bessel function of the first kind and order 1.",
    dtypes=_real("i1_cpu"),
    node="SpecialI1Backward0",
)
i1e = _jax_unary(
    "special.i1e",
    lambda x: jss.i1e(x),
    _i1e_gradient,
    "`exp(-abs(input)) * i1(input)`.",
    dtypes=_real("i1e_cpu"),
    node="SpecialI1EBackward0",
)

# -- probabilities ---------------------------------------------------------------------------------


def _entropy(xp: Any, x: Any) -> Any:
    inside = xp.where(x == 0, 0, -x * xp.log(x))
    return xp.where(xp.isnan(x), x, xp.where(x >= 0, inside, -np.inf)).astype(x.dtype)


entr = unary(
    "special.entr",
    _entropy,
    lambda xp, g, input: g * -(1 + xp.log(input)),
    "`-input * log(input)`.",
    dtypes=_real("entr_cpu"),
    node="SpecialEntrBackward0",
)


@op(
    "logit",
    "logit_",
    "special.logit",
    "Tensor.logit",
    "Tensor.logit_",
    out=True,
    promote=FLOATING,
    shape=lambda input, *_: input.shape,
    pointwise=True,
    dtypes=_real("logit_cpu"),
)
def logit(xp: Any, input: Array, eps: Scalar | None = None) -> Array:
    """Log-odds of a probability, `log(input / (1 - input))`; `eps` first clamps it to `[eps, 1 - eps]`."""
    p = input if eps is None else xp.minimum(xp.maximum(input, eps), 1 - eps)
    return xp.log(p / (1 - p))


@logit.gradient("input")
def _(xp: Any, g: Array, input: Array, eps: Any) -> Array:
    low, beyond = (0, np.nan) if eps is None else (eps, 0)
    slope = g / (input * (1 - input))
    return xp.where((input < low) | (input > 1 - low), beyond, slope).astype(g.dtype)
