"""PyTorch's `torch.masked`: handed on from the declarations in `_ops`.

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



def amax(input: _Tensor, dim: _int | Sequence[_int] | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The greatest element over `dim`, or of everything, where the mask holds."""
def amin(input: _Tensor, dim: _int | Sequence[_int] | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The least element over `dim`, or of everything, where the mask holds."""
def argmax(input: _Tensor, dim: _int | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """Where along `dim`, or in the flat input, the greatest element is; as the input's dtype unless told."""
def argmin(input: _Tensor, dim: _int | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """Where along `dim`, or in the flat input, the least element is; as the input's dtype unless told."""
def cumprod(input: _Tensor, dim: _int, *, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The running product along `dim` of the elements where the mask holds."""
def cumsum(input: _Tensor, dim: _int, *, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The running sum along `dim` of the elements where the mask holds."""
def log_softmax(input: _Tensor, dim: _int, *, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The logarithm of `softmax`."""
def logaddexp(input: _Tensor, other: _Tensor, *, dtype: _dtype | None = None, input_mask: _Tensor | None = None, other_mask: _Tensor | None = None) -> _Tensor:
    """The logarithm of the sum of two exponentials, each counted where its mask holds."""
def logsumexp(input: _Tensor, dim: _int | Sequence[_int] | None = None, *, keepdim: _bool = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The logarithm of the sum over `dim`, or over everything, of the exponentials where the mask holds."""
def mean(input: _Tensor, dim: _int | Sequence[_int] | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The mean over `dim`, or over everything, of the elements where the mask holds; nan where it nowhere does."""
@overload
def median(input: _Tensor) -> _Tensor:
    """The lower median along `dim` of the elements where the mask holds; nan where it nowhere does."""
@overload
def median(input: _Tensor, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.median:
    """The lower median along `dim` of the elements where the mask holds; nan where it nowhere does."""
def norm(input: _Tensor, ord: _float | None = 2.0, dim: _int | Sequence[_int] | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The vector norm over `dim`, or over everything, of the elements where the mask holds."""
def normalize(input: _Tensor, ord: _float, dim: _int, *, eps: _float = 1e-12, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The input divided by its norm along `dim` (by `eps`, if that is more), both where the mask holds."""
def prod(input: _Tensor, dim: _int | Sequence[_int] | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The product over `dim`, or over everything, of the elements where the mask holds."""
def softmax(input: _Tensor, dim: _int, *, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """Softmax along `dim` of the elements where the mask holds; zero elsewhere, nan where it nowhere holds."""
def softmin(input: _Tensor, dim: _int, *, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """`softmax` of the negated input."""
def std(input: _Tensor, dim: _int | Sequence[_int] | None = None, unbiased: _bool | None = None, *, correction: _int | None = None, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The standard deviation over `dim`, or over everything, of the elements where the mask holds."""
def sum(input: _Tensor, dim: _int | Sequence[_int] | None = None, *, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The sum over `dim`, or over everything, of the elements where the mask holds."""
def var(input: _Tensor, dim: _int | Sequence[_int] | None = None, unbiased: _bool | None = None, *, correction: _float | None = None, keepdim: _bool | None = False, dtype: _dtype | None = None, mask: _Tensor | None = None) -> _Tensor:
    """The variance over `dim`, or over everything, of the elements where the mask holds; see `std`."""
