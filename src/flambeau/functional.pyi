"""PyTorch's `torch.functional`: handed on from the declarations in `_ops`.

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



def block_diag(*tensors: Any) -> _Tensor:
    """A matrix with the tensors (numbers, rows, matrices) along its diagonal and zeros elsewhere."""
def broadcast_shapes(*shapes: Any) -> _Size:
    """The common shape under broadcasting."""
def broadcast_tensors(*tensors: Any) -> tuple[_Tensor, ...]:
    """All tensors expanded to their common shape; those that have it come back themselves."""
def cartesian_prod(*tensors: _Tensor | Sequence[_Tensor]) -> _Tensor:
    """All combinations of one entry of each vector, as rows."""
def meshgrid(*tensors: _Tensor | Sequence[_Tensor], indexing: str | None = None) -> tuple[_Tensor, ...]:
    """Coordinates of the grid that the vectors span, as views."""
def split(tensor: _Tensor, split_size_or_sections: Any, dim: _int = 0) -> tuple[_Tensor, ...]:
    """Views of consecutive parts of a dimension: of one size, or of a sequence of sizes."""
