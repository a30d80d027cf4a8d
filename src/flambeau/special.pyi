"""PyTorch's `torch.special`: handed on from the declarations in `_ops`.

Written by `tools/stubs.py`: change the declarations in `_ops`, not this file.
"""

# mypy: disable-error-code="override"

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeAlias, overload

from flambeau import return_types as _results
from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as _dtype
from flambeau._core.dtype import layout as _layout
from flambeau._core.dtype import memory_format as _memory_format
from flambeau._core.random import Generator as _Generator
from flambeau._core.return_types import StructSequence as _StructSequence
from flambeau._core.size import Size as _Size
from flambeau._core.tensor import Tensor as _Tensor

_Number: TypeAlias = _bool | _int | _float | _complex



def airy_ai(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Airy's function Ai."""
def bessel_j0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Bessel's function of the first kind and order 0."""
def bessel_j1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Bessel's function of the first kind and order 1."""
def bessel_y0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Bessel's function of the second kind and order 0."""
def bessel_y1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Bessel's function of the second kind and order 1."""
def chebyshev_polynomial_t(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial T of degree `n`."""
def chebyshev_polynomial_u(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial U of degree `n`."""
def chebyshev_polynomial_v(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial V of degree `n`."""
def chebyshev_polynomial_w(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial W of degree `n`."""
def digamma(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The derivative of the logarithm of gamma."""
def entr(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`-input * log(input)`."""
def erf(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The error function."""
def erfc(input: _Tensor, *, out: Any = None) -> _Tensor:
    """1 minus the error function, exact far out."""
def erfcx(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`exp(input**2) * erfc(input)`."""
def erfinv(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the error function."""
def exp2(input: _Tensor, *, out: Any = None) -> _Tensor:
    """2 to the power of the element."""
def expit(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`1 / (1 + exp(-input))`."""
def expm1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`exp(input) - 1`, exact near zero."""
def gammainc(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The lower regularized incomplete gamma function."""
def gammaincc(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The upper regularized incomplete gamma function."""
def gammaln(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The logarithm of the size of gamma."""
def hermite_polynomial_h(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The physicist's Hermite polynomial of degree `n`."""
def hermite_polynomial_he(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The probabilist's Hermite polynomial of degree `n`."""
def i0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The modified Bessel function of the first kind and order 0."""
def i0e(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`exp(-abs(input)) * i0(input)`."""
def i1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The modified Bessel function of the first kind and order 1."""
def i1e(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`exp(-abs(input)) * i1(input)`."""
def laguerre_polynomial_l(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Laguerre polynomial of degree `n`."""
def legendre_polynomial_p(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Legendre polynomial of degree `n`."""
def log1p(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`log(1 + input)`, exact near zero."""
def log_ndtr(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The logarithm of `ndtr`."""
def log_softmax(input: _Tensor, dim: _int, dtype: _dtype | None = None, *, out: Any = None) -> _Tensor:
    """The logarithm of `softmax`, exact where that is tiny."""
def logit(input: _Tensor, eps: _Number | None = None, *, out: Any = None) -> _Tensor:
    """Log-odds of a probability, `log(input / (1 - input))`; `eps` first clamps it to `[eps, 1 - eps]`."""
def logsumexp(input: _Tensor, dim: _int | Sequence[_int], keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """`log(sum(exp(input)))` over `dim`, without overflow."""
def modified_bessel_i0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The modified Bessel function of the first kind and order 0."""
def modified_bessel_i1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The modified Bessel function of the first kind and order 1."""
def modified_bessel_k0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The modified Bessel function K of order 0."""
def modified_bessel_k1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The modified Bessel function K of order 1."""
def multigammaln(input: _Tensor, p: _int, *, out: Any = None) -> _Tensor:
    """The logarithm of the gamma function of `p` dimensions."""
def ndtr(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The probability that a standard normal number is below."""
def ndtri(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The number below which a standard normal one is with this probability."""
def polygamma(n: _int, input: _Tensor, *, out: Any = None) -> _Tensor:
    """The n-th derivative of digamma."""
def psi(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The derivative of the logarithm of gamma."""
def round(input: _Tensor, *, decimals: _int = 0, out: Any = None) -> _Tensor:
    """The nearest number with `decimals` digits after the point; halves go to the even neighbour."""
def scaled_modified_bessel_k0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`exp(input) * modified_bessel_k0(input)`."""
def scaled_modified_bessel_k1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`exp(input) * modified_bessel_k1(input)`."""
def shifted_chebyshev_polynomial_t(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial T of degree `n`, at `2 * input - 1`."""
def shifted_chebyshev_polynomial_u(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial U of degree `n`, at `2 * input - 1`."""
def shifted_chebyshev_polynomial_v(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial V of degree `n`, at `2 * input - 1`."""
def shifted_chebyshev_polynomial_w(input: Any, n: Any, *, out: Any = None) -> _Tensor:
    """The Chebyshev polynomial W of degree `n`, at `2 * input - 1`."""
def sinc(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`sin(pi * input) / (pi * input)`, 1 at zero."""
def softmax(input: _Tensor, dim: _int, dtype: _dtype | None = None, *, out: Any = None) -> _Tensor:
    """Exponentials that sum to one along `dim`; `dtype` first converts."""
def spherical_bessel_j0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The spherical Bessel function of the first kind and order 0."""
def xlog1py(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """`input * log1p(other)`, 0 where `input` is 0."""
def xlogy(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """`input * log(other)`, 0 where `input` is 0."""
def zeta(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """Hurwitz's zeta function: the sum of `(k + other) ** -input` over all k from 0."""
