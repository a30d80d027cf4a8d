"""The operations that are methods of Tensor.

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


class TensorMethods:
    @property
    def H(self) -> _Tensor: ...
    @property
    def T(self) -> _Tensor: ...
    def __abs__(self) -> _Tensor: ...
    def __add__(self, other: Any) -> _Tensor:
        """`input + alpha * other`, with broadcasting and type promotion."""
    def __and__(self, other: Any) -> _Tensor:
        """Bits set in both."""
    def __array_wrap__(self, array: Any) -> _Tensor:
        """What NumPy's functions hand back after computing with this tensor's values."""
    def __delitem__(self, key: Any) -> None:
        """Tensors keep their shape: nothing can be deleted."""
    def __div__(self, other: Any) -> _Tensor:
        """`input / other`; integers give the default dtype."""
    def __dlpack__(self, *, stream: Any = -1, max_version: Any = None, dl_device: Any = None, copy: Any = None) -> Any:
        """A capsule on this tensor's memory, for `from_dlpack` of another library."""
    def __dlpack_device__(self) -> tuple[_int, _int]:
        """DLPack's numbers for this tensor's device."""
    def __eq__(self, other: Any) -> _Tensor:
        """Whether elements are equal."""
    def __floordiv__(self, other: Any) -> _Tensor:
        """The quotient rounded down."""
    def __ge__(self, other: Any) -> _Tensor:
        """Whether elements are greater or equal."""
    def __getitem__(self, key: Any) -> _Tensor:
        """The part of the tensor that `key` names: a view if it holds only integers, slices, None and ...."""
    def __gt__(self, other: Any) -> _Tensor:
        """Whether elements are greater."""
    def __iadd__(self, other: Any) -> _Tensor:
        """`input + alpha * other`, with broadcasting and type promotion."""
    def __iand__(self, other: Any) -> _Tensor:
        """Bits set in both."""
    def __idiv__(self, other: Any) -> _Tensor:
        """`input / other`; integers give the default dtype."""
    def __ifloordiv__(self, other: Any) -> _Tensor:
        """The quotient rounded down."""
    def __ilshift__(self, other: Any) -> _Tensor:
        """Bits moved up; 0 where the shift is negative or beyond the width."""
    def __imod__(self, other: Any) -> _Tensor:
        """The remainder with the sign of the divisor."""
    def __imul__(self, other: Any) -> _Tensor:
        """`input * other`, with broadcasting and type promotion."""
    def __invert__(self) -> _Tensor: ...
    def __ior__(self, other: Any) -> _Tensor:
        """Bits set in one or both."""
    def __ipow__(self, exponent: Any) -> _Tensor:
        """`input ** exponent`; either may be a number."""
    def __irshift__(self, other: Any) -> _Tensor:
        """Bits moved down, the sign kept; a shift that is negative or beyond the width leaves the sign alone."""
    def __isub__(self, other: Any) -> _Tensor:
        """`input - alpha * other`, with broadcasting and type promotion."""
    def __itruediv__(self, other: Any) -> _Tensor:
        """`input / other`; integers give the default dtype."""
    def __ixor__(self, other: Any) -> _Tensor:
        """Bits set in just one."""
    def __le__(self, other: Any) -> _Tensor:
        """Whether elements are less or equal."""
    def __long__(self) -> Any: ...
    def __lshift__(self, other: Any) -> _Tensor:
        """Bits moved up; 0 where the shift is negative or beyond the width."""
    def __lt__(self, other: Any) -> _Tensor:
        """Whether elements are less."""
    def __matmul__(self, other: Any) -> _Tensor: ...
    def __mod__(self, other: Any) -> _Tensor:
        """The remainder with the sign of the divisor."""
    def __mul__(self, other: Any) -> _Tensor:
        """`input * other`, with broadcasting and type promotion."""
    def __ne__(self, other: Any) -> _Tensor:
        """Whether elements differ."""
    def __neg__(self) -> _Tensor: ...
    def __nonzero__(self) -> Any: ...
    def __or__(self, other: Any) -> _Tensor:
        """Bits set in one or both."""
    def __pos__(self) -> _Tensor: ...
    def __pow__(self, other: Any) -> _Tensor: ...
    def __radd__(self, other: Any) -> _Tensor:
        """`input + alpha * other`, with broadcasting and type promotion."""
    def __rand__(self, other: Any) -> _Tensor:
        """Bits set in both."""
    def __rdiv__(self, other: Any) -> _Tensor:
        """`other / input` for a number `other`, as the reciprocal times the number, which is how PyTorch rounds it."""
    def __reversed__(self) -> _Tensor:
        """The entries along the first dimension, from the last to the first."""
    def __rfloordiv__(self, other: Any) -> _Tensor: ...
    def __rlshift__(self, other: Any) -> _Tensor: ...
    def __rmatmul__(self, other: Any) -> _Tensor: ...
    def __rmod__(self, other: Any) -> _Tensor: ...
    def __rmul__(self, other: Any) -> _Tensor:
        """`input * other`, with broadcasting and type promotion."""
    def __ror__(self, other: Any) -> _Tensor:
        """Bits set in one or both."""
    def __rpow__(self, other: Any) -> _Tensor: ...
    def __rrshift__(self, other: Any) -> _Tensor: ...
    def __rshift__(self, other: Any) -> _Tensor:
        """Bits moved down, the sign kept; a shift that is negative or beyond the width leaves the sign alone."""
    def __rsub__(self, other: Any) -> _Tensor:
        """`other - alpha * input`."""
    def __rtruediv__(self, other: Any) -> _Tensor:
        """`other / input` for a number `other`, as the reciprocal times the number, which is how PyTorch rounds it."""
    def __rxor__(self, other: Any) -> _Tensor:
        """Bits set in just one."""
    def __setitem__(self, key: Any, value: Any) -> None:
        """Writes a number or a tensor, which broadcasts, into the part of the tensor that `key` names."""
    def __sub__(self, other: Any) -> _Tensor:
        """`input - alpha * other`, with broadcasting and type promotion."""
    def __truediv__(self, other: Any) -> _Tensor:
        """`input / other`; integers give the default dtype."""
    def __xor__(self, other: Any) -> _Tensor:
        """Bits set in just one."""
    def abs(self) -> _Tensor:
        """The absolute value; of complex numbers, the modulus."""
    def abs_(self) -> Self:
        """`abs` in place; a complex tensor cannot hold its own modulus."""
    def absolute(self) -> _Tensor:
        """The absolute value; of complex numbers, the modulus."""
    def absolute_(self) -> Self:
        """`abs` in place; a complex tensor cannot hold its own modulus."""
    def acos(self) -> _Tensor:
        """The angle with this cosine."""
    def acos_(self) -> Self:
        """The angle with this cosine."""
    def acosh(self) -> _Tensor:
        """The inverse of the hyperbolic cosine."""
    def acosh_(self) -> Self:
        """The inverse of the hyperbolic cosine."""
    def add(self, other: _Tensor | _Number, *, alpha: _Number = 1) -> _Tensor:
        """`input + alpha * other`, with broadcasting and type promotion."""
    def add_(self, other: _Tensor | _Number, *, alpha: _Number = 1) -> Self:
        """`input + alpha * other`, with broadcasting and type promotion."""
    def addbmm(self, batch1: _Tensor, batch2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> _Tensor:
        """`beta * input + alpha * bmm(batch1, batch2).sum(0)`."""
    def addbmm_(self, batch1: _Tensor, batch2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """`addbmm` in place. Unlike others it gives the tensor the shape of the result, if that is larger."""
    def addcdiv(self, tensor1: _Tensor, tensor2: _Tensor, *, value: _Number = 1) -> _Tensor:
        """`input + value * tensor1 / tensor2`."""
    def addcdiv_(self, tensor1: _Tensor, tensor2: _Tensor, *, value: _Number = 1) -> Self:
        """`input + value * tensor1 / tensor2`."""
    def addcmul(self, tensor1: _Tensor, tensor2: _Tensor, *, value: _Number = 1) -> _Tensor:
        """`input + value * tensor1 * tensor2`."""
    def addcmul_(self, tensor1: _Tensor, tensor2: _Tensor, *, value: _Number = 1) -> Self:
        """`input + value * tensor1 * tensor2`."""
    def addmm(self, mat1: _Tensor, mat2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> _Tensor:
        """`beta * input + alpha * (mat1 @ mat2)`."""
    def addmm_(self, mat1: _Tensor, mat2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """`beta * input + alpha * (mat1 @ mat2)`."""
    def addmv(self, mat: _Tensor, vec: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> _Tensor:
        """`beta * input + alpha * (mat @ vec)`."""
    def addmv_(self, mat: _Tensor, vec: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """`beta * input + alpha * (mat @ vec)`."""
    def addr(self, vec1: _Tensor, vec2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> _Tensor:
        """`beta * input + alpha * outer(vec1, vec2)`."""
    def addr_(self, vec1: _Tensor, vec2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """`beta * input + alpha * outer(vec1, vec2)`."""
    def adjoint(self) -> _Tensor:
        """The last two dimensions exchanged, and conjugated."""
    def all(self, dim: _int | Sequence[_int] | None = None, keepdim: _bool = False) -> _Tensor:
        """Whether all elements are other than zero, over `dim` or over everything; uint8 for uint8."""
    def allclose(self, other: _Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _bool:
        """Whether all elements are close; see `isclose`."""
    def amax(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = False) -> _Tensor:
        """The largest element over `dim`; ties share the gradient."""
    def amin(self, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = False) -> _Tensor:
        """The smallest element over `dim`; ties share the gradient."""
    def aminmax(self, *, dim: _int | None = None, keepdim: _bool = False) -> _results.aminmax:
        """The smallest and the largest element, over `dim` or over everything."""
    def angle(self) -> _Tensor:
        """The angle of a complex number to the positive axis: between -pi and pi."""
    def any(self, dim: _int | Sequence[_int] | None = None, keepdim: _bool = False) -> _Tensor:
        """Whether any element is other than zero, over `dim` or over everything; uint8 for uint8."""
    def apply_(self, callable: Callable[[Any], Any]) -> Self:
        """Replaces each element by `callable(element)`."""
    def arccos(self) -> _Tensor:
        """The angle with this cosine."""
    def arccos_(self) -> Self:
        """The angle with this cosine."""
    def arccosh(self) -> _Tensor:
        """The inverse of the hyperbolic cosine."""
    def arccosh_(self) -> Self:
        """The inverse of the hyperbolic cosine."""
    def arcsin(self) -> _Tensor:
        """The angle with this sine."""
    def arcsin_(self) -> Self:
        """The angle with this sine."""
    def arcsinh(self) -> _Tensor:
        """The inverse of the hyperbolic sine."""
    def arcsinh_(self) -> Self:
        """The inverse of the hyperbolic sine."""
    def arctan(self) -> _Tensor:
        """The angle with this tangent."""
    def arctan2(self, other: _Tensor) -> _Tensor:
        """The angle of the point (`other`, `input`)."""
    def arctan2_(self, other: _Tensor) -> Self:
        """The angle of the point (`other`, `input`)."""
    def arctan_(self) -> Self:
        """The angle with this tangent."""
    def arctanh(self) -> _Tensor:
        """The inverse of the hyperbolic tangent."""
    def arctanh_(self) -> Self:
        """The inverse of the hyperbolic tangent."""
    def argmax(self, dim: _int | None = None, keepdim: _bool = False) -> _Tensor:
        """The index of the first largest element, flat or along `dim`."""
    def argmin(self, dim: _int | None = None, keepdim: _bool = False) -> _Tensor:
        """The index of the first smallest element, flat or along `dim`."""
    def argsort(self, dim: _int = -1, descending: _bool = False, *, stable: _bool = False) -> _Tensor:
        """The indices that sort `input` along `dim`."""
    def argwhere(self) -> _Tensor:
        """The positions of the elements that are not zero, a row for each."""
    def as_strided(self, size: Any, stride: Any, storage_offset: _int | None = None) -> _Tensor:
        """A view of the input's storage with any sizes and strides."""
    def as_strided_(self, size: Any, stride: Any, storage_offset: _int | None = None) -> Self:
        """`as_strided`, of this tensor itself."""
    def as_strided_scatter(self, src: _Tensor, size: Any, stride: Any, storage_offset: _int | None = None) -> _Tensor:
        """A copy of the input with `src` at any strides."""
    def asin(self) -> _Tensor:
        """The angle with this sine."""
    def asin_(self) -> Self:
        """The angle with this sine."""
    def asinh(self) -> _Tensor:
        """The inverse of the hyperbolic sine."""
    def asinh_(self) -> Self:
        """The inverse of the hyperbolic sine."""
    def atan(self) -> _Tensor:
        """The angle with this tangent."""
    def atan2(self, other: _Tensor) -> _Tensor:
        """The angle of the point (`other`, `input`)."""
    def atan2_(self, other: _Tensor) -> Self:
        """The angle of the point (`other`, `input`)."""
    def atan_(self) -> Self:
        """The angle with this tangent."""
    def atanh(self) -> _Tensor:
        """The inverse of the hyperbolic tangent."""
    def atanh_(self) -> Self:
        """The inverse of the hyperbolic tangent."""
    def baddbmm(self, batch1: _Tensor, batch2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> _Tensor:
        """`beta * input + alpha * bmm(batch1, batch2)`."""
    def baddbmm_(self, batch1: _Tensor, batch2: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """`beta * input + alpha * bmm(batch1, batch2)`."""
    def bernoulli(self, p: Any = None, *, generator: _Generator | None = None) -> _Tensor:
        """Ones with the probabilities in `input`, and zeros else; `p` is one probability for all."""
    def bernoulli_(self, p: Any = 0.5, *, generator: _Generator | None = None) -> Self:
        """Fills with ones with probability `p`, a number or a tensor of them, and zeros else."""
    def bfloat16(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.bfloat16; itself if it is that already."""
    def bincount(self, weights: _Tensor | None = None, minlength: _int = 0) -> _Tensor:
        """How often each of the numbers 0, 1, 2 ... comes, or the sum of the weights where it does."""
    def bitwise_and(self, other: Any) -> _Tensor:
        """Bits set in both operands."""
    def bitwise_and_(self, other: Any) -> Self:
        """Bits set in both operands."""
    def bitwise_left_shift(self, other: Any) -> _Tensor:
        """`input * 2**other`, dropping what overflows."""
    def bitwise_left_shift_(self, other: Any) -> Self:
        """`input * 2**other`, dropping what overflows."""
    def bitwise_not(self) -> _Tensor:
        """Every bit flipped; of bools, the opposite."""
    def bitwise_not_(self) -> Self:
        """Every bit flipped; of bools, the opposite."""
    def bitwise_or(self, other: Any) -> _Tensor:
        """Bits set in one operand or both."""
    def bitwise_or_(self, other: Any) -> Self:
        """Bits set in one operand or both."""
    def bitwise_right_shift(self, other: Any) -> _Tensor:
        """`input / 2**other`, rounded down."""
    def bitwise_right_shift_(self, other: Any) -> Self:
        """`input / 2**other`, rounded down."""
    def bitwise_xor(self, other: Any) -> _Tensor:
        """Bits set in just one operand."""
    def bitwise_xor_(self, other: Any) -> Self:
        """Bits set in just one operand."""
    def bmm(self, mat2: _Tensor) -> _Tensor:
        """The products of a batch of matrices, `(b, n, k)` and `(b, k, m)`."""
    def bool(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.bool; itself if it is that already."""
    def broadcast_to(self, size: Any) -> _Tensor:
        """The input expanded to a shape."""
    def byte(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.uint8; itself if it is that already."""
    def cauchy_(self, median: _float = 0, sigma: _float = 1, *, generator: _Generator | None = None) -> Self:
        """Fills with numbers of Cauchy's distribution about `median`."""
    def cdouble(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.complex128; itself if it is that already."""
    def ceil(self) -> _Tensor:
        """The next whole number above."""
    def ceil_(self) -> Self:
        """The next whole number above."""
    def cfloat(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.complex64; itself if it is that already."""
    def chalf(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.complex32; itself if it is that already."""
    def char(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.int8; itself if it is that already."""
    def cholesky(self, upper: _bool = False) -> _Tensor:
        """`linalg.cholesky` under its old name."""
    def cholesky_inverse(self, upper: _bool = False) -> _Tensor:
        """The inverse of A from Cholesky's factor of A."""
    def cholesky_solve(self, L: _Tensor, upper: _bool = False) -> _Tensor:
        """The solution of `A X = B` from Cholesky's factor of A."""
    def chunk(self, chunks: _int, dim: _int = 0) -> tuple[_Tensor, ...]:
        """Views of at most `chunks` consecutive parts of a dimension, all but the last of one size."""
    def clamp(self, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None) -> _Tensor:
        """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
    def clamp_(self, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None) -> Self:
        """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
    def clamp_max(self, max: _Tensor | _Number) -> _Tensor:
        """Elements above `max` become `max`."""
    def clamp_max_(self, max: _Tensor | _Number) -> Self:
        """Elements above `max` become `max`."""
    def clamp_min(self, min: _Tensor | _Number) -> _Tensor:
        """Elements below `min` become `min`."""
    def clamp_min_(self, min: _Tensor | _Number) -> Self:
        """Elements below `min` become `min`."""
    def clip(self, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None) -> _Tensor:
        """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
    def clip_(self, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None) -> Self:
        """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
    def clone(self, *, memory_format: _memory_format | None = ...) -> _Tensor:
        """A copy with a storage of its own; gradients flow through it."""
    def combinations(self, r: _int = 2, with_replacement: _bool = False) -> _Tensor:
        """All combinations of `r` entries of a vector, as rows."""
    def conj(self) -> _Tensor:
        """The conjugate, on the same storage; a real tensor is its own."""
    def conj_physical(self) -> _Tensor:
        """The conjugate, stored as such."""
    def conj_physical_(self) -> Self:
        """The conjugate, stored as such."""
    def const_data_ptr(self) -> _int:
        """`data_ptr`, for reading."""
    def contiguous(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor itself if its strides follow `memory_format`, a copy that does otherwise."""
    def copy_(self, src: _Tensor, non_blocking: _bool = False) -> Self:
        """Writes the values of `src`, broadcast and converted, into the tensor."""
    def copysign(self, other: _Tensor | _Number) -> _Tensor:
        """The size of `input` with the sign of `other`."""
    def copysign_(self, other: _Tensor | _Number) -> Self:
        """The size of `input` with the sign of `other`."""
    def corrcoef(self) -> _Tensor:
        """The correlations of the variables in the rows, observed in the columns."""
    def cos(self) -> _Tensor:
        """The cosine."""
    def cos_(self) -> Self:
        """The cosine."""
    def cosh(self) -> _Tensor:
        """The hyperbolic cosine."""
    def cosh_(self) -> Self:
        """The hyperbolic cosine."""
    def count_nonzero(self, dim: _int | Sequence[_int] | None = None) -> _Tensor:
        """How many elements are not zero, along `dim` or in all."""
    def cov(self, *, correction: _int = 1, fweights: _Tensor | None = None, aweights: _Tensor | None = None) -> _Tensor:
        """The covariances of the variables in the rows, observed in the columns."""
    def cpu(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor in host memory; itself if it is there already."""
    def cross(self, other: _Tensor, dim: _int | None = None) -> _Tensor:
        """The cross product along `dim`, or along the first dimension of size 3."""
    def cuda(self, device: DeviceLike = None, non_blocking: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor on a GPU (the first by default); itself if it is there already."""
    def cummax(self, dim: _int) -> _results.cummax:
        """Running maxima along `dim`, and where they stand (the latest of equal ones)."""
    def cummin(self, dim: _int) -> _results.cummin:
        """Running minima along `dim`, and where they stand (the latest of equal ones)."""
    def cumprod(self, dim: _int, *, dtype: _dtype | None = None) -> _Tensor:
        """Running products along `dim`."""
    def cumprod_(self, dim: _int, *, dtype: _dtype | None = None) -> Self:
        """Running products along `dim`."""
    def cumsum(self, dim: _int, *, dtype: _dtype | None = None) -> _Tensor:
        """Running sums along `dim`."""
    def cumsum_(self, dim: _int, *, dtype: _dtype | None = None) -> Self:
        """Running sums along `dim`."""
    def deg2rad(self) -> _Tensor:
        """Degrees as radians."""
    def deg2rad_(self) -> Self:
        """Degrees as radians."""
    def det(self) -> _Tensor:
        """The determinant."""
    def diag(self, diagonal: _int = 0) -> _Tensor:
        """A vector as the diagonal of a matrix, or a copy of a matrix's diagonal."""
    def diag_embed(self, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> _Tensor:
        """The last dimension on a diagonal of two new ones, zeros elsewhere."""
    def diagflat(self, offset: _int = 0) -> _Tensor:
        """A matrix with all elements on a diagonal."""
    def diagonal(self, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> _Tensor:
        """A view of the diagonal of two dimensions, as the last one."""
    def diagonal_scatter(self, src: _Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> _Tensor:
        """A copy of the input with `src` on a diagonal."""
    def diff(self, n: _int = 1, dim: _int = -1, prepend: _Tensor | None = None, append: _Tensor | None = None) -> _Tensor:
        """Differences of neighbours along `dim`, taken `n` times, after joining `prepend` and `append` on."""
    def digamma(self) -> _Tensor:
        """The derivative of the logarithm of gamma."""
    def digamma_(self) -> Self:
        """The derivative of the logarithm of gamma."""
    def dim_order(self, *, ambiguity_check: Any = False) -> tuple[_int, ...]:
        """The dimensions from the one whose steps are longest to the one whose steps are shortest."""
    def dist(self, other: _Tensor, p: _float = 2) -> _Tensor:
        """The norm of order `p` of `input - other`."""
    def div(self, other: Any, *, rounding_mode: str | None = None) -> _Tensor:
        """`input / other`."""
    def div_(self, other: Any, *, rounding_mode: str | None = None) -> Self:
        """`input / other`."""
    def divide(self, other: Any, *, rounding_mode: str | None = None) -> _Tensor:
        """`input / other`."""
    def divide_(self, other: Any, *, rounding_mode: str | None = None) -> Self:
        """`input / other`."""
    def dot(self, tensor: _Tensor) -> _Tensor:
        """The inner product of two vectors."""
    def double(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.float64; itself if it is that already."""
    def dsplit(self, indices_or_sections: Any = None, **named: Any) -> tuple[_Tensor, ...]:
        """Views of parts of a dimension: a number of equal ones, or cut at these places."""
    def eq(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are equal."""
    def eq_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are equal."""
    def equal(self, other: _Tensor) -> _bool:
        """Whether two tensors have the same shape and elements."""
    def erf(self) -> _Tensor:
        """The error function."""
    def erf_(self) -> Self:
        """The error function."""
    def erfc(self) -> _Tensor:
        """1 minus the error function, exact far out."""
    def erfc_(self) -> Self:
        """1 minus the error function, exact far out."""
    def erfinv(self) -> _Tensor:
        """The inverse of the error function."""
    def erfinv_(self) -> Self:
        """The inverse of the error function."""
    def exp(self) -> _Tensor:
        """e to the power of the element."""
    def exp2(self) -> _Tensor:
        """2 to the power of the element."""
    def exp2_(self) -> Self:
        """2 to the power of the element."""
    def exp_(self) -> Self:
        """e to the power of the element."""
    def expand(self, *size: Any, implicit: _bool = False, **named: Any) -> _Tensor:
        """A view that repeats dimensions of size 1, and new ones in front; -1 keeps a size."""
    def expand_as(self, other: _Tensor) -> _Tensor:
        """This tensor expanded to the shape of `other`."""
    def expm1(self) -> _Tensor:
        """`exp(input) - 1`, exact near zero."""
    def expm1_(self) -> Self:
        """`exp(input) - 1`, exact near zero."""
    def exponential_(self, lambd: _float = 1, *, generator: _Generator | None = None) -> Self:
        """Fills with waiting times between events that come `lambd` times in a unit."""
    def fill_(self, value: Any) -> Self:
        """Sets every element to `value`, a number or a 0-d tensor. Elements that share memory may be filled, too."""
    def fill_diagonal_(self, fill_value: Any, wrap: _bool = False) -> Self:
        """Sets the main diagonal to `fill_value`."""
    def fix(self) -> _Tensor:
        """The whole number towards zero."""
    def fix_(self) -> Self:
        """The whole number towards zero."""
    def flatten(self, start_dim: _int = 0, end_dim: _int = -1) -> _Tensor:
        """The dimensions from `start_dim` to `end_dim` as one."""
    def flip(self, *dims: Any) -> _Tensor:
        """A copy with the entries of these dimensions in reverse."""
    def fliplr(self) -> _Tensor:
        """A copy with the columns in reverse."""
    def flipud(self) -> _Tensor:
        """A copy with the rows in reverse."""
    def float(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.float32; itself if it is that already."""
    def float_power(self, exponent: _Tensor | _complex) -> _Tensor:
        """`input ** exponent` in float64, or complex128 for complex operands."""
    def float_power_(self, exponent: Any) -> Self:
        """`float_power` in place, for tensors that are wide enough."""
    def floor(self) -> _Tensor:
        """The next whole number below."""
    def floor_(self) -> Self:
        """The next whole number below."""
    def floor_divide(self, other: Any) -> _Tensor:
        """`input / other`, rounded down; integers stay integers."""
    def floor_divide_(self, other: Any) -> Self:
        """`input / other`, rounded down; integers stay integers."""
    def fmax(self, other: _Tensor) -> _Tensor:
        """The larger element of each pair; a nan loses against a number."""
    def fmin(self, other: _Tensor) -> _Tensor:
        """The smaller element of each pair; a nan loses against a number."""
    def fmod(self, other: _Tensor | _Number) -> _Tensor:
        """The remainder of `input / other` with the sign of `input`, as C's fmod."""
    def fmod_(self, other: _Tensor | _Number) -> Self:
        """The remainder of `input / other` with the sign of `input`, as C's fmod."""
    def frac(self) -> _Tensor:
        """What `trunc` takes away."""
    def frac_(self) -> Self:
        """What `trunc` takes away."""
    def frexp(self) -> _results.frexp:
        """(mantissa, exponent) with `input == mantissa * 2**exponent` and mantissas of size 0.5 to 1."""
    def gather(self, dim: _int, index: _Tensor, *, sparse_grad: _bool = False) -> _Tensor:
        """For each element of `index` the element of `input` that it names along `dim`; the other positions stay."""
    def gcd(self, other: _Tensor) -> _Tensor:
        """The greatest common divisor."""
    def gcd_(self, other: _Tensor) -> Self:
        """The greatest common divisor."""
    def ge(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are greater or equal."""
    def ge_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are greater or equal."""
    def geometric_(self, p: _float, *, generator: _Generator | None = None) -> Self:
        """Fills with how many trials of chance `p` it takes to succeed."""
    def geqrf(self) -> _results.geqrf:
        """QR in LAPACK's compact form: R above the diagonal, reflections below it and in tau."""
    def ger(self, vec2: _Tensor) -> _Tensor:
        """All products of an element of one vector with one of the other."""
    def greater(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are greater."""
    def greater_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are greater."""
    def greater_equal(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are greater or equal."""
    def greater_equal_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are greater or equal."""
    def gt(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are greater."""
    def gt_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are greater."""
    def half(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.float16; itself if it is that already."""
    def hardshrink(self, lambd: _Number = 0.5) -> _Tensor:
        """0 between `-lambd` and `lambd`, `input` elsewhere."""
    def hash_tensor(self, dim: _int | Sequence[_int] | None = ..., *, keepdim: _bool = False, mode: _int = 0) -> _Tensor:
        """The exclusive or of all elements, or along `dim`: of the bits of float64 or int64, to which they are cast."""
    def heaviside(self, values: _Tensor) -> _Tensor:
        """0 below zero, 1 above, `values` at zero."""
    def heaviside_(self, values: _Tensor) -> Self:
        """0 below zero, 1 above, `values` at zero."""
    def histc(self, bins: _int = 100, min: Any = 0, max: Any = 0) -> _Tensor:
        """How many elements fall into each of `bins` equal parts of the range from `min` to `max`."""
    def histogram(self, bins: Any, *, range: Any = None, weight: _Tensor | None = None, density: _bool = False) -> Any:
        """Counts of the elements between edges, and the edges."""
    def histogramdd(self, bins: Any, range: Any = None, weight: _Tensor | None = None, density: _bool = False) -> Any:
        """Counts of points in boxes; the last dimension of `input` holds coordinates."""
    def hsplit(self, indices_or_sections: Any = None, **named: Any) -> tuple[_Tensor, ...]:
        """Views of parts of a dimension: a number of equal ones, or cut at these places."""
    def hypot(self, other: _Tensor) -> _Tensor:
        """`sqrt(input**2 + other**2)` without overflow."""
    def hypot_(self, other: _Tensor) -> Self:
        """`sqrt(input**2 + other**2)` without overflow."""
    def i0(self) -> _Tensor:
        """The modified Bessel function of the first kind and order 0."""
    def i0_(self) -> Self:
        """The modified Bessel function of the first kind and order 0."""
    def igamma(self, other: _Tensor) -> _Tensor:
        """The lower regularized incomplete gamma function."""
    def igamma_(self, other: _Tensor) -> Self:
        """The lower regularized incomplete gamma function."""
    def igammac(self, other: _Tensor) -> _Tensor:
        """The upper regularized incomplete gamma function."""
    def igammac_(self, other: _Tensor) -> Self:
        """The upper regularized incomplete gamma function."""
    @property
    def imag(self) -> _Tensor: ...
    def index_add(self, dim: _int, index: _Tensor, source: _Tensor, *, alpha: _Number = 1) -> _Tensor:
        """`input` with `alpha` times the slices of `source` added at the indices along `dim`."""
    def index_add_(self, dim: _int, index: _Tensor, source: _Tensor, *, alpha: _Number = 1) -> Self:
        """`input` with `alpha` times the slices of `source` added at the indices along `dim`."""
    def index_copy(self, dim: _int, index: _Tensor, source: _Tensor) -> _Tensor:
        """`input` with the slices of `source` in place of those at the indices along `dim`."""
    def index_copy_(self, dim: _int, index: _Tensor, source: _Tensor) -> Self:
        """`input` with the slices of `source` in place of those at the indices along `dim`."""
    def index_fill(self, dim: _int, index: _Tensor, value: _Tensor | _complex) -> _Tensor:
        """`input` with a number, or a 0-d tensor's value, in the slices at the indices along `dim`."""
    def index_fill_(self, dim: _int, index: _Tensor, value: _Tensor | _complex) -> Self:
        """`input` with a number, or a 0-d tensor's value, in the slices at the indices along `dim`."""
    def index_put(self, indices: Any, values: _Tensor, accumulate: _bool = False) -> _Tensor:
        """`input` with `values` at `indices`, a tuple of index tensors or masks; `accumulate` adds them."""
    def index_put_(self, indices: Any, values: _Tensor, accumulate: _bool = False) -> Self:
        """`input` with `values` at `indices`, a tuple of index tensors or masks; `accumulate` adds them."""
    def index_reduce(self, dim: _int, index: _Tensor, source: _Tensor, reduce: str, *, include_self: _bool = True) -> _Tensor:
        """`input` with the slices of `source` reduced into those at the indices along `dim`."""
    def index_reduce_(self, dim: _int, index: _Tensor, source: _Tensor, reduce: str, *, include_self: _bool = True) -> Self:
        """`input` with the slices of `source` reduced into those at the indices along `dim`."""
    def index_select(self, dim: _int, index: _Tensor) -> _Tensor:
        """The slices of `input` along `dim` that a vector of indices names, as a copy."""
    def inner(self, other: _Tensor) -> _Tensor:
        """Products over the last dimension of both."""
    def int(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.int32; itself if it is that already."""
    def inverse(self) -> _Tensor:
        """The inverse of a square matrix, or of each of a batch."""
    def ipu(self, device: DeviceLike = None, non_blocking: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor on a device of type ipu."""
    def is_conj(self) -> _bool:
        """Whether the tensor is a conjugate view."""
    def is_neg(self) -> _bool:
        """Whether values are stored negated: never, here."""
    def is_nonzero(self) -> _bool:
        """Whether the only element is not zero."""
    def is_same_size(self, other: _Tensor) -> _bool:
        """Whether two tensors have the same shape."""
    def isclose(self, other: _Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _Tensor:
        """Whether `abs(input - other) <= atol + rtol * abs(other)`."""
    def isfinite(self) -> _Tensor:
        """Whether elements are neither infinite nor nan."""
    def isinf(self) -> _Tensor:
        """Whether elements are infinite."""
    def isnan(self) -> _Tensor:
        """Whether elements are nan."""
    def isneginf(self) -> _Tensor:
        """Whether elements are -inf."""
    def isposinf(self) -> _Tensor:
        """Whether elements are +inf."""
    def isreal(self) -> _Tensor:
        """Whether elements have no imaginary part."""
    def istft(self, n_fft: _int, hop_length: _int | None = None, win_length: _int | None = None, window: _Tensor | None = None, center: _bool = True, normalized: _bool = False, onesided: _bool | None = None, length: _int | None = None, return_complex: _bool = False) -> _Tensor:
        """The signal whose short-time transform this is (in the sense of least squares)."""
    def kron(self, other: _Tensor) -> _Tensor:
        """The Kronecker product: each element of `input` times the whole of `other`, side by side."""
    def kthvalue(self, k: _int, dim: _int = -1, keepdim: _bool = False) -> _results.kthvalue:
        """The `k`-th smallest element along `dim` (1 is the smallest), and its index."""
    def lcm(self, other: _Tensor) -> _Tensor:
        """The least common multiple."""
    def lcm_(self, other: _Tensor) -> Self:
        """The least common multiple."""
    def ldexp(self, other: _Tensor) -> _Tensor:
        """`input * 2**other`."""
    def ldexp_(self, other: _Tensor) -> Self:
        """`input * 2**other`."""
    def le(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are less or equal."""
    def le_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are less or equal."""
    def lerp(self, end: _Tensor, weight: _Tensor | _Number) -> _Tensor:
        """From `input` (weight 0) to `end` (weight 1), in the form that is exact at the nearer one."""
    def lerp_(self, end: _Tensor, weight: _Tensor | _Number) -> Self:
        """From `input` (weight 0) to `end` (weight 1), in the form that is exact at the nearer one."""
    def less(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are less."""
    def less_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are less."""
    def less_equal(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are less or equal."""
    def less_equal_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are less or equal."""
    def lgamma(self) -> _Tensor:
        """The logarithm of the size of gamma."""
    def lgamma_(self) -> Self:
        """The logarithm of the size of gamma."""
    def log(self) -> _Tensor:
        """The natural logarithm."""
    def log10(self) -> _Tensor:
        """The logarithm to base 10."""
    def log10_(self) -> Self:
        """The logarithm to base 10."""
    def log1p(self) -> _Tensor:
        """`log(1 + input)`, exact near zero."""
    def log1p_(self) -> Self:
        """`log(1 + input)`, exact near zero."""
    def log2(self) -> _Tensor:
        """The logarithm to base 2."""
    def log2_(self) -> Self:
        """The logarithm to base 2."""
    def log_(self) -> Self:
        """The natural logarithm."""
    def log_normal_(self, mean: _float = 1, std: _float = 2, *, generator: _Generator | None = None) -> Self:
        """Fills with the exponential of normals with that mean and deviation."""
    def log_softmax(self, dim: _int, dtype: _dtype | None = None) -> _Tensor:
        """The logarithm of `softmax`, exact where that is tiny."""
    def logaddexp(self, other: _Tensor) -> _Tensor:
        """`log(exp(input) + exp(other))` without overflow."""
    def logaddexp2(self, other: _Tensor) -> _Tensor:
        """`log2(2**input + 2**other)` without overflow."""
    def logcumsumexp(self, dim: _int) -> _Tensor:
        """The logarithm of running sums of exponentials along `dim`, without overflow."""
    def logdet(self) -> _Tensor:
        """The logarithm of the determinant; nan for a negative one."""
    def logical_and(self, other: _Tensor) -> _Tensor:
        """Whether both elements are other than zero."""
    def logical_and_(self, other: _Tensor) -> Self:
        """Whether both elements are other than zero."""
    def logical_not(self) -> _Tensor:
        """Whether the element is zero."""
    def logical_not_(self) -> Self:
        """Whether the element is zero."""
    def logical_or(self, other: _Tensor) -> _Tensor:
        """Whether one of the elements is other than zero."""
    def logical_or_(self, other: _Tensor) -> Self:
        """Whether one of the elements is other than zero."""
    def logical_xor(self, other: _Tensor) -> _Tensor:
        """Whether exactly one of the elements is other than zero."""
    def logical_xor_(self, other: _Tensor) -> Self:
        """Whether exactly one of the elements is other than zero."""
    def logit(self, eps: _Number | None = None) -> _Tensor:
        """Log-odds of a probability, `log(input / (1 - input))`; `eps` first clamps it to `[eps, 1 - eps]`."""
    def logit_(self, eps: _Number | None = None) -> Self:
        """Log-odds of a probability, `log(input / (1 - input))`; `eps` first clamps it to `[eps, 1 - eps]`."""
    def logsumexp(self, dim: _int | Sequence[_int], keepdim: _bool = False) -> _Tensor:
        """`log(sum(exp(input)))` over `dim`, without overflow."""
    def long(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.int64; itself if it is that already."""
    def lt(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements are less."""
    def lt_(self, other: _Tensor | _Number) -> Self:
        """Whether elements are less."""
    def lu(self, pivot: _bool = True, get_infos: _bool = False) -> _results.linalg_lu:
        """`linalg.lu_factor_ex` under its old name."""
    def lu_solve(self, LU_data: _Tensor, LU_pivots: _Tensor) -> _Tensor:
        """`linalg.lu_solve` under its old name, arguments reversed."""
    @property
    def mH(self) -> _Tensor: ...
    @property
    def mT(self) -> _Tensor: ...
    def map2_(self, x: _Tensor, y: _Tensor, callable: Callable[[Any, Any, Any], Any]) -> Self:
        """Replaces each element by `callable(element, other, another)`."""
    def map_(self, tensor: _Tensor, callable: Callable[[Any, Any], Any]) -> Self:
        """Replaces each element by `callable(element, other)`, with the element of `tensor` beside it."""
    def masked_fill(self, mask: _Tensor, value: Any) -> _Tensor:
        """`input` with a number, or a 0-d tensor's value, where the mask holds; mask and input broadcast."""
    def masked_fill_(self, mask: _Tensor, value: Any) -> Self:
        """`input` with a number, or a 0-d tensor's value, where the mask holds; mask and input broadcast."""
    def masked_scatter(self, mask: _Tensor, source: _Tensor) -> _Tensor:
        """`input` with the elements of `source`, in their order, where the mask holds."""
    def masked_scatter_(self, mask: _Tensor, source: _Tensor) -> Self:
        """`input` with the elements of `source`, in their order, where the mask holds."""
    def masked_select(self, mask: _Tensor) -> _Tensor:
        """The elements where the mask holds, as a vector; mask and input broadcast."""
    def matmul(self, other: _Tensor) -> _Tensor:
        """The product of vectors, matrices or batches of matrices, whose batch dimensions broadcast."""
    def matrix_exp(self) -> _Tensor:
        """The exponential of a square matrix: `sum of A**k / k!`."""
    def matrix_power(self, n: _int) -> _Tensor:
        """A square matrix multiplied by itself `n` times; its inverse for negative `n`."""
    @overload
    def max(self) -> _Tensor:
        """The largest element: of all, along `dim` with its indices, or of each pair of two tensors."""
    @overload
    def max(self, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.max:
        """The largest element: of all, along `dim` with its indices, or of each pair of two tensors."""
    @overload
    def max(self, other: _Tensor, *, out: _Tensor | None = None) -> _Tensor:
        """The largest element: of all, along `dim` with its indices, or of each pair of two tensors."""
    def maximum(self, other: _Tensor) -> _Tensor:
        """The larger element of each pair; nan if one is nan. Equal elements share the gradient."""
    def mean(self, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> _Tensor:
        """The mean over `dim`, or over everything."""
    @overload
    def median(self) -> _Tensor:
        """The lower of the two middle elements: of all, or along `dim` together with its index."""
    @overload
    def median(self, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.median:
        """The lower of the two middle elements: of all, or along `dim` together with its index."""
    @overload
    def min(self) -> _Tensor:
        """The smallest element: of all, along `dim` with its indices, or of each pair of two tensors."""
    @overload
    def min(self, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.min:
        """The smallest element: of all, along `dim` with its indices, or of each pair of two tensors."""
    @overload
    def min(self, other: _Tensor, *, out: _Tensor | None = None) -> _Tensor:
        """The smallest element: of all, along `dim` with its indices, or of each pair of two tensors."""
    def minimum(self, other: _Tensor) -> _Tensor:
        """The smaller element of each pair; nan if one is nan. Equal elements share the gradient."""
    def mm(self, mat2: _Tensor) -> _Tensor:
        """The product of two matrices, `(n, k)` and `(k, m)`."""
    def mode(self, dim: _int = -1, keepdim: _bool = False) -> _results.mode:
        """The element that comes most often along `dim`, and an index where it does."""
    def moveaxis(self, source: Any, destination: Any) -> _Tensor:
        """A view with the dimensions `source` moved to `destination`; the others keep their order."""
    def movedim(self, source: Any, destination: Any) -> _Tensor:
        """A view with the dimensions `source` moved to `destination`; the others keep their order."""
    def msort(self) -> _Tensor:
        """The elements in order along the first dimension."""
    def mtia(self, device: DeviceLike = None, non_blocking: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor on a device of type mtia."""
    def mul(self, other: _Tensor | _Number) -> _Tensor:
        """`input * other`, with broadcasting and type promotion."""
    def mul_(self, other: _Tensor | _Number) -> Self:
        """`input * other`, with broadcasting and type promotion."""
    def multinomial(self, num_samples: Any, replacement: _bool = False, *, generator: _Generator | None = None) -> _Tensor:
        """Indices drawn in proportion to the weights in each row of `input`, `num_samples` for a row."""
    def multiply(self, other: _Tensor | _Number) -> _Tensor:
        """`input * other`, with broadcasting and type promotion."""
    def multiply_(self, other: _Tensor | _Number) -> Self:
        """`input * other`, with broadcasting and type promotion."""
    def mv(self, vec: _Tensor) -> _Tensor:
        """The product of a matrix and a vector."""
    def mvlgamma(self, p: _int) -> _Tensor:
        """The logarithm of the gamma function of `p` dimensions."""
    def mvlgamma_(self, p: _int) -> Self:
        """The logarithm of the gamma function of `p` dimensions."""
    def nan_to_num(self, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None) -> _Tensor:
        """nan becomes `nan` (0), infinities `posinf` and `neginf` (the dtype's largest and smallest number)."""
    def nan_to_num_(self, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None) -> Self:
        """nan becomes `nan` (0), infinities `posinf` and `neginf` (the dtype's largest and smallest number)."""
    def nanmean(self, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> _Tensor:
        """The mean of what is not nan."""
    @overload
    def nanmedian(self) -> _Tensor:
        """`median` of the elements that are not NaN."""
    @overload
    def nanmedian(self, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.nanmedian:
        """`median` of the elements that are not NaN."""
    def nanquantile(self, q: Any, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> _Tensor:
        """`quantile` of what is not nan."""
    def nansum(self, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> _Tensor:
        """The sum in which nan counts as zero."""
    def narrow(self, dim: _int, start: Any, length: _int) -> _Tensor:
        """A view of `length` entries of a dimension from `start`."""
    def narrow_copy(self, dim: _int, start: _int, length: _int) -> Any:
        """`narrow` as a copy instead of a view."""
    def ne(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements differ."""
    def ne_(self, other: _Tensor | _Number) -> Self:
        """Whether elements differ."""
    def neg(self) -> _Tensor:
        """The opposite number."""
    def neg_(self) -> Self:
        """The opposite number."""
    def negative(self) -> _Tensor:
        """The opposite number."""
    def negative_(self) -> Self:
        """The opposite number."""
    def new(self, *args: Any, device: DeviceLike = None) -> _Tensor:
        """The legacy way to a tensor of this one's dtype and device: from sizes or from a sequence."""
    def new_empty(self, *size: Any, dtype: _dtype | None = None, device: DeviceLike = None, requires_grad: _bool = False, layout: _layout | None = None, pin_memory: _bool = False, **named: Any) -> _Tensor:
        """A tensor of this one's dtype and device whose values are not to be relied on."""
    def new_empty_strided(self, size: Any, stride: Any, dtype: _dtype | None = None, device: DeviceLike = None, requires_grad: _bool = False, layout: _layout | None = None, pin_memory: _bool = False) -> _Tensor:
        """A tensor with these strides, of this one's dtype and device, whose values are not to be relied on."""
    def new_full(self, size: Any, fill_value: Any, *, dtype: _dtype | None = None, device: DeviceLike = None, requires_grad: _bool = False, layout: _layout | None = None, pin_memory: _bool = False) -> _Tensor:
        """`fill_value` throughout, in this tensor's dtype and device."""
    def new_ones(self, *size: Any, dtype: _dtype | None = None, device: DeviceLike = None, requires_grad: _bool = False, layout: _layout | None = None, pin_memory: _bool = False, **named: Any) -> _Tensor:
        """Ones of this tensor's dtype and device."""
    def new_tensor(self, data: Any, *, dtype: _dtype | None = None, device: DeviceLike = None, requires_grad: _bool = False, layout: _layout | None = None, pin_memory: _bool = False) -> _Tensor:
        """A leaf with a copy of `data`, of this tensor's dtype and device."""
    def new_zeros(self, *size: Any, dtype: _dtype | None = None, device: DeviceLike = None, requires_grad: _bool = False, layout: _layout | None = None, pin_memory: _bool = False, **named: Any) -> _Tensor:
        """Zeros of this tensor's dtype and device."""
    def nextafter(self, other: _Tensor) -> _Tensor:
        """The next number after `input` in the direction of `other`."""
    def nextafter_(self, other: _Tensor) -> Self:
        """The next number after `input` in the direction of `other`."""
    def nonzero(self, *, as_tuple: _bool = False) -> Any:
        """The positions of the elements that are not zero: a row for each, or a vector for each dimension."""
    def nonzero_static(self, *, size: _int, fill_value: _int = -1) -> _Tensor:
        """`nonzero` with exactly `size` rows: cut off, or filled up with `fill_value`."""
    def norm(self, p: Any = 'fro', dim: Any = None, keepdim: _bool = False, dtype: _dtype | None = None) -> _Tensor:
        """The norm of order `p` over `dim`, or of all elements; see `torch.norm`."""
    def normal_(self, mean: _float = 0, std: _float = 1, *, generator: _Generator | None = None) -> Self:
        """Fills with normally distributed numbers."""
    def not_equal(self, other: _Tensor | _Number) -> _Tensor:
        """Whether elements differ."""
    def not_equal_(self, other: _Tensor | _Number) -> Self:
        """Whether elements differ."""
    def orgqr(self, tau: _Tensor) -> _Tensor:
        """The first columns of a product of reflections, such as Q from `geqrf`."""
    def ormqr(self, tau: _Tensor, other: _Tensor, left: _bool = True, transpose: _bool = False) -> _Tensor:
        """The square Q that `geqrf`'s reflections make, times `other` (from the left or the right)."""
    def outer(self, vec2: _Tensor) -> _Tensor:
        """All products of an element of one vector with one of the other."""
    def permute(self, *dims: Any) -> _Tensor:
        """A view with the dimensions in the order `dims`."""
    def pin_memory(self, device: DeviceLike = None) -> _Tensor:
        """The tensor itself: JAX takes memory of its own on the way to an accelerator."""
    def pinverse(self, rcond: _float = 1e-15) -> _Tensor:
        """`linalg.pinv` under its old name."""
    def polygamma(self, n: _int) -> _Tensor:
        """The n-th derivative of digamma."""
    def polygamma_(self, n: _int) -> Self:
        """The n-th derivative of digamma."""
    def positive(self) -> _Tensor:
        """The tensor itself."""
    def pow(self, exponent: Any) -> _Tensor:
        """`input ** exponent`; either may be a number."""
    def pow_(self, exponent: Any) -> Self:
        """`input ** exponent`; either may be a number."""
    def prelu(self, weight: _Tensor) -> _Tensor:
        """`input` above zero, `weight * input` below; `weight` has one entry, or one for each channel."""
    def prod(self, dim: _int | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> _Tensor:
        """The product over one dimension, or over everything; integers multiply in int64."""
    def put(self, index: _Tensor, source: _Tensor, accumulate: _bool = False) -> _Tensor:
        """`input` with the elements of `source` at positions of the flattened input; `accumulate` adds them."""
    def put_(self, index: _Tensor, source: _Tensor, accumulate: _bool = False) -> Self:
        """`input` with the elements of `source` at positions of the flattened input; `accumulate` adds them."""
    def qr(self, some: _bool = True) -> _results.qr:
        """`linalg.qr` under its old name."""
    def quantile(self, q: Any, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = 'linear') -> _Tensor:
        """The values below which fractions `q` of the elements lie, along `dim` or of everything."""
    def rad2deg(self) -> _Tensor:
        """Radians as degrees."""
    def rad2deg_(self) -> Self:
        """Radians as degrees."""
    def random_(self, *args: Any, generator: _Generator | None = None, **named: Any) -> Self:
        """Fills with whole numbers of `[from, to)`: `random_()`, `random_(to)`, `random_(from, to)`."""
    def ravel(self) -> _Tensor:
        """All elements in one dimension: a view where the strides allow one."""
    @property
    def real(self) -> _Tensor: ...
    def reciprocal(self) -> _Tensor:
        """`1 / input`."""
    def reciprocal_(self) -> Self:
        """`1 / input`."""
    def record_stream(self, stream: Any) -> None:
        """Nothing: XLA frees memory when whatever uses it is done."""
    def relu(self) -> _Tensor:
        """`max(input, 0)`; the gradient at 0 is 0."""
    def relu_(self) -> Self:
        """`max(input, 0)`; the gradient at 0 is 0."""
    def remainder(self, other: Any) -> _Tensor:
        """The remainder of `input / other` with the sign of `other`, as Python's `%`."""
    def remainder_(self, other: Any) -> Self:
        """The remainder of `input / other` with the sign of `other`, as Python's `%`."""
    def renorm(self, p: _float, dim: _int, maxnorm: _float) -> _Tensor:
        """Slices along `dim` whose norm exceeds `maxnorm`, scaled down to it."""
    def renorm_(self, p: _float, dim: _int, maxnorm: _float) -> Self:
        """Slices along `dim` whose norm exceeds `maxnorm`, scaled down to it."""
    def repeat(self, *repeats: Any) -> _Tensor:
        """A copy of the tensor repeated along each dimension; new dimensions come in front."""
    def repeat_interleave(self, repeats: Any = None, dim: _int | None = None, *, output_size: _int | None = None) -> _Tensor:
        """Each entry of a dimension (of the flattened tensor without `dim`) repeated in place."""
    def reshape(self, *shape: Any) -> _Tensor:
        """The same elements in another shape: a view where the strides allow one, a copy otherwise."""
    def reshape_as(self, other: _Tensor) -> _Tensor:
        """The same elements in the shape of `other`."""
    def resize(self, *sizes: Any) -> _Tensor:
        """`view` of the tensor laid out in order, under the name of a method that changes it in place."""
    def resize_(self, *sizes: Any, memory_format: _memory_format | None = None) -> Self:
        """Gives this tensor other sizes: its storage's elements in order, and more where it has too few."""
    def resize_as(self, tensor: _Tensor) -> _Tensor:
        """`resize` to the sizes of another tensor."""
    def resize_as_(self, tensor: _Tensor, *, memory_format: _memory_format | None = None) -> Self:
        """Gives this tensor the sizes of another."""
    def resolve_conj(self) -> _Tensor:
        """The tensor itself, or a copy if it is a conjugate view."""
    def resolve_neg(self) -> _Tensor:
        """The tensor itself: negation is never put off."""
    def roll(self, shifts: Any, dims: Any = None) -> _Tensor:
        """A copy with the entries moved along `dims`, in rounds; without `dims` along all elements in order."""
    def rot90(self, k: _int = 1, dims: _int | Sequence[_int] = ...) -> _Tensor:
        """A copy rotated by `k` quarter turns, from the first of `dims` towards the second."""
    def round(self, *, decimals: _int = 0) -> _Tensor:
        """The nearest number with `decimals` digits after the point; halves go to the even neighbour."""
    def round_(self, *, decimals: _int = 0) -> Self:
        """The nearest number with `decimals` digits after the point; halves go to the even neighbour."""
    def rsqrt(self) -> _Tensor:
        """`1 / sqrt(input)`."""
    def rsqrt_(self) -> Self:
        """`1 / sqrt(input)`."""
    def scatter(self, dim: _int, index: _Tensor, src: _Tensor | _complex | None = None, *, value: _complex | None = None, reduce: str | None = None) -> _Tensor:
        """`input` with elements of `src`, or one number, at the positions that `index` names along `dim`."""
    def scatter_(self, dim: _int, index: _Tensor, src: _Tensor | _complex | None = None, *, value: _complex | None = None, reduce: str | None = None) -> Self:
        """`input` with elements of `src`, or one number, at the positions that `index` names along `dim`."""
    def scatter_add(self, dim: _int, index: _Tensor, src: _Tensor) -> _Tensor:
        """`input` with the elements of `src` added at the positions that `index` names along `dim`."""
    def scatter_add_(self, dim: _int, index: _Tensor, src: _Tensor) -> Self:
        """`input` with the elements of `src` added at the positions that `index` names along `dim`."""
    def scatter_reduce(self, dim: _int, index: _Tensor, src: _Tensor, reduce: str, *, include_self: _bool = True) -> _Tensor:
        """`input` with the elements of `src` reduced into the positions that `index` names along `dim`."""
    def scatter_reduce_(self, dim: _int, index: _Tensor, src: _Tensor, reduce: str, *, include_self: _bool = True) -> Self:
        """`input` with the elements of `src` reduced into the positions that `index` names along `dim`."""
    def select(self, dim: _int, index: _int) -> _Tensor:
        """A view of one entry of a dimension, which disappears."""
    def select_scatter(self, src: _Tensor, dim: _int, index: _int) -> _Tensor:
        """A copy of the input with `src` as one entry of a dimension."""
    def set_(self, source: Any = None, storage_offset: _int = 0, size: Any = None, stride: Any = None) -> Self:
        """Makes this tensor look at the storage of another; without one, at an empty storage."""
    def sgn(self) -> _Tensor:
        """The sign; of complex numbers, the number divided by its modulus."""
    def sgn_(self) -> Self:
        """The sign; of complex numbers, the number divided by its modulus."""
    def short(self, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor as torch.int16; itself if it is that already."""
    def sigmoid(self) -> _Tensor:
        """`1 / (1 + exp(-input))`."""
    def sigmoid_(self) -> Self:
        """`1 / (1 + exp(-input))`."""
    def sign(self) -> _Tensor:
        """-1, 0 or 1 as the element is negative, zero or positive."""
    def sign_(self) -> Self:
        """-1, 0 or 1 as the element is negative, zero or positive."""
    def signbit(self) -> _Tensor:
        """Whether the sign bit is set: negative numbers and -0.0."""
    def sin(self) -> _Tensor:
        """The sine."""
    def sin_(self) -> Self:
        """The sine."""
    def sinc(self) -> _Tensor:
        """`sin(pi * input) / (pi * input)`, 1 at zero."""
    def sinc_(self) -> Self:
        """`sin(pi * input) / (pi * input)`, 1 at zero."""
    def sinh(self) -> _Tensor:
        """The hyperbolic sine."""
    def sinh_(self) -> Self:
        """The hyperbolic sine."""
    def slice_scatter(self, src: _Tensor, dim: _int = 0, start: _int | None = None, end: _int | None = None, step: _int = 1) -> _Tensor:
        """A copy of the input with `src` as `input[start:end:step]` along one dimension."""
    def slogdet(self) -> _results.slogdet:
        """`linalg.slogdet`."""
    def softmax(self, dim: _int, dtype: _dtype | None = None) -> _Tensor:
        """Exponentials that sum to one along `dim`; `dtype` first converts."""
    def sort(self, dim: _int = -1, descending: _bool = False, *, stable: _bool | None = False) -> _results.sort:
        """The elements in order along `dim`, and where they came from. Equal elements keep their order."""
    def split(self, split_size: Any, dim: _int = 0) -> tuple[_Tensor, ...]:
        """Views of consecutive parts of a dimension; see `torch.split`."""
    def split_with_sizes(self, split_sizes: Any, dim: _int = 0) -> tuple[_Tensor, ...]:
        """Views of consecutive parts of a dimension, of these sizes."""
    def sqrt(self) -> _Tensor:
        """The square root."""
    def sqrt_(self) -> Self:
        """The square root."""
    def square(self) -> _Tensor:
        """`input * input`."""
    def square_(self) -> Self:
        """`input * input`."""
    def squeeze(self, dim: Any = None) -> _Tensor:
        """A view without the dimensions of size 1: all of them, or those among `dim`."""
    def squeeze_(self, dim: Any = None) -> Self:
        """`squeeze`, of this tensor itself."""
    def std(self, dim: Any = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = ...) -> _Tensor:
        """The standard deviation over `dim`, or of everything."""
    def stft(self, n_fft: _int, hop_length: _int | None = None, win_length: _int | None = None, window: _Tensor | None = None, center: _bool = True, pad_mode: str = 'reflect', normalized: _bool = False, onesided: _bool | None = None, return_complex: _bool | None = None, align_to_window: _bool | None = None) -> _Tensor:
        """The Fourier transforms of overlapping frames of a signal."""
    def sub(self, other: _Tensor | _Number, *, alpha: _Number = 1) -> _Tensor:
        """`input - alpha * other`, with broadcasting and type promotion."""
    def sub_(self, other: _Tensor | _Number, *, alpha: _Number = 1) -> Self:
        """`input - alpha * other`, with broadcasting and type promotion."""
    def subtract(self, other: _Tensor | _Number, *, alpha: _Number = 1) -> _Tensor:
        """`input - alpha * other`, with broadcasting and type promotion."""
    def subtract_(self, other: _Tensor | _Number, *, alpha: _Number = 1) -> Self:
        """`input - alpha * other`, with broadcasting and type promotion."""
    def sum(self, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None) -> _Tensor:
        """The sum over `dim`, or over everything; integers add up in int64."""
    def sum_to_size(self, *size: Any) -> _Tensor:
        """The sum over dimensions so that a shape is left that could be expanded to this tensor's."""
    def svd(self, some: _bool = True, compute_uv: _bool = True) -> _results.svd:
        """`linalg.svd` under its old name: V instead of Vh, and reduced unless `some` is False."""
    def swapaxes(self, axis0: _int, axis1: _int) -> _Tensor:
        """A view with two dimensions exchanged."""
    def swapaxes_(self, axis0: _int, axis1: _int) -> Self:
        """`swapaxes`, of this tensor itself."""
    def swapdims(self, dim0: _int, dim1: _int) -> _Tensor:
        """A view with two dimensions exchanged."""
    def swapdims_(self, dim0: _int, dim1: _int) -> Self:
        """`swapdims`, of this tensor itself."""
    def t(self) -> _Tensor:
        """A matrix transposed; tensors of fewer dimensions as they are."""
    def t_(self) -> Self:
        """`t`, of this tensor itself."""
    def take(self, index: _Tensor) -> _Tensor:
        """The elements of the flattened input at the given positions, in the shape of `index`."""
    def take_along_dim(self, indices: _Tensor, dim: _int | None = None) -> _Tensor:
        """`gather` with broadcasting; `dim=None` indexes the flat input. Negative indices count from the end."""
    def tan(self) -> _Tensor:
        """The tangent."""
    def tan_(self) -> Self:
        """The tangent."""
    def tanh(self) -> _Tensor:
        """The hyperbolic tangent."""
    def tanh_(self) -> Self:
        """The hyperbolic tangent."""
    def tensor_split(self, indices_or_sections: Any = None, dim: _int = 0, **named: Any) -> tuple[_Tensor, ...]:
        """Views of parts of a dimension: a number of nearly equal ones, or cut at these places."""
    def threshold(self, threshold: _Number, value: _Number) -> _Tensor:
        """`input` where it exceeds `threshold`, `value` elsewhere."""
    def tile(self, *dims: Any) -> _Tensor:
        """A copy of the tensor repeated along its last dimensions, or along more."""
    def to(self, *args: Any, **kwargs: Any) -> _Tensor:
        """The tensor in another dtype, on another device or both; itself where nothing changes and `copy` is false."""
    def to_dense(self, dtype: _dtype | None = None, *, masked_grad: _bool | None = None) -> _Tensor:
        """The tensor itself, for all layouts here are dense; or cast to `dtype`."""
    def topk(self, k: _int, dim: _int = -1, largest: _bool = True, sorted: _bool = True) -> _results.topk:
        """The `k` largest elements along `dim` (the smallest with `largest=False`), in order, and their indices."""
    def trace(self) -> _Tensor:
        """The sum of a matrix's diagonal."""
    def transpose(self, dim0: _int, dim1: _int) -> _Tensor:
        """A view with two dimensions exchanged."""
    def transpose_(self, dim0: _int, dim1: _int) -> Self:
        """`transpose`, of this tensor itself."""
    def triangular_solve(self, A: _Tensor, upper: _bool = True, transpose: _bool = False, unitriangular: _bool = False) -> _results.triangular_solve:
        """The solution of a triangular system; `linalg.solve_triangular` under its old name, arguments reversed."""
    def tril(self, diagonal: _Number = 0) -> _Tensor:
        """The part of each matrix on one side of a diagonal, zeros elsewhere."""
    def tril_(self, diagonal: _Number = 0) -> Self:
        """The part of each matrix on one side of a diagonal, zeros elsewhere."""
    def triu(self, diagonal: _Number = 0) -> _Tensor:
        """The part of each matrix on one side of a diagonal, zeros elsewhere."""
    def triu_(self, diagonal: _Number = 0) -> Self:
        """The part of each matrix on one side of a diagonal, zeros elsewhere."""
    def true_divide(self, other: _Tensor | _Number) -> _Tensor:
        """`input / other`; integers give the default dtype."""
    def true_divide_(self, other: _Tensor | _Number) -> Self:
        """`input / other`; integers give the default dtype."""
    def trunc(self) -> _Tensor:
        """The whole number towards zero."""
    def trunc_(self) -> Self:
        """The whole number towards zero."""
    def type(self, dtype: _dtype | str | type[Any] | None = None, non_blocking: _bool = False, **kwargs: Any) -> Any:
        """Without arguments the name of the tensor's type, as 'torch.FloatTensor'; else the tensor converted."""
    def type_as(self, other: _Tensor) -> _Tensor:
        """The tensor in the dtype and on the device of `other`."""
    def unbind(self, dim: _int = 0) -> tuple[_Tensor, ...]:
        """Views of all entries of a dimension, which disappears."""
    def unflatten(self, dim: _int, sizes: Sequence[_int]) -> _Tensor:
        """One dimension as several, of `sizes` (one may be -1)."""
    def unfold(self, dimension: _int, size: _int, step: _int) -> _Tensor:
        """A view of all windows of `size` entries of a dimension, `step` apart; the entries become the last dimension."""
    def uniform_(self, *args: Any, generator: _Generator | None = None, **named: Any) -> Self:
        """Fills with numbers spread evenly over `[from, to)`: `uniform_(from=0, to=1)`."""
    def unique(self, sorted: _bool = True, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None) -> Any:
        """The distinct elements, in order; with `dim` the distinct slices along it. Each NaN is distinct."""
    def unique_consecutive(self, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None) -> Any:
        """The elements (or slices along `dim`) without repeats right behind one another."""
    def unsafe_chunk(self, chunks: _int, dim: _int = 0) -> tuple[_Tensor, ...]:
        """`chunk` whose parts autograd lets be written to."""
    def unsafe_split(self, split_size: _int, dim: _int = 0) -> tuple[_Tensor, ...]:
        """`split` whose parts autograd lets be written to."""
    def unsafe_split_with_sizes(self, split_sizes: Any, dim: _int = 0) -> tuple[_Tensor, ...]:
        """`split_with_sizes` whose parts autograd lets be written to."""
    def unsqueeze(self, dim: _int) -> _Tensor:
        """A view with a new dimension of size 1 at `dim`."""
    def unsqueeze_(self, dim: _int) -> Self:
        """`unsqueeze`, of this tensor itself."""
    def var(self, dim: Any = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = ...) -> _Tensor:
        """The variance over `dim`, or of everything; see `std`."""
    def vdot(self, other: _Tensor) -> _Tensor:
        """The inner product of two vectors, the first one conjugated."""
    def view(self, *shape: Any, **named: Any) -> _Tensor:
        """The same elements, in the same storage, in another shape (one size may be -1) or as another dtype."""
    def view_as(self, other: _Tensor) -> _Tensor:
        """A view in the shape of `other`."""
    def vsplit(self, indices_or_sections: Any = None, **named: Any) -> tuple[_Tensor, ...]:
        """Views of parts of a dimension: a number of equal ones, or cut at these places."""
    @overload
    def where(self) -> tuple[_Tensor, ...]:
        """This tensor's elements where `condition` is true, those of `other` elsewhere."""
    @overload
    def where(self, condition: _Tensor | _Number, other: _Tensor | _Number) -> _Tensor:
        """This tensor's elements where `condition` is true, those of `other` elsewhere."""
    def xlogy(self, other: Any) -> _Tensor:
        """`input * log(other)`, 0 where `input` is 0."""
    def xlogy_(self, other: Any) -> Self:
        """`input * log(other)`, 0 where `input` is 0."""
    def xpu(self, device: DeviceLike = None, non_blocking: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
        """The tensor on a device of type xpu."""
    def zero_(self) -> Self:
        """Sets every element to zero. Elements that share memory may be, too."""
