"""PyTorch's `torch.fft`: handed on from the declarations in `_ops`.

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


from flambeau._core.tensor import Tensor as Tensor

def fft(input: _Tensor, n: _int | None = None, dim: _int = -1, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The discrete Fourier transform along a dimension."""
def fft2(input: _Tensor, s: Any = None, dim: Any = ..., norm: str | None = None, *, out: Any = None) -> _Tensor:
    """`fftn` over the last two dimensions."""
def fftfreq(n: _int, d: _float = 1.0, *, out: Any = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """The frequencies of `fft`'s results, for samples `d` apart: zero, the positive, the negative ones."""
def fftn(input: _Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The discrete Fourier transform over several dimensions."""
def fftshift(input: _Tensor, dim: Any = None) -> _Tensor:
    """Moves the zero frequency to the middle."""
def hfft(input: _Tensor, n: _int | None = None, dim: _int = -1, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The transform of a signal that is conjugate to its mirror image, given by one half; real."""
def hfft2(input: _Tensor, s: Any = None, dim: Any = ..., norm: str | None = None, *, out: Any = None) -> _Tensor:
    """`hfftn` over the last two dimensions."""
def hfftn(input: _Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """`hfft` over several dimensions, the last one halved."""
def ifft(input: _Tensor, n: _int | None = None, dim: _int = -1, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The inverse of `fft`."""
def ifft2(input: _Tensor, s: Any = None, dim: Any = ..., norm: str | None = None, *, out: Any = None) -> _Tensor:
    """`ifftn` over the last two dimensions."""
def ifftn(input: _Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The inverse of `fftn`."""
def ifftshift(input: _Tensor, dim: Any = None) -> _Tensor:
    """The inverse of `fftshift`."""
def ihfft(input: _Tensor, n: _int | None = None, dim: _int = -1, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The inverse of `hfft`."""
def ihfft2(input: _Tensor, s: Any = None, dim: Any = ..., norm: str | None = None, *, out: Any = None) -> _Tensor:
    """`ihfftn` over the last two dimensions."""
def ihfftn(input: _Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The inverse of `hfftn`."""
def irfft(input: _Tensor, n: _int | None = None, dim: _int = -1, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The inverse of `rfft`; `n` tells odd sizes from even ones."""
def irfft2(input: _Tensor, s: Any = None, dim: Any = ..., norm: str | None = None, *, out: Any = None) -> _Tensor:
    """`irfftn` over the last two dimensions."""
def irfftn(input: _Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The inverse of `rfftn`; `s` tells odd sizes from even ones."""
def rfft(input: _Tensor, n: _int | None = None, dim: _int = -1, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The transform of real numbers, without the half that is conjugate to the other."""
def rfft2(input: _Tensor, s: Any = None, dim: Any = ..., norm: str | None = None, *, out: Any = None) -> _Tensor:
    """`rfftn` over the last two dimensions."""
def rfftfreq(n: _int, d: _float = 1.0, *, out: Any = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """The frequencies of `rfft`'s results, for samples `d` apart."""
def rfftn(input: _Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> _Tensor:
    """The transform of real numbers over several dimensions, the last one halved."""
