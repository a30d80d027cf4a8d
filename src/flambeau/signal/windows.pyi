"""PyTorch's `torch.signal.windows`: handed on from the declarations in `_ops`.

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



def bartlett(M: _int, *, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """A triangle."""
def blackman(M: _int, *, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """A sum of cosines with the coefficients (0.42, 0.5, 0.08) of alternating sign."""
def cosine(M: _int, *, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """Half a wave of the sine."""
def exponential(M: _int, *, center: _float | None = None, tau: _float = 1.0, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """Falls by a factor e every `tau` values from its center."""
def gaussian(M: _int, *, std: _float = 1.0, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """A bell curve with standard deviation `std`."""
def general_cosine(M: _int, *, a: Iterable[_float], sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """A sum of cosines with coefficients `a` of alternating sign."""
def general_hamming(M: _int, *, alpha: _float = 0.54, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """`alpha - (1 - alpha) * cos`."""
def hamming(M: _int, *, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """A sum of cosines with the coefficients (0.54, 0.46) of alternating sign."""
def hann(M: _int, *, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """A sum of cosines with the coefficients (0.5, 0.5) of alternating sign."""
def kaiser(M: _int, *, beta: _float = 12.0, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """Kaiser's window of shape `beta`."""
def nuttall(M: _int, *, sym: _bool = True, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False) -> _Tensor:
    """A sum of cosines with the coefficients (0.3635819, 0.4891775, 0.1365995, 0.0106411) of alternating sign."""
