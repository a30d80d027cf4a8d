"""What distributions share: parameters of one shape, probabilities and their logarithms, properties worked out once."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from flambeau._core.device import device as Device
from flambeau._core.dtype import dtype as DType
from flambeau._core.dtype import finfo, get_default_dtype
from flambeau._core.modes import enable_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.choice import clamp
from flambeau._ops.construct import tensor
from flambeau._ops.elementary import log, log1p, sigmoid
from flambeau._ops.factory import zeros
from flambeau._ops.random_new import randn
from flambeau._ops.ranges import arange
from flambeau._ops.shape import broadcast_tensors
from flambeau._ops.softmax import softmax

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060

T = TypeVar("T")
R = TypeVar("R")

Number = (int, float, complex)


def broadcast_all(*values: Tensor | float) -> tuple[Tensor, ...]:
    """The values as tensors of one shape; numbers take dtype and device of the first tensor among them.

    Raises: ValueError for what is neither a number nor a tensor.

    >>> tuple(broadcast_all(1.0, zeros(2))[0].shape)
    (2,)
    """
    for value in values:
        if not isinstance(value, (Tensor, *Number)):
            raise ValueError(
                "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                "__torch_function__."
            )
    first = next((value for value in values if isinstance(value, Tensor)), None)
    dtype: DType = get_default_dtype() if first is None else first.dtype
    device: Any = None if first is None else first.device
    found = [
        value if isinstance(value, Tensor) else tensor(value, dtype=dtype, device=device) for value in values
    ]
    return tuple(broadcast_tensors(*found))


def _standard_normal(shape: Sequence[int], dtype: DType, device: Device) -> Tensor:
    return randn(shape, dtype=dtype, device=device)


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    if dim == 0:
        return value
    return value.reshape((*value.shape[: value.dim() - dim], -1)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities from log-odds if `is_binary`, else from logarithms that need not be normalized.

    >>> logits_to_probs(zeros(2)).tolist()
    [0.5, 0.5]
    """
    found: Tensor = sigmoid(logits) if is_binary else softmax(logits, dim=-1)
    return found


def clamp_probs(probs: Tensor) -> Tensor:
    """The probabilities, none nearer to 0 or 1 than the epsilon of their dtype.

    >>> bool(clamp_probs(zeros(1)) > 0)
    True
    """
    eps = finfo(probs.dtype).eps
    found: Tensor = clamp(probs, min=eps, max=1 - eps)
    return found


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log-odds of the probabilities if `is_binary`, else their logarithms.

    >>> probs_to_logits(tensor([0.5]), is_binary=True).tolist()
    [0.0]
    """
    clamped = clamp_probs(probs)
    found: Tensor = log(clamped) - log1p(-clamped) if is_binary else log(clamped)
    return found


class lazy_property(Generic[T, R]):
    """A property that is worked out when first asked for, with gradients, and then kept as an attribute.

    >>> class Once:
    ...     @lazy_property
    ...     def value(self):
    ...         print("working")
    ...         return 3
    >>> once = Once()
    >>> once.value, once.value
    working
    (3, 3)
    """

    def __init__(self, wrapped: Callable[[T], R]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    @overload
    def __get__(self, instance: None, obj_type: Any = None) -> _lazy_property_and_property[T, R]: ...

    @overload
    def __get__(self, instance: T, obj_type: Any = None) -> R: ...

    def __get__(self, instance: T | None, obj_type: Any = None) -> R | _lazy_property_and_property[T, R]:
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _lazy_property_and_property(lazy_property[T, R], builtins.property):
    """What a class shows of its lazy property: `property`, to tools that write documentation."""

    def __init__(self, wrapped: Callable[[T], R]) -> None:
        builtins.property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements of square matrices on and below a diagonal, row by row, as vectors.

    Raises: ValueError for a diagonal outside the matrix.

    >>> tril_matrix_to_vec(tensor([[1, 0], [2, 3]])).tolist()
    [1, 2, 3]
    """
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    places = arange(n, device=mat.device)
    return mat[..., places < places.view(-1, 1) + (diag + 1)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Square matrices whose elements on and below a diagonal are those of the vectors, row by row.

    Raises: ValueError, if no matrix has so many.

    >>> vec_to_tril_matrix(tensor([1, 2, 3])).tolist()
    [[1, 0], [2, 3]]
    """
    length = vec.shape[-1]
    # The positive root of n * (n + 1 + 2 * diag) / 2 = length, with what is cut off above the diagonal added.
    twice = -(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * length + 4 * abs(diag) * (diag + 1)) ** 0.5
    n = round(twice / 2)
    if twice % 2 > finfo(get_default_dtype()).eps:
        raise ValueError(
            f"The size of last dimension is {length} which cannot be expressed as "
            "the lower triangular part of a square D x D matrix."
        )
    matrix = zeros((*vec.shape[:-1], n, n), dtype=vec.dtype, device=vec.device)
    places = arange(n, device=vec.device)
    matrix[..., places < places.view(-1, 1) + (diag + 1)] = vec
    return matrix
