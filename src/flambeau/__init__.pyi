"""PyTorch's way of defining and training neural networks, on JAX and XLA.

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


from flambeau._core.autocast_state import autocast_decrement_nesting as autocast_decrement_nesting
from flambeau._core.autocast_state import autocast_increment_nesting as autocast_increment_nesting
from flambeau._core.autocast_state import clear_autocast_cache as clear_autocast_cache
from flambeau._core.autocast_state import get_autocast_cpu_dtype as get_autocast_cpu_dtype
from flambeau._core.autocast_state import get_autocast_dtype as get_autocast_dtype
from flambeau._core.autocast_state import get_autocast_gpu_dtype as get_autocast_gpu_dtype
from flambeau._core.autocast_state import is_autocast_cache_enabled as is_autocast_cache_enabled
from flambeau._core.autocast_state import is_autocast_cpu_enabled as is_autocast_cpu_enabled
from flambeau._core.autocast_state import is_autocast_enabled as is_autocast_enabled
from flambeau._core.autocast_state import set_autocast_cache_enabled as set_autocast_cache_enabled
from flambeau._core.autocast_state import set_autocast_cpu_dtype as set_autocast_cpu_dtype
from flambeau._core.autocast_state import set_autocast_cpu_enabled as set_autocast_cpu_enabled
from flambeau._core.autocast_state import set_autocast_dtype as set_autocast_dtype
from flambeau._core.autocast_state import set_autocast_enabled as set_autocast_enabled
from flambeau._core.autocast_state import set_autocast_gpu_dtype as set_autocast_gpu_dtype
from flambeau._core.device import device as device
from flambeau._core.device import get_default_device as get_default_device
from flambeau._core.device import get_device_module as get_device_module
from flambeau._core.device import set_default_device as set_default_device
from flambeau._core.dtype import can_cast as can_cast
from flambeau._core.dtype import dtype as dtype
from flambeau._core.dtype import finfo as finfo
from flambeau._core.dtype import get_default_dtype as get_default_dtype
from flambeau._core.dtype import iinfo as iinfo
from flambeau._core.dtype import layout as layout
from flambeau._core.dtype import memory_format as memory_format
from flambeau._core.dtype import promote_types as promote_types
from flambeau._core.dtype import set_default_dtype as set_default_dtype
from flambeau._core.errors import AcceleratorError as AcceleratorError
from flambeau._core.errors import OutOfMemoryError as OutOfMemoryError
from flambeau._core.format import set_printoptions as set_printoptions
from flambeau._core.modes import enable_grad as enable_grad
from flambeau._core.modes import inference_mode as inference_mode
from flambeau._core.modes import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from flambeau._core.modes import is_anomaly_enabled as is_anomaly_enabled
from flambeau._core.modes import is_grad_enabled as is_grad_enabled
from flambeau._core.modes import is_inference_mode_enabled as is_inference_mode_enabled
from flambeau._core.modes import no_grad as no_grad
from flambeau._core.modes import set_anomaly_enabled as set_anomaly_enabled
from flambeau._core.modes import set_grad_enabled as set_grad_enabled
from flambeau._core.random import Generator as Generator
from flambeau._core.random import default_generator as default_generator
from flambeau._core.settings import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from flambeau._core.settings import compiled_with_cxx11_abi as compiled_with_cxx11_abi
from flambeau._core.settings import get_deterministic_debug_mode as get_deterministic_debug_mode
from flambeau._core.settings import get_float32_matmul_precision as get_float32_matmul_precision
from flambeau._core.settings import get_num_interop_threads as get_num_interop_threads
from flambeau._core.settings import get_num_threads as get_num_threads
from flambeau._core.settings import is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled
from flambeau._core.settings import is_warn_always_enabled as is_warn_always_enabled
from flambeau._core.settings import set_deterministic_debug_mode as set_deterministic_debug_mode
from flambeau._core.settings import set_float32_matmul_precision as set_float32_matmul_precision
from flambeau._core.settings import set_flush_denormal as set_flush_denormal
from flambeau._core.settings import set_num_interop_threads as set_num_interop_threads
from flambeau._core.settings import set_num_threads as set_num_threads
from flambeau._core.settings import set_warn_always as set_warn_always
from flambeau._core.settings import use_deterministic_algorithms as use_deterministic_algorithms
from flambeau._core.size import Size as Size
from flambeau._core.tensor import Tensor as Tensor
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from flambeau.as_torch import as_torch as as_torch
from flambeau.as_torch import install_as_torch as install_as_torch
from flambeau.random import get_rng_state as get_rng_state
from flambeau.random import initial_seed as initial_seed
from flambeau.random import manual_seed as manual_seed
from flambeau.random import seed as seed
from flambeau.random import set_rng_state as set_rng_state
from flambeau.random import thread_safe_generator as thread_safe_generator
from flambeau import autograd as autograd
from flambeau import functional as functional
from flambeau import jax as jax
from flambeau import nn as nn
from flambeau import random as random
from flambeau import version as version
from flambeau import amp as amp
from flambeau import backends as backends
from flambeau import cpu as cpu
from flambeau import cuda as cuda
from flambeau import fft as fft
from flambeau import inspect as inspect
from flambeau import linalg as linalg
from flambeau import masked as masked
from flambeau import optim as optim
from flambeau import return_types as return_types
from flambeau import serialization as serialization
from flambeau import signal as signal
from flambeau import special as special
from flambeau import utils as utils
from flambeau.amp.autocast_mode import autocast as autocast
from flambeau.compiler import compile as compile
from flambeau.func import vmap as vmap
from flambeau.func._control_flow import associative_scan as associative_scan
from flambeau.func._control_flow import cond as cond
from flambeau.func._control_flow import scan as scan
from flambeau.func._control_flow import while_loop as while_loop
from flambeau.serialization import load as load
from flambeau.serialization import save as save

BFloat16Tensor: type[_Tensor]
BoolTensor: type[_Tensor]
ByteTensor: type[_Tensor]
CharTensor: type[_Tensor]
DoubleTensor: type[_Tensor]
FloatTensor: type[_Tensor]
HalfTensor: type[_Tensor]
IntTensor: type[_Tensor]
LongTensor: type[_Tensor]
ShortTensor: type[_Tensor]
def abs(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The absolute value; of complex numbers, the modulus."""
def abs_(input: _Tensor) -> _Tensor:
    """`abs` in place; a complex tensor cannot hold its own modulus."""
def absolute(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The absolute value; of complex numbers, the modulus."""
def acos(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle with this cosine."""
def acos_(input: _Tensor) -> _Tensor:
    """The angle with this cosine."""
def acosh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the hyperbolic cosine."""
def acosh_(input: _Tensor) -> _Tensor:
    """The inverse of the hyperbolic cosine."""
def adaptive_avg_pool1d(input: _Tensor, output_size: Any) -> _Tensor:
    """Means over windows such that the result has `output_size` places."""
def adaptive_max_pool1d(input: _Tensor, output_size: Any, return_indices: _bool = False) -> Any:
    """Maxima over windows such that the result has `output_size` places."""
def add(input: _Tensor, other: _Tensor | _Number, *, alpha: _Number = 1, out: Any = None) -> _Tensor:
    """`input + alpha * other`, with broadcasting and type promotion."""
def addbmm(input: _Tensor, batch1: _Tensor, batch2: _Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> _Tensor:
    """`beta * input + alpha * bmm(batch1, batch2).sum(0)`."""
def addcdiv(input: _Tensor, tensor1: _Tensor, tensor2: _Tensor, *, value: _Number = 1, out: Any = None) -> _Tensor:
    """`input + value * tensor1 / tensor2`."""
def addcmul(input: _Tensor, tensor1: _Tensor, tensor2: _Tensor, *, value: _Number = 1, out: Any = None) -> _Tensor:
    """`input + value * tensor1 * tensor2`."""
def addmm(input: _Tensor, mat1: _Tensor, mat2: _Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> _Tensor:
    """`beta * input + alpha * (mat1 @ mat2)`."""
def addmv(input: _Tensor, mat: _Tensor, vec: _Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> _Tensor:
    """`beta * input + alpha * (mat @ vec)`."""
def addmv_(input: _Tensor, mat: _Tensor, vec: _Tensor, *, beta: Any = 1, alpha: Any = 1) -> _Tensor:
    """`beta * input + alpha * (mat @ vec)`."""
def addr(input: _Tensor, vec1: _Tensor, vec2: _Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> _Tensor:
    """`beta * input + alpha * outer(vec1, vec2)`."""
def adjoint(input: _Tensor) -> _Tensor:
    """The last two dimensions exchanged, and conjugated."""
def affine_grid_generator(theta: _Tensor, size: Any, align_corners: _bool) -> _Tensor:
    """`nn.functional.affine_grid` without its checks."""
def alias_copy(input: _Tensor, *, out: Any = None) -> Any:
    """`alias` as a copy instead of a view."""
def all(input: _Tensor, dim: _int | Sequence[_int] | None = None, keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """Whether all elements are other than zero, over `dim` or over everything; uint8 for uint8."""
def allclose(input: _Tensor, other: _Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _bool:
    """Whether all elements are close; see `isclose`."""
def alpha_dropout(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """Dropout that keeps the mean and variance of SELU's outputs."""
def alpha_dropout_(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """`alpha_dropout` in place."""
def amax(input: _Tensor, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """The largest element over `dim`; ties share the gradient."""
def amin(input: _Tensor, dim: _int | Sequence[_int] | None = ..., keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """The smallest element over `dim`; ties share the gradient."""
def aminmax(input: _Tensor, *, dim: _int | None = None, keepdim: _bool = False, out: Any = None) -> _results.aminmax:
    """The smallest and the largest element, over `dim` or over everything."""
def angle(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle of a complex number to the positive axis: between -pi and pi."""
def any(input: _Tensor, dim: _int | Sequence[_int] | None = None, keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """Whether any element is other than zero, over `dim` or over everything; uint8 for uint8."""
def arange(*args: Any, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, **named: Any) -> _Tensor:
    """The numbers from `start` (0) up to but not including `end`, `step` (1) apart: `arange(start, end, step)`."""
def arccos(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle with this cosine."""
def arccos_(input: _Tensor) -> _Tensor:
    """The angle with this cosine."""
def arccosh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the hyperbolic cosine."""
def arccosh_(input: _Tensor) -> _Tensor:
    """The inverse of the hyperbolic cosine."""
def arcsin(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle with this sine."""
def arcsin_(input: _Tensor) -> _Tensor:
    """The angle with this sine."""
def arcsinh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the hyperbolic sine."""
def arcsinh_(input: _Tensor) -> _Tensor:
    """The inverse of the hyperbolic sine."""
def arctan(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle with this tangent."""
def arctan2(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle of the point (`other`, `input`)."""
def arctan_(input: _Tensor) -> _Tensor:
    """The angle with this tangent."""
def arctanh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the hyperbolic tangent."""
def arctanh_(input: _Tensor) -> _Tensor:
    """The inverse of the hyperbolic tangent."""
def argmax(input: _Tensor, dim: _int | None = None, keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """The index of the first largest element, flat or along `dim`."""
def argmin(input: _Tensor, dim: _int | None = None, keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """The index of the first smallest element, flat or along `dim`."""
def argsort(input: _Tensor, dim: _int = -1, descending: _bool = False, *, stable: _bool = False) -> _Tensor:
    """The indices that sort `input` along `dim`."""
def argwhere(input: _Tensor) -> _Tensor:
    """The positions of the elements that are not zero, a row for each."""
def as_strided(input: _Tensor, size: Any, stride: Any, storage_offset: _int | None = None) -> _Tensor:
    """A view of the input's storage with any sizes and strides."""
def as_strided_(self: _Tensor, size: Any, stride: Any, storage_offset: _int | None = None) -> _Tensor:
    """`as_strided`, of this tensor itself."""
def as_strided_copy(input: _Tensor, size: Any, stride: Any, storage_offset: _int | None = None, *, out: Any = None) -> Any:
    """`as_strided` as a copy instead of a view."""
def as_strided_scatter(input: _Tensor, src: _Tensor, size: Any, stride: Any, storage_offset: _int | None = None, *, out: Any = None) -> _Tensor:
    """A copy of the input with `src` at any strides."""
def as_tensor(data: Any, dtype: _dtype | None = None, device: DeviceLike = None) -> _Tensor:
    """`data` as a tensor that shares its memory where possible: a tensor itself, a NumPy array's memory."""
def asarray(obj: Any, *, dtype: _dtype | None = None, device: DeviceLike = None, copy: _bool | None = None, requires_grad: _bool = False) -> _Tensor:
    """`obj` as a tensor: tensors, NumPy arrays, DLPack capsules and buffers share their memory unless `copy=True`."""
def asin(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle with this sine."""
def asin_(input: _Tensor) -> _Tensor:
    """The angle with this sine."""
def asinh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the hyperbolic sine."""
def asinh_(input: _Tensor) -> _Tensor:
    """The inverse of the hyperbolic sine."""
def atan(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle with this tangent."""
def atan2(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The angle of the point (`other`, `input`)."""
def atan_(input: _Tensor) -> _Tensor:
    """The angle with this tangent."""
def atanh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the hyperbolic tangent."""
def atanh_(input: _Tensor) -> _Tensor:
    """The inverse of the hyperbolic tangent."""
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least 1 dimensions; new ones have size 1."""
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least 2 dimensions; new ones have size 1."""
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least 3 dimensions; new ones have size 1."""
def avg_pool1d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _bool = False, count_include_pad: _bool = True, *, out: Any = None) -> _Tensor:
    """The mean over windows of one dimension."""
def baddbmm(input: _Tensor, batch1: _Tensor, batch2: _Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> _Tensor:
    """`beta * input + alpha * bmm(batch1, batch2)`."""
def bartlett_window(window_length: _int, periodic: _bool = True, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """A triangle."""
def batch_norm(input: _Tensor, weight: _Tensor | None, bias: _Tensor | None, running_mean: _Tensor | None, running_var: _Tensor | None, training: _bool, momentum: _float, eps: _float, cudnn_enabled: _bool) -> _Tensor:
    """`nn.functional.batch_norm` in the order of arguments of `torch.batch_norm`."""
def bernoulli(input: _Tensor, p: Any = None, *, generator: _Generator | None = None, out: _Tensor | None = None) -> _Tensor:
    """Ones with the probabilities in `input`, and zeros else; `p` is one probability for all."""
bfloat16: _dtype
def bilinear(input1: _Tensor, input2: _Tensor, weight: _Tensor, bias: _Tensor | None = None) -> _Tensor:
    """`input1 @ weight[k] @ input2 + bias[k]` for each output feature `k`."""
def binary_cross_entropy_with_logits(*args: Any, **kwargs: Any) -> Any:
    """`binary_cross_entropy` of `sigmoid(input)`, exact for large scores; `pos_weight` scales positive targets."""
def bincount(input: _Tensor, weights: _Tensor | None = None, minlength: _int = 0) -> _Tensor:
    """How often each of the numbers 0, 1, 2 ... comes, or the sum of the weights where it does."""
def binomial(count: _Tensor, prob: _Tensor, generator: _Generator | None = None) -> _Tensor:
    """How many of `count` trials succeed with probability `prob`, both floating and of shapes that broadcast."""
def bitwise_and(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """Bits set in both operands."""
def bitwise_left_shift(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """`input * 2**other`, dropping what overflows."""
def bitwise_not(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Every bit flipped; of bools, the opposite."""
def bitwise_or(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """Bits set in one operand or both."""
def bitwise_right_shift(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """`input / 2**other`, rounded down."""
def bitwise_xor(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """Bits set in just one operand."""
def blackman_window(window_length: _int, periodic: _bool = True, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """A sum of three cosines."""
def block_diag(*tensors: Any) -> _Tensor:
    """A matrix with the tensors (numbers, rows, matrices) along its diagonal and zeros elsewhere."""
def bmm(input: _Tensor, mat2: _Tensor, *, out: Any = None) -> _Tensor:
    """The products of a batch of matrices, `(b, n, k)` and `(b, k, m)`."""
bool: _dtype
def broadcast_shapes(*shapes: Any) -> _Size:
    """The common shape under broadcasting."""
def broadcast_tensors(*tensors: Any) -> tuple[_Tensor, ...]:
    """All tensors expanded to their common shape; those that have it come back themselves."""
def broadcast_to(input: _Tensor, size: Any) -> _Tensor:
    """The input expanded to a shape."""
def bucketize(input: Any, boundaries: _Tensor, *, out_int32: _bool = False, right: _bool = False, out: Any = None) -> _Tensor:
    """The number of the bucket, between sorted boundaries, that each value falls into."""
def cartesian_prod(*tensors: _Tensor | Sequence[_Tensor]) -> _Tensor:
    """All combinations of one entry of each vector, as rows."""
def cat(tensors: Sequence[_Tensor], dim: _int = 0, *, out: Any = None) -> _Tensor:
    """The tensors one after the other along `dim`. Their other sizes must agree; dtypes are promoted."""
def cdist(x1: _Tensor, x2: _Tensor, p: _float = 2.0, compute_mode: str | None = 'use_mm_for_euclid_dist_if_necessary') -> _Tensor:
    """Distances of order `p` between each row of `x1` and each of `x2`."""
cdouble: _dtype
def ceil(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The next whole number above."""
def ceil_(input: _Tensor) -> _Tensor:
    """The next whole number above."""
def celu(input: _Tensor, alpha: _float = 1.0) -> _Tensor:
    """`input` above zero, `alpha * (exp(input / alpha) - 1)` below."""
def celu_(input: _Tensor, alpha: _float = 1.0) -> _Tensor:
    """`celu` in place."""
cfloat: _dtype
def chain_matmul(*matrices: _Tensor, out: Any = None) -> _Tensor:
    """The product of several matrices; `linalg.multi_dot` under its old name."""
chalf: _dtype
def channel_shuffle(input: _Tensor, groups: _int) -> _Tensor:
    """Channels in another order: the first of each group, then the second of each, and so on."""
channels_last: _memory_format
channels_last_3d: _memory_format
def cholesky(input: _Tensor, upper: _bool = False, *, out: Any = None) -> _Tensor:
    """`linalg.cholesky` under its old name."""
def cholesky_inverse(L: _Tensor, upper: _bool = False, *, out: Any = None) -> _Tensor:
    """The inverse of A from Cholesky's factor of A."""
def cholesky_solve(B: _Tensor, L: _Tensor, upper: _bool = False, *, out: Any = None) -> _Tensor:
    """The solution of `A X = B` from Cholesky's factor of A."""
def chunk(input: _Tensor, chunks: _int, dim: _int = 0) -> tuple[_Tensor, ...]:
    """Views of at most `chunks` consecutive parts of a dimension, all but the last of one size."""
def clamp(input: _Tensor, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None, *, out: Any = None) -> _Tensor:
    """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
def clamp_(input: _Tensor, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None) -> _Tensor:
    """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
def clamp_max(input: _Tensor, max: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Elements above `max` become `max`."""
def clamp_max_(input: _Tensor, max: _Tensor | _Number) -> _Tensor:
    """Elements above `max` become `max`."""
def clamp_min(input: _Tensor, min: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Elements below `min` become `min`."""
def clamp_min_(input: _Tensor, min: _Tensor | _Number) -> _Tensor:
    """Elements below `min` become `min`."""
def clip(input: _Tensor, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None, *, out: Any = None) -> _Tensor:
    """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
def clip_(input: _Tensor, min: _Tensor | _Number | None = None, max: _Tensor | _Number | None = None) -> _Tensor:
    """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
def clone(input: _Tensor, *, memory_format: _memory_format | None = ...) -> _Tensor:
    """A copy with a storage of its own; gradients flow through it."""
def column_stack(tensors: Any, *, out: Any = None) -> _Tensor:
    """The tensors side by side; vectors are columns."""
def combinations(input: _Tensor, r: _int = 2, with_replacement: _bool = False) -> _Tensor:
    """All combinations of `r` entries of a vector, as rows."""
def complex(real: _Tensor, imag: _Tensor, *, out: Any = None) -> _Tensor:
    """`real + 1j * imag`."""
complex128: _dtype
complex32: _dtype
complex64: _dtype
def concat(tensors: Sequence[_Tensor], dim: _int = 0, *, out: Any = None) -> _Tensor:
    """The tensors one after the other along `dim`. Their other sizes must agree; dtypes are promoted."""
def concatenate(tensors: Sequence[_Tensor], dim: _int = 0, *, out: Any = None) -> _Tensor:
    """The tensors one after the other along `dim`. Their other sizes must agree; dtypes are promoted."""
def conj(input: _Tensor) -> _Tensor:
    """The conjugate, on the same storage; a real tensor is its own."""
def conj_physical(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The conjugate, stored as such."""
def conj_physical_(input: _Tensor) -> _Tensor:
    """The conjugate, stored as such."""
def constant_pad_nd(input: _Tensor, pad: Any, value: Any = 0) -> _Tensor:
    """The tensor with `value` around it."""
contiguous_format: _memory_format
def conv1d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> _Tensor:
    """Cross-correlation over one spatial dimension."""
def conv2d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> _Tensor:
    """Cross-correlation over two spatial dimensions; see `conv1d`."""
def conv3d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> _Tensor:
    """Cross-correlation over three spatial dimensions; see `conv1d`."""
def conv_tbc(input: _Tensor, weight: _Tensor, bias: _Tensor, pad: _int = 0) -> _Tensor:
    """Convolution over the first dimension of `(time, batch, channels)`, weight `(K, C, O)`."""
def conv_transpose1d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> _Tensor:
    """Transposed convolution over one dimension: input `(N, C, L)`, weight `(C, O / groups, K)`."""
def conv_transpose2d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> _Tensor:
    """Transposed convolution over two dimensions: input `(N, C, H, W)`, weight `(C, O / groups, KH, KW)`."""
def conv_transpose3d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> _Tensor:
    """Transposed convolution over three dimensions; see `conv_transpose2d`."""
def convolution(input: _Tensor, weight: _Tensor, bias: _Tensor | None, stride: Any, padding: Any, dilation: Any, transposed: _bool, output_padding: Any, groups: _int) -> _Tensor:
    """Any of the above, by the number of spatial dimensions and `transposed`."""
def copysign(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """The size of `input` with the sign of `other`."""
def corrcoef(input: _Tensor) -> _Tensor:
    """The correlations of the variables in the rows, observed in the columns."""
def cos(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The cosine."""
def cos_(input: _Tensor) -> _Tensor:
    """The cosine."""
def cosh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The hyperbolic cosine."""
def cosh_(input: _Tensor) -> _Tensor:
    """The hyperbolic cosine."""
def cosine_embedding_loss(*args: Any, **kwargs: Any) -> Any:
    """`1 - cosine` where the target is 1; by how much the cosine exceeds `margin` where it is -1."""
def cosine_similarity(x1: _Tensor, x2: _Tensor, dim: _int = 1, eps: _float = 1e-08) -> _Tensor:
    """The cosine of the angle between vectors along `dim`; norms count as `eps` at least."""
def count_nonzero(input: _Tensor, dim: _int | Sequence[_int] | None = None) -> _Tensor:
    """How many elements are not zero, along `dim` or in all."""
def cov(input: _Tensor, *, correction: _int = 1, fweights: _Tensor | None = None, aweights: _Tensor | None = None) -> _Tensor:
    """The covariances of the variables in the rows, observed in the columns."""
def cross(input: _Tensor, other: _Tensor, dim: _int | None = None, *, out: Any = None) -> _Tensor:
    """The cross product along `dim`, or along the first dimension of size 3."""
def ctc_loss(log_probs: _Tensor, targets: _Tensor, input_lengths: Any, target_lengths: Any, blank: _int = 0, reduction: _int = 0, zero_infinity: _bool = False) -> _Tensor:
    """`nn.functional.ctc_loss` with the reduction as a number: 0 none, 1 mean, 2 sum."""
def cummax(input: _Tensor, dim: _int, *, out: Any = None) -> _results.cummax:
    """Running maxima along `dim`, and where they stand (the latest of equal ones)."""
def cummin(input: _Tensor, dim: _int, *, out: Any = None) -> _results.cummin:
    """Running minima along `dim`, and where they stand (the latest of equal ones)."""
def cumprod(input: _Tensor, dim: _int, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """Running products along `dim`."""
def cumsum(input: _Tensor, dim: _int, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """Running sums along `dim`."""
def cumulative_trapezoid(y: _Tensor, x: Any = None, *, dx: Any = None, dim: _int = -1) -> _Tensor:
    """Running integrals of samples `y` along `dim` by the trapezoidal rule."""
def deg2rad(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Degrees as radians."""
def deg2rad_(input: _Tensor) -> _Tensor:
    """Degrees as radians."""
def det(A: _Tensor, *, out: Any = None) -> _Tensor:
    """The determinant."""
def detach(input: _Tensor) -> _Tensor:
    """The same values on the same storage, outside the graph."""
def detach_(input: _Tensor) -> _Tensor:
    """Takes a tensor out of the graph; see `Tensor.detach_`."""
def detach_copy(input: Any, *, out: Any = None) -> Any:
    """`detach` as a copy instead of a view."""
def diag(input: _Tensor, diagonal: _int = 0, *, out: Any = None) -> _Tensor:
    """A vector as the diagonal of a matrix, or a copy of a matrix's diagonal."""
def diag_embed(input: _Tensor, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> _Tensor:
    """The last dimension on a diagonal of two new ones, zeros elsewhere."""
def diagflat(input: _Tensor, offset: _int = 0) -> _Tensor:
    """A matrix with all elements on a diagonal."""
def diagonal(input: _Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1) -> _Tensor:
    """A view of the diagonal of two dimensions, as the last one."""
def diagonal_copy(input: _Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1, *, out: Any = None) -> Any:
    """`diagonal` as a copy instead of a view."""
def diagonal_scatter(input: _Tensor, src: _Tensor, offset: _int = 0, dim1: _int = 0, dim2: _int = 1, *, out: Any = None) -> _Tensor:
    """A copy of the input with `src` on a diagonal."""
def diff(input: _Tensor, n: _int = 1, dim: _int = -1, prepend: _Tensor | None = None, append: _Tensor | None = None, *, out: Any = None) -> _Tensor:
    """Differences of neighbours along `dim`, taken `n` times, after joining `prepend` and `append` on."""
def digamma(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The derivative of the logarithm of gamma."""
def dist(input: _Tensor, other: _Tensor, p: _float = 2) -> _Tensor:
    """The norm of order `p` of `input - other`."""
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> _Tensor:
    """`input / other`."""
def divide(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> _Tensor:
    """`input / other`."""
def dot(input: _Tensor, tensor: _Tensor, *, out: Any = None) -> _Tensor:
    """The inner product of two vectors."""
double: _dtype
def dropout(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """If `train`, zeros with probability `p`, and the other elements times `1 / (1 - p)`."""
def dropout_(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """`dropout` in place."""
def dsplit(input: _Tensor, indices_or_sections: Any = None, **named: Any) -> tuple[_Tensor, ...]:
    """Views of parts of a dimension: a number of equal ones, or cut at these places."""
def dstack(tensors: Any, *, out: Any = None) -> _Tensor:
    """The tensors behind one another, along dimension 2."""
def einsum(*args: Any) -> _Tensor:
    """Products of tensors summed over named dimensions: `einsum("ij,jk->ik", a, b)` is `a @ b`."""
def embedding(weight: _Tensor, indices: _Tensor, padding_idx: _int = -1, scale_grad_by_freq: _bool = False, sparse: _bool = False) -> _Tensor:
    """What `nn.functional.embedding` is made of: the table comes first, and -1 means no padding."""
def embedding_renorm_(input: _Tensor, indices: _Tensor, max_norm: _float, norm_type: _float) -> _Tensor:
    """Scales the rows at `indices` that are longer than `max_norm` down to it, in place."""
def empty(*size: Any, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False, memory_format: _memory_format | None = ..., **named: Any) -> _Tensor:
    """A tensor whose values are not to be relied on; here they are zeros."""
def empty_like(input: _Tensor, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
    """A tensor of the input's shape, dtype and device whose values are not to be relied on."""
def empty_permuted(size: Any, physical_layout: Any, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False) -> _Tensor:
    """A tensor whose dimensions lie in memory in the order `physical_layout`, slowest first."""
def empty_strided(size: Any, stride: Any, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False) -> _Tensor:
    """A tensor with these strides whose values are not to be relied on."""
def eq(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are equal."""
def equal(input: _Tensor, other: _Tensor) -> _bool:
    """Whether two tensors have the same shape and elements."""
def erf(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The error function."""
def erf_(input: _Tensor) -> _Tensor:
    """The error function."""
def erfc(input: _Tensor, *, out: Any = None) -> _Tensor:
    """1 minus the error function, exact far out."""
def erfc_(input: _Tensor) -> _Tensor:
    """1 minus the error function, exact far out."""
def erfinv(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of the error function."""
def exp(input: _Tensor, *, out: Any = None) -> _Tensor:
    """e to the power of the element."""
def exp2(input: _Tensor, *, out: Any = None) -> _Tensor:
    """2 to the power of the element."""
def exp2_(input: _Tensor) -> _Tensor:
    """2 to the power of the element."""
def exp_(input: _Tensor) -> _Tensor:
    """e to the power of the element."""
def expand_copy(input: Any, size: Any, implicit: Any = False, *, out: Any = None) -> Any:
    """`expand` as a copy instead of a view."""
def expm1(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`exp(input) - 1`, exact near zero."""
def expm1_(input: _Tensor) -> _Tensor:
    """`exp(input) - 1`, exact near zero."""
def eye(n: Any, m: Any = None, *, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """A matrix with ones on the diagonal, `n` by `m` (`n` by `n`)."""
def feature_alpha_dropout(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """`alpha_dropout` of whole channels."""
def feature_alpha_dropout_(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """`feature_alpha_dropout` in place."""
def feature_dropout(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """`dropout` of whole channels, which are dimension 1."""
def feature_dropout_(input: _Tensor, p: _float, train: _bool) -> _Tensor:
    """`feature_dropout` in place."""
def fill(input: _Tensor, value: Any) -> _Tensor:
    """A tensor like the input with `value` throughout."""
def fill_(self: _Tensor, value: Any) -> _Tensor:
    """Sets every element to `value`, a number or a 0-d tensor. Elements that share memory may be filled, too."""
def fix(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The whole number towards zero."""
def fix_(input: _Tensor) -> _Tensor:
    """The whole number towards zero."""
def flatten(input: _Tensor, start_dim: _int = 0, end_dim: _int = -1) -> _Tensor:
    """The dimensions from `start_dim` to `end_dim` as one."""
def flip(input: _Tensor, dims: Any) -> _Tensor:
    """A copy with the entries of these dimensions in reverse."""
def fliplr(input: _Tensor) -> _Tensor:
    """A copy with the columns in reverse."""
def flipud(input: _Tensor) -> _Tensor:
    """A copy with the rows in reverse."""
float: _dtype
float16: _dtype
float32: _dtype
float64: _dtype
float8_e4m3fn: _dtype
float8_e4m3fnuz: _dtype
float8_e5m2: _dtype
float8_e5m2fnuz: _dtype
float8_e8m0fnu: _dtype
def float_power(input: _Tensor | _complex, exponent: _Tensor | _complex, *, out: _Tensor | None = None) -> _Tensor:
    """`input ** exponent` in float64, or complex128 for complex operands."""
def floor(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The next whole number below."""
def floor_(input: _Tensor) -> _Tensor:
    """The next whole number below."""
def floor_divide(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """`input / other`, rounded down; integers stay integers."""
def fmax(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The larger element of each pair; a nan loses against a number."""
def fmin(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The smaller element of each pair; a nan loses against a number."""
def fmod(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """The remainder of `input / other` with the sign of `input`, as C's fmod."""
def frac(input: _Tensor, *, out: Any = None) -> _Tensor:
    """What `trunc` takes away."""
def frac_(input: _Tensor) -> _Tensor:
    """What `trunc` takes away."""
def frexp(input: _Tensor, *, out: Any = None) -> _results.frexp:
    """(mantissa, exponent) with `input == mantissa * 2**exponent` and mantissas of size 0.5 to 1."""
def frobenius_norm(input: _Tensor, dim: Any, keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """The root of the sum of squares over one dimension or two."""
def from_dlpack(ext_tensor: Any, *, device: DeviceLike = None, copy: _bool | None = None) -> _Tensor:
    """A tensor on the memory of an object that speaks DLPack, such as a NumPy or JAX array."""
def from_file(filename: str, shared: _bool | None = None, size: _int = 0, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False) -> _Tensor:
    """A tensor of `size` elements whose memory is a file's."""
def from_numpy(ndarray: Any) -> _Tensor:
    """A tensor on the memory of a NumPy array: writes to either are seen by both."""
def frombuffer(buffer: Any, *, dtype: _dtype | None, count: _int = -1, offset: _int = 0, requires_grad: _bool = False) -> _Tensor:
    """A 1-d tensor on the memory of an object with the buffer protocol."""
def full(size: Any, fill_value: Any, *, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """A tensor of `fill_value` throughout; without `dtype` the number decides."""
def full_like(input: _Tensor, fill_value: Any, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
    """`fill_value` throughout, in the input's shape, dtype and device."""
def gather(input: _Tensor, dim: _int, index: _Tensor, *, sparse_grad: _bool = False, out: Any = None) -> _Tensor:
    """For each element of `index` the element of `input` that it names along `dim`; the other positions stay."""
def gcd(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The greatest common divisor."""
def gcd_(input: _Tensor, other: _Tensor) -> _Tensor:
    """The greatest common divisor."""
def ge(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are greater or equal."""
def geqrf(input: _Tensor, *, out: Any = None) -> _results.geqrf:
    """QR in LAPACK's compact form: R above the diagonal, reflections below it and in tau."""
def ger(input: _Tensor, vec2: _Tensor, *, out: Any = None) -> _Tensor:
    """All products of an element of one vector with one of the other."""
def get_device(input: _Tensor) -> _int:
    """The number of the tensor's GPU; -1 in host memory."""
def gradient(input: _Tensor, *, spacing: Any = None, dim: _int | Sequence[_int] | None = None, edge_order: _int = 1) -> tuple[_Tensor, ...]:
    """The slope of samples along each of `dim` (all dimensions), by central differences."""
def greater(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are greater."""
def greater_equal(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are greater or equal."""
def grid_sampler(input: _Tensor, grid: _Tensor, interpolation_mode: _int, padding_mode: _int, align_corners: _bool) -> _Tensor:
    """`nn.functional.grid_sample` with numbers for the modes, in the order in which its documentation lists them."""
def grid_sampler_2d(input: _Tensor, grid: _Tensor, interpolation_mode: _int, padding_mode: _int, align_corners: _bool) -> _Tensor:
    """`nn.functional.grid_sample` with numbers for the modes, in the order in which its documentation lists them."""
def grid_sampler_3d(input: _Tensor, grid: _Tensor, interpolation_mode: _int, padding_mode: _int, align_corners: _bool) -> _Tensor:
    """`nn.functional.grid_sample` with numbers for the modes, in the order in which its documentation lists them."""
def group_norm(input: _Tensor, num_groups: _int, weight: _Tensor | None = None, bias: _Tensor | None = None, eps: _float = 1e-05, cudnn_enabled: _bool = True) -> _Tensor:
    """`nn.functional.group_norm`; there is no choice of kernels here."""
def gru(*args: Any, **kwargs: Any) -> tuple[_Tensor, ...]:
    """Layers of GRU over sequences."""
def gru_cell(input: _Tensor, hx: _Tensor, w_ih: _Tensor, w_hh: _Tensor, b_ih: _Tensor | None = None, b_hh: _Tensor | None = None) -> _Tensor:
    """One step of a GRU: the next hidden state."""
def gt(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are greater."""
half: _dtype
def hamming_window(window_length: _int, periodic: _bool = True, alpha: _float = 0.54, beta: _float = 0.46, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """`alpha - beta * cos`, which does not quite reach 0."""
def hann_window(window_length: _int, periodic: _bool = True, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """A raised cosine from 0 to 1 and back; periodic ones leave out the last 0."""
def hardshrink(input: _Tensor, lambd: _Number = 0.5, *, out: Any = None) -> _Tensor:
    """0 between `-lambd` and `lambd`, `input` elsewhere."""
def hash_tensor(input: _Tensor, dim: _int | Sequence[_int] | None = ..., *, keepdim: _bool = False, mode: _int = 0, out: Any = None) -> _Tensor:
    """The exclusive or of all elements, or along `dim`: of the bits of float64 or int64, to which they are cast."""
def heaviside(input: _Tensor, values: _Tensor, *, out: Any = None) -> _Tensor:
    """0 below zero, 1 above, `values` at zero."""
def hinge_embedding_loss(*args: Any, **kwargs: Any) -> Any:
    """A distance where the target is 1; by how much it falls short of `margin` where it is -1."""
def histc(input: _Tensor, bins: _int = 100, min: Any = 0, max: Any = 0, *, out: Any = None) -> _Tensor:
    """How many elements fall into each of `bins` equal parts of the range from `min` to `max`."""
def histogram(input: _Tensor, bins: Any, *, range: Any = None, weight: _Tensor | None = None, density: _bool = False, out: Any = None) -> Any:
    """Counts of the elements between edges, and the edges."""
def histogramdd(input: _Tensor, bins: Any, range: Any = None, weight: _Tensor | None = None, density: _bool = False) -> Any:
    """Counts of points in boxes; the last dimension of `input` holds coordinates."""
def hsplit(input: _Tensor, indices_or_sections: Any = None, **named: Any) -> tuple[_Tensor, ...]:
    """Views of parts of a dimension: a number of equal ones, or cut at these places."""
def hstack(tensors: Any, *, out: Any = None) -> _Tensor:
    """The tensors side by side: along dimension 1, vectors along dimension 0."""
def hypot(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """`sqrt(input**2 + other**2)` without overflow."""
def i0(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The modified Bessel function of the first kind and order 0."""
def i0_(input: _Tensor) -> _Tensor:
    """The modified Bessel function of the first kind and order 0."""
def igamma(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The lower regularized incomplete gamma function."""
def igammac(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The upper regularized incomplete gamma function."""
def imag(input: _Tensor) -> _Tensor:
    """The imaginary parts, as a view."""
def index_add(input: _Tensor, dim: _int, index: _Tensor, source: _Tensor, *, alpha: _Number = 1, out: Any = None) -> _Tensor:
    """`input` with `alpha` times the slices of `source` added at the indices along `dim`."""
def index_copy(input: _Tensor, dim: _int, index: _Tensor, source: _Tensor, *, out: Any = None) -> _Tensor:
    """`input` with the slices of `source` in place of those at the indices along `dim`."""
def index_fill(input: _Tensor, dim: _int, index: _Tensor, value: _Tensor | _complex) -> _Tensor:
    """`input` with a number, or a 0-d tensor's value, in the slices at the indices along `dim`."""
def index_put(input: _Tensor, indices: Any, values: _Tensor, accumulate: _bool = False) -> _Tensor:
    """`input` with `values` at `indices`, a tuple of index tensors or masks; `accumulate` adds them."""
def index_put_(input: _Tensor, indices: Any, values: _Tensor, accumulate: _bool = False) -> _Tensor:
    """`input` with `values` at `indices`, a tuple of index tensors or masks; `accumulate` adds them."""
def index_reduce(input: _Tensor, dim: _int, index: _Tensor, source: _Tensor, reduce: str, *, include_self: _bool = True, out: Any = None) -> _Tensor:
    """`input` with the slices of `source` reduced into those at the indices along `dim`."""
def index_select(input: _Tensor, dim: _int, index: _Tensor, *, out: Any = None) -> _Tensor:
    """The slices of `input` along `dim` that a vector of indices names, as a copy."""
def inner(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """Products over the last dimension of both."""
def instance_norm(input: _Tensor, weight: _Tensor | None, bias: _Tensor | None, running_mean: _Tensor | None, running_var: _Tensor | None, use_input_stats: _bool, momentum: _float, eps: _float, cudnn_enabled: _bool) -> _Tensor:
    """`nn.functional.instance_norm` in the order of arguments of `torch.instance_norm`."""
int: _dtype
int16: _dtype
int32: _dtype
int64: _dtype
int8: _dtype
def inverse(A: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of a square matrix, or of each of a batch."""
def is_complex(input: _Tensor) -> _bool:
    """Whether the dtype is a complex one."""
def is_conj(input: _Tensor) -> _bool:
    """Whether the tensor is a conjugate view."""
def is_floating_point(input: _Tensor) -> _bool:
    """Whether the dtype is a floating one."""
def is_inference(input: _Tensor) -> _bool:
    """Whether the tensor was made in inference mode."""
def is_neg(input: _Tensor) -> _bool:
    """Whether values are stored negated: never, here."""
def is_nonzero(input: _Tensor) -> _bool:
    """Whether the only element is not zero."""
def is_same_size(input: _Tensor, other: _Tensor) -> _bool:
    """Whether two tensors have the same shape."""
def is_signed(input: _Tensor) -> _bool:
    """Whether the dtype has negative numbers."""
def is_tensor(obj: Any) -> _bool:
    """Whether `obj` is a Tensor."""
def isclose(input: _Tensor, other: _Tensor, rtol: _float = 1e-05, atol: _float = 1e-08, equal_nan: _bool = False) -> _Tensor:
    """Whether `abs(input - other) <= atol + rtol * abs(other)`."""
def isfinite(input: _Tensor) -> _Tensor:
    """Whether elements are neither infinite nor nan."""
def isin(elements: Any, test_elements: Any, *, assume_unique: _bool = False, invert: _bool = False, out: Any = None) -> _Tensor:
    """Whether each of `elements` is among `test_elements`; `invert` asks whether it is not."""
def isinf(input: _Tensor) -> _Tensor:
    """Whether elements are infinite."""
def isnan(input: _Tensor) -> _Tensor:
    """Whether elements are nan."""
def isneginf(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Whether elements are -inf."""
def isposinf(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Whether elements are +inf."""
def isreal(input: _Tensor) -> _Tensor:
    """Whether elements have no imaginary part."""
def istft(input: _Tensor, n_fft: _int, hop_length: _int | None = None, win_length: _int | None = None, window: _Tensor | None = None, center: _bool = True, normalized: _bool = False, onesided: _bool | None = None, length: _int | None = None, return_complex: _bool = False) -> _Tensor:
    """The signal whose short-time transform this is (in the sense of least squares)."""
jagged: _layout
def kaiser_window(window_length: _int, periodic: _bool = True, beta: _float = 12.0, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """Kaiser's window of shape `beta`."""
def kl_div(*args: Any, **kwargs: Any) -> Any:
    """The Kullback-Leibler divergence of `target` from log-probabilities `input`."""
def kron(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The Kronecker product: each element of `input` times the whole of `other`, side by side."""
def kthvalue(input: _Tensor, k: _int, dim: _int = -1, keepdim: _bool = False, *, out: Any = None) -> _results.kthvalue:
    """The `k`-th smallest element along `dim` (1 is the smallest), and its index."""
def layer_norm(input: _Tensor, normalized_shape: Any, weight: _Tensor | None = None, bias: _Tensor | None = None, eps: _float = 1e-05, cudnn_enable: _bool = True) -> _Tensor:
    """`nn.functional.layer_norm`; there is no choice of kernels here."""
def lcm(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The least common multiple."""
def lcm_(input: _Tensor, other: _Tensor) -> _Tensor:
    """The least common multiple."""
def ldexp(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """`input * 2**other`."""
def ldexp_(input: _Tensor, other: _Tensor) -> _Tensor:
    """`input * 2**other`."""
def le(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are less or equal."""
legacy_contiguous_format: _memory_format
def lerp(input: _Tensor, end: _Tensor, weight: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """From `input` (weight 0) to `end` (weight 1), in the form that is exact at the nearer one."""
def less(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are less."""
def less_equal(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are less or equal."""
def lgamma(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The logarithm of the size of gamma."""
def linspace(start: Any, end: Any, steps: Any, *, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """`steps` numbers from `start` to `end`, both included, equally far apart."""
def log(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The natural logarithm."""
def log10(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The logarithm to base 10."""
def log10_(input: _Tensor) -> _Tensor:
    """The logarithm to base 10."""
def log1p(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`log(1 + input)`, exact near zero."""
def log1p_(input: _Tensor) -> _Tensor:
    """`log(1 + input)`, exact near zero."""
def log2(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The logarithm to base 2."""
def log2_(input: _Tensor) -> _Tensor:
    """The logarithm to base 2."""
def log_(input: _Tensor) -> _Tensor:
    """The natural logarithm."""
def log_softmax(input: _Tensor, dim: _int, dtype: _dtype | None = None, *, out: Any = None) -> _Tensor:
    """The logarithm of `softmax`, exact where that is tiny."""
def logaddexp(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """`log(exp(input) + exp(other))` without overflow."""
def logaddexp2(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """`log2(2**input + 2**other)` without overflow."""
def logcumsumexp(input: _Tensor, dim: _int, *, out: Any = None) -> _Tensor:
    """The logarithm of running sums of exponentials along `dim`, without overflow."""
def logdet(input: _Tensor) -> _Tensor:
    """The logarithm of the determinant; nan for a negative one."""
def logical_and(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """Whether both elements are other than zero."""
def logical_not(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Whether the element is zero."""
def logical_or(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """Whether one of the elements is other than zero."""
def logical_xor(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """Whether exactly one of the elements is other than zero."""
def logit(input: _Tensor, eps: _Number | None = None, *, out: Any = None) -> _Tensor:
    """Log-odds of a probability, `log(input / (1 - input))`; `eps` first clamps it to `[eps, 1 - eps]`."""
def logit_(input: _Tensor, eps: _Number | None = None) -> _Tensor:
    """Log-odds of a probability, `log(input / (1 - input))`; `eps` first clamps it to `[eps, 1 - eps]`."""
def logspace(start: Any, end: Any, steps: Any, base: _float = 10.0, *, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """`base` to the powers that `linspace` gives."""
def logsumexp(input: _Tensor, dim: _int | Sequence[_int], keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """`log(sum(exp(input)))` over `dim`, without overflow."""
long: _dtype
def lstm(*args: Any, **kwargs: Any) -> tuple[_Tensor, ...]:
    """Layers of LSTM over sequences."""
def lstm_cell(input: _Tensor, hx: Sequence[_Tensor], w_ih: _Tensor, w_hh: _Tensor, b_ih: _Tensor | None = None, b_hh: _Tensor | None = None) -> tuple[_Tensor, ...]:
    """One step of an LSTM: the next hidden and cell state."""
def lt(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements are less."""
def lu(A: _Tensor, pivot: _bool = True, get_infos: _bool = False, *, out: Any = None) -> _results.linalg_lu:
    """`linalg.lu_factor_ex` under its old name."""
def lu_solve(b: _Tensor, LU_data: _Tensor, LU_pivots: _Tensor, *, out: Any = None) -> _Tensor:
    """`linalg.lu_solve` under its old name, arguments reversed."""
def lu_unpack(LU_data: _Tensor, LU_pivots: _Tensor, unpack_data: _bool = True, unpack_pivots: _bool = True, *, out: Any = None) -> _results.lu_unpack:
    """P, L and U from what `linalg.lu_factor` gives; those not asked for are empty."""
def margin_ranking_loss(*args: Any, **kwargs: Any) -> Any:
    """By how much the ranking of two scores that `target` asks for (1: the first higher, -1: lower) misses `margin`."""
def masked_fill(input: _Tensor, mask: _Tensor, value: Any) -> _Tensor:
    """`input` with a number, or a 0-d tensor's value, where the mask holds; mask and input broadcast."""
def masked_scatter(input: _Tensor, mask: _Tensor, source: _Tensor) -> _Tensor:
    """`input` with the elements of `source`, in their order, where the mask holds."""
def masked_select(input: _Tensor, mask: _Tensor, *, out: Any = None) -> _Tensor:
    """The elements where the mask holds, as a vector; mask and input broadcast."""
def matmul(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The product of vectors, matrices or batches of matrices, whose batch dimensions broadcast."""
def matrix_exp(A: _Tensor) -> _Tensor:
    """The exponential of a square matrix: `sum of A**k / k!`."""
def matrix_power(input: _Tensor, n: _int, *, out: Any = None) -> _Tensor:
    """A square matrix multiplied by itself `n` times; its inverse for negative `n`."""
@overload
def max(input: _Tensor) -> _Tensor:
    """The largest element: of all, along `dim` with its indices, or of each pair of two tensors."""
@overload
def max(input: _Tensor, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.max:
    """The largest element: of all, along `dim` with its indices, or of each pair of two tensors."""
@overload
def max(input: _Tensor, other: _Tensor, *, out: _Tensor | None = None) -> _Tensor:
    """The largest element: of all, along `dim` with its indices, or of each pair of two tensors."""
def max_pool1d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """The maximum over windows of 1 dimension(s); `return_indices` adds where in the plane it stands."""
def max_pool1d_with_indices(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """`max_pool1d` with the indices of the maxima."""
def max_pool2d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """The maximum over windows of 2 dimension(s); `return_indices` adds where in the plane it stands."""
def max_pool3d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """The maximum over windows of 3 dimension(s); `return_indices` adds where in the plane it stands."""
def maximum(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The larger element of each pair; nan if one is nan. Equal elements share the gradient."""
def mean(input: _Tensor, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """The mean over `dim`, or over everything."""
@overload
def median(input: _Tensor) -> _Tensor:
    """The lower of the two middle elements: of all, or along `dim` together with its index."""
@overload
def median(input: _Tensor, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.median:
    """The lower of the two middle elements: of all, or along `dim` together with its index."""
def meshgrid(*tensors: _Tensor | Sequence[_Tensor], indexing: str | None = None) -> tuple[_Tensor, ...]:
    """Coordinates of the grid that the vectors span, as views."""
@overload
def min(input: _Tensor) -> _Tensor:
    """The smallest element: of all, along `dim` with its indices, or of each pair of two tensors."""
@overload
def min(input: _Tensor, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.min:
    """The smallest element: of all, along `dim` with its indices, or of each pair of two tensors."""
@overload
def min(input: _Tensor, other: _Tensor, *, out: _Tensor | None = None) -> _Tensor:
    """The smallest element: of all, along `dim` with its indices, or of each pair of two tensors."""
def minimum(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The smaller element of each pair; nan if one is nan. Equal elements share the gradient."""
def mm(input: _Tensor, mat2: _Tensor, *, out: Any = None) -> _Tensor:
    """The product of two matrices, `(n, k)` and `(k, m)`."""
def mode(input: _Tensor, dim: _int = -1, keepdim: _bool = False, *, out: Any = None) -> _results.mode:
    """The element that comes most often along `dim`, and an index where it does."""
def moveaxis(input: _Tensor, source: Any, destination: Any) -> _Tensor:
    """A view with the dimensions `source` moved to `destination`; the others keep their order."""
def movedim(input: _Tensor, source: Any, destination: Any) -> _Tensor:
    """A view with the dimensions `source` moved to `destination`; the others keep their order."""
def msort(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The elements in order along the first dimension."""
def mul(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """`input * other`, with broadcasting and type promotion."""
def multinomial(input: _Tensor, num_samples: Any, replacement: _bool = False, *, generator: _Generator | None = None, out: _Tensor | None = None) -> _Tensor:
    """Indices drawn in proportion to the weights in each row of `input`, `num_samples` for a row."""
def multiply(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """`input * other`, with broadcasting and type promotion."""
def mv(input: _Tensor, vec: _Tensor, *, out: Any = None) -> _Tensor:
    """The product of a matrix and a vector."""
def mvlgamma(input: _Tensor, p: _int, *, out: Any = None) -> _Tensor:
    """The logarithm of the gamma function of `p` dimensions."""
def nan_to_num(input: _Tensor, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None, *, out: Any = None) -> _Tensor:
    """nan becomes `nan` (0), infinities `posinf` and `neginf` (the dtype's largest and smallest number)."""
def nan_to_num_(input: _Tensor, nan: _float | None = None, posinf: _float | None = None, neginf: _float | None = None) -> _Tensor:
    """nan becomes `nan` (0), infinities `posinf` and `neginf` (the dtype's largest and smallest number)."""
def nanmean(input: _Tensor, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """The mean of what is not nan."""
@overload
def nanmedian(input: _Tensor) -> _Tensor:
    """`median` of the elements that are not NaN."""
@overload
def nanmedian(input: _Tensor, dim: _int, keepdim: _bool = False, *, out: Any = None) -> _results.nanmedian:
    """`median` of the elements that are not NaN."""
def nanquantile(input: _Tensor, q: Any, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = 'linear', out: Any = None) -> _Tensor:
    """`quantile` of what is not nan."""
def nansum(input: _Tensor, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """The sum in which nan counts as zero."""
def narrow(input: _Tensor, dim: _int, start: Any, length: _int) -> _Tensor:
    """A view of `length` entries of a dimension from `start`."""
def narrow_copy(input: _Tensor, dim: _int, start: _int, length: _int, *, out: Any = None) -> Any:
    """`narrow` as a copy instead of a view."""
def native_channel_shuffle(input: _Tensor, groups: _int) -> _Tensor:
    """Channels in another order: the first of each group, then the second of each, and so on."""
def native_dropout(input: _Tensor, p: _float, train: _bool | None) -> tuple[_Tensor, _Tensor]:
    """`dropout`, and the mask of what it kept; `train=None` means training."""
def ne(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements differ."""
def neg(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The opposite number."""
def neg_(input: _Tensor) -> _Tensor:
    """The opposite number."""
def negative(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The opposite number."""
def negative_(input: _Tensor) -> _Tensor:
    """The opposite number."""
newaxis: None
def nextafter(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The next number after `input` in the direction of `other`."""
def nonzero(input: _Tensor, *, as_tuple: _bool = False, out: Any = None) -> Any:
    """The positions of the elements that are not zero: a row for each, or a vector for each dimension."""
def nonzero_static(input: _Tensor, *, size: _int, fill_value: _int = -1, out: Any = None) -> _Tensor:
    """`nonzero` with exactly `size` rows: cut off, or filled up with `fill_value`."""
def norm(input: _Tensor, p: Any = 'fro', dim: Any = None, keepdim: _bool = False, out: _Tensor | None = None, dtype: _dtype | None = None) -> _Tensor:
    """The norm of order `p` ("fro": 2; "nuc": the sum of singular values) over `dim`, or of all elements."""
def norm_except_dim(v: _Tensor, pow: _int = 2, dim: _int = 0) -> _Tensor:
    """The norm over all dimensions but `dim`, which keep size 1; over all of them for -1."""
def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: _Generator | None = None, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """Normals with a mean and a deviation for each element, or a tensor of `size` with the same for all."""
def not_equal(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """Whether elements differ."""
def nuclear_norm(input: _Tensor, dim: Any = ..., keepdim: _bool = False, *, out: Any = None) -> _Tensor:
    """The sum of the singular values of matrices."""
def numel(input: _Tensor) -> _int:
    """The number of elements."""
def ones(*size: Any, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, **named: Any) -> _Tensor:
    """A tensor of ones."""
def ones_like(input: _Tensor, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
    """Ones of the input's shape, dtype and device."""
def orgqr(A: _Tensor, tau: _Tensor, *, out: Any = None) -> _Tensor:
    """The first columns of a product of reflections, such as Q from `geqrf`."""
def ormqr(input: _Tensor, tau: _Tensor, other: _Tensor, left: _bool = True, transpose: _bool = False, *, out: Any = None) -> _Tensor:
    """The square Q that `geqrf`'s reflections make, times `other` (from the left or the right)."""
def outer(input: _Tensor, vec2: _Tensor, *, out: Any = None) -> _Tensor:
    """All products of an element of one vector with one of the other."""
def pairwise_distance(x1: Any, x2: Any, p: _float = 2.0, eps: _float = 1e-06, keepdim: _bool = False) -> _Tensor:
    """The norm of `x1 - x2 + eps` along the last dimension."""
def pca_lowrank(A: _Tensor, q: _int | None = None, center: _bool = True, niter: _int = 2) -> tuple[_Tensor, _Tensor, _Tensor]:
    """The `q` principal components of the rows of A, nearly, after taking away their mean."""
def pdist(input: _Tensor, p: _float = 2) -> _Tensor:
    """Distances of order `p` between all pairs of rows, as the upper triangle of `cdist(input, input)`."""
def permute(input: _Tensor, dims: Sequence[_int]) -> _Tensor:
    """A view with the dimensions in the order `dims`."""
def permute_copy(input: _Tensor, dims: Sequence[_int], *, out: Any = None) -> Any:
    """`permute` as a copy instead of a view."""
def pinverse(input: _Tensor, rcond: _float = 1e-15) -> _Tensor:
    """`linalg.pinv` under its old name."""
def pixel_shuffle(input: _Tensor, upscale_factor: _int) -> _Tensor:
    """Groups of `upscale_factor ** 2` channels as squares of pixels: (*, C r^2, H, W) to (*, C, H r, W r)."""
def pixel_unshuffle(input: _Tensor, downscale_factor: _int) -> _Tensor:
    """Squares of pixels as channels: the inverse of `pixel_shuffle`."""
def poisson(input: _Tensor, generator: _Generator | None = None) -> _Tensor:
    """How many events come in a unit of time, if `input` come on average."""
def poisson_nll_loss(*args: Any, **kwargs: Any) -> Any:
    """Minus the log-likelihood of counts under Poisson distributions of rate `exp(input)` (or `input`)."""
def polar(abs: _Tensor, angle: _Tensor, *, out: Any = None) -> _Tensor:
    """Complex numbers from their absolute values and angles."""
def polygamma(n: _int, input: _Tensor, *, out: Any = None) -> _Tensor:
    """The n-th derivative of digamma."""
def positive(input: _Tensor) -> _Tensor:
    """The tensor itself."""
def pow(input: Any, exponent: Any, *, out: Any = None) -> _Tensor:
    """`input ** exponent`; either may be a number."""
def prelu(input: _Tensor, weight: _Tensor) -> _Tensor:
    """`input` above zero, `weight * input` below; `weight` has one entry, or one for each channel."""
preserve_format: _memory_format
def prod(input: _Tensor, dim: _int | None = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """The product over one dimension, or over everything; integers multiply in int64."""
def put(input: _Tensor, index: _Tensor, source: _Tensor, accumulate: _bool = False) -> _Tensor:
    """`input` with the elements of `source` at positions of the flattened input; `accumulate` adds them."""
def qr(input: _Tensor, some: _bool = True, *, out: Any = None) -> _results.qr:
    """`linalg.qr` under its old name."""
def quantile(input: _Tensor, q: Any, dim: _int | None = None, keepdim: _bool = False, *, interpolation: str = 'linear', out: Any = None) -> _Tensor:
    """The values below which fractions `q` of the elements lie, along `dim` or of everything."""
def rad2deg(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Radians as degrees."""
def rad2deg_(input: _Tensor) -> _Tensor:
    """Radians as degrees."""
def rand(*size: Any, generator: _Generator | None = None, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False, **named: Any) -> _Tensor:
    """Numbers spread evenly over `[0, 1)`."""
def rand_like(input: _Tensor, *, generator: _Generator | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
    """Numbers spread evenly over `[0, 1)`, in the input's shape, dtype and device."""
def randint(*args: Any, generator: _Generator | None = None, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False, **named: Any) -> _Tensor:
    """Whole numbers of `[low, high)`, int64 unless `dtype` says else: `randint(low=0, high, size)`."""
def randint_like(input: _Tensor, *args: Any, generator: _Generator | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, memory_format: _memory_format | None = ..., **named: Any) -> _Tensor:
    """Whole numbers of `[low, high)` in the input's shape, dtype and device."""
def randn(*size: Any, generator: _Generator | None = None, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False, **named: Any) -> _Tensor:
    """Normally distributed numbers of mean 0 and variance 1."""
def randn_like(input: _Tensor, *, generator: _Generator | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
    """Normally distributed numbers in the input's shape, dtype and device."""
def randperm(n: Any, *, generator: _Generator | None = None, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False) -> _Tensor:
    """The whole numbers from 0 to n-1 in random order, int64 unless `dtype` says else."""
def range(*args: Any, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, **named: Any) -> _Tensor:
    """`arange` that includes `end`. Deprecated in PyTorch, in favour of `arange`."""
def ravel(input: _Tensor) -> _Tensor:
    """All elements in one dimension: a view where the strides allow one."""
def real(input: _Tensor) -> _Tensor:
    """The real parts, as a view; a real tensor itself."""
def reciprocal(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`1 / input`."""
def reciprocal_(input: _Tensor) -> _Tensor:
    """`1 / input`."""
def relu(input: _Tensor) -> _Tensor:
    """`max(input, 0)`; the gradient at 0 is 0."""
def relu_(input: _Tensor) -> _Tensor:
    """`max(input, 0)`; the gradient at 0 is 0."""
def remainder(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """The remainder of `input / other` with the sign of `other`, as Python's `%`."""
def renorm(input: _Tensor, p: _float, dim: _int, maxnorm: _float, *, out: Any = None) -> _Tensor:
    """Slices along `dim` whose norm exceeds `maxnorm`, scaled down to it."""
def repeat_interleave(input: _Tensor, repeats: Any = None, dim: _int | None = None, *, output_size: _int | None = None) -> _Tensor:
    """Each entry of a dimension (of the flattened tensor without `dim`) repeated in place."""
def reshape(input: _Tensor, shape: Sequence[_int]) -> _Tensor:
    """The same elements in another shape: a view where the strides allow one, a copy otherwise."""
def resize_as_(self: _Tensor, tensor: _Tensor, *, memory_format: _memory_format | None = None) -> _Tensor:
    """Gives this tensor the sizes of another."""
def resolve_conj(input: _Tensor) -> _Tensor:
    """The tensor itself, or a copy if it is a conjugate view."""
def resolve_neg(input: _Tensor) -> _Tensor:
    """The tensor itself: negation is never put off."""
def result_type(tensor1: Any, tensor2: Any) -> _dtype:
    """The dtype in which PyTorch computes with two tensors or numbers."""
def rms_norm(input: _Tensor, normalized_shape: Any, weight: _Tensor | None = None, eps: _float | None = None) -> _Tensor:
    """Divides the trailing dimensions by their root mean square, then scales."""
def rnn_relu(*args: Any, **kwargs: Any) -> tuple[_Tensor, ...]:
    """Layers of Elman's network with ReLU over sequences."""
def rnn_relu_cell(input: _Tensor, hx: _Tensor, w_ih: _Tensor, w_hh: _Tensor, b_ih: _Tensor | None = None, b_hh: _Tensor | None = None) -> _Tensor:
    """`rnn_tanh_cell` with ReLU in place of tanh."""
def rnn_tanh(*args: Any, **kwargs: Any) -> tuple[_Tensor, ...]:
    """Layers of Elman's network with tanh over sequences."""
def rnn_tanh_cell(input: _Tensor, hx: _Tensor, w_ih: _Tensor, w_hh: _Tensor, b_ih: _Tensor | None = None, b_hh: _Tensor | None = None) -> _Tensor:
    """One step of Elman's network: `tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)`."""
def roll(input: _Tensor, shifts: Any, dims: Any = None) -> _Tensor:
    """A copy with the entries moved along `dims`, in rounds; without `dims` along all elements in order."""
def rot90(input: _Tensor, k: _int = 1, dims: _int | Sequence[_int] = ...) -> _Tensor:
    """A copy rotated by `k` quarter turns, from the first of `dims` towards the second."""
def round(input: _Tensor, *, decimals: _int = 0, out: Any = None) -> _Tensor:
    """The nearest number with `decimals` digits after the point; halves go to the even neighbour."""
def round_(input: _Tensor, *, decimals: _int = 0) -> _Tensor:
    """The nearest number with `decimals` digits after the point; halves go to the even neighbour."""
def row_stack(tensors: Any, *, out: Any = None) -> _Tensor:
    """The tensors below one another; vectors are rows."""
def rrelu(input: _Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False, generator: _Generator | None = None) -> _Tensor:
    """`leaky_relu` whose slope is random in training."""
def rrelu_(input: _Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False, generator: _Generator | None = None) -> _Tensor:
    """`rrelu` in place."""
def rsqrt(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`1 / sqrt(input)`."""
def rsqrt_(input: _Tensor) -> _Tensor:
    """`1 / sqrt(input)`."""
def rsub(input: _Tensor, other: _Tensor | _Number, *, alpha: _Number = 1) -> _Tensor:
    """`other - alpha * input`."""
def scalar_tensor(s: Any, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False) -> _Tensor:
    """A number as a 0-d tensor of the default dtype."""
def scatter(input: _Tensor, dim: _int, index: _Tensor, src: _Tensor | _complex | None = None, *, value: _complex | None = None, reduce: str | None = None, out: Any = None) -> _Tensor:
    """`input` with elements of `src`, or one number, at the positions that `index` names along `dim`."""
def scatter_add(input: _Tensor, dim: _int, index: _Tensor, src: _Tensor, *, out: Any = None) -> _Tensor:
    """`input` with the elements of `src` added at the positions that `index` names along `dim`."""
def scatter_reduce(input: _Tensor, dim: _int, index: _Tensor, src: _Tensor, reduce: str, *, include_self: _bool = True, out: Any = None) -> _Tensor:
    """`input` with the elements of `src` reduced into the positions that `index` names along `dim`."""
def searchsorted(sorted_sequence: _Tensor, input: Any, *, out_int32: _bool = False, right: _bool = False, side: str | None = None, sorter: _Tensor | None = None, out: Any = None) -> _Tensor:
    """Where to insert `input` into a sorted sequence so that it stays in order."""
def segment_reduce(data: _Tensor, reduce: str, *, lengths: _Tensor | None = None, indices: _Tensor | None = None, offsets: _Tensor | None = None, axis: _int = 0, unsafe: _bool = False, initial: _float | None = None) -> _Tensor:
    """Reduces each of the stretches that a dimension is cut into."""
def select(input: _Tensor, dim: _int, index: _int) -> _Tensor:
    """A view of one entry of a dimension, which disappears."""
def select_copy(input: _Tensor, dim: _int, index: _int, *, out: Any = None) -> Any:
    """`select` as a copy instead of a view."""
def select_scatter(input: _Tensor, src: _Tensor, dim: _int, index: _int, *, out: Any = None) -> _Tensor:
    """A copy of the input with `src` as one entry of a dimension."""
def selu(input: _Tensor) -> _Tensor:
    """`elu` with the constants that keep mean and variance."""
def selu_(input: _Tensor) -> _Tensor:
    """`selu` in place."""
def set_default_tensor_type(t: Any) -> None:
    """Makes the dtype of a tensor type the default one, and its device too if that is a GPU."""
def sgn(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The sign; of complex numbers, the number divided by its modulus."""
short: _dtype
def sigmoid(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`1 / (1 + exp(-input))`."""
def sigmoid_(input: _Tensor) -> _Tensor:
    """`1 / (1 + exp(-input))`."""
def sign(input: _Tensor, *, out: Any = None) -> _Tensor:
    """-1, 0 or 1 as the element is negative, zero or positive."""
def signbit(input: _Tensor, *, out: Any = None) -> _Tensor:
    """Whether the sign bit is set: negative numbers and -0.0."""
def sin(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The sine."""
def sin_(input: _Tensor) -> _Tensor:
    """The sine."""
def sinc(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`sin(pi * input) / (pi * input)`, 1 at zero."""
def sinc_(input: _Tensor) -> _Tensor:
    """`sin(pi * input) / (pi * input)`, 1 at zero."""
def sinh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The hyperbolic sine."""
def sinh_(input: _Tensor) -> _Tensor:
    """The hyperbolic sine."""
def slice_copy(input: Any, dim: Any = 0, start: Any = None, end: Any = None, step: Any = 1, *, out: Any = None) -> Any:
    """`slice` as a copy instead of a view."""
def slice_scatter(input: _Tensor, src: _Tensor, dim: _int = 0, start: _int | None = None, end: _int | None = None, step: _int = 1, *, out: Any = None) -> _Tensor:
    """A copy of the input with `src` as `input[start:end:step]` along one dimension."""
def slogdet(input: _Tensor) -> _results.slogdet:
    """`linalg.slogdet`."""
def softmax(input: _Tensor, dim: _int, dtype: _dtype | None = None, *, out: Any = None) -> _Tensor:
    """Exponentials that sum to one along `dim`; `dtype` first converts."""
def sort(input: _Tensor, dim: _int = -1, descending: _bool = False, *, stable: _bool | None = False, out: Any = None) -> _results.sort:
    """The elements in order along `dim`, and where they came from. Equal elements keep their order."""
sparse_bsc: _layout
sparse_bsr: _layout
sparse_coo: _layout
sparse_csc: _layout
sparse_csr: _layout
def split(tensor: _Tensor, split_size_or_sections: Any, dim: _int = 0) -> tuple[_Tensor, ...]:
    """Views of consecutive parts of a dimension: of one size, or of a sequence of sizes."""
def split_copy(tensor: _Tensor, split_size_or_sections: Any, dim: _int = 0, *, out: Any = None) -> Any:
    """`split` as a copy instead of a view."""
def split_with_sizes(input: _Tensor, split_sizes: Any, dim: _int = 0) -> tuple[_Tensor, ...]:
    """Views of consecutive parts of a dimension, of these sizes."""
def split_with_sizes_copy(input: _Tensor, split_sizes: Any, dim: _int = 0, *, out: Any = None) -> Any:
    """`split_with_sizes` as a copy instead of a view."""
def sqrt(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The square root."""
def sqrt_(input: _Tensor) -> _Tensor:
    """The square root."""
def square(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`input * input`."""
def square_(input: _Tensor) -> _Tensor:
    """`input * input`."""
def squeeze(input: _Tensor, dim: Any = None) -> _Tensor:
    """A view without the dimensions of size 1: all of them, or those among `dim`."""
def squeeze_copy(input: _Tensor, dim: Any = None, *, out: Any = None) -> Any:
    """`squeeze` as a copy instead of a view."""
def stack(tensors: Sequence[_Tensor], dim: _int = 0, *, out: Any = None) -> _Tensor:
    """The tensors, all of one shape, along a new dimension `dim`."""
def std(input: _Tensor, dim: Any = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = ..., out: Any = None) -> _Tensor:
    """The standard deviation over `dim`, or of everything."""
def std_mean(input: _Tensor, dim: Any = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = ...) -> tuple[_Tensor, _Tensor]:
    """Standard deviation and mean over `dim`, or of everything."""
def stft(input: _Tensor, n_fft: _int, hop_length: _int | None = None, win_length: _int | None = None, window: _Tensor | None = None, center: _bool = True, pad_mode: str = 'reflect', normalized: _bool = False, onesided: _bool | None = None, return_complex: _bool | None = None, align_to_window: _bool | None = None) -> _Tensor:
    """The Fourier transforms of overlapping frames of a signal."""
strided: _layout
def sub(input: _Tensor, other: _Tensor | _Number, *, alpha: _Number = 1, out: Any = None) -> _Tensor:
    """`input - alpha * other`, with broadcasting and type promotion."""
def subtract(input: _Tensor, other: _Tensor | _Number, *, alpha: _Number = 1, out: Any = None) -> _Tensor:
    """`input - alpha * other`, with broadcasting and type promotion."""
def sum(input: _Tensor, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """The sum over `dim`, or over everything; integers add up in int64."""
def svd(input: _Tensor, some: _bool = True, compute_uv: _bool = True, *, out: Any = None) -> _results.svd:
    """`linalg.svd` under its old name: V instead of Vh, and reduced unless `some` is False."""
def svd_lowrank(A: _Tensor, q: _int | None = 6, niter: _int | None = 2, M: _Tensor | None = None) -> tuple[_Tensor, _Tensor, _Tensor]:
    """The `q` largest singular values and their vectors, nearly; of `A - M`, if M is given."""
def swapaxes(input: _Tensor, axis0: _int, axis1: _int) -> _Tensor:
    """A view with two dimensions exchanged."""
def swapdims(input: _Tensor, dim0: _int, dim1: _int) -> _Tensor:
    """A view with two dimensions exchanged."""
def t(input: _Tensor) -> _Tensor:
    """A matrix transposed; tensors of fewer dimensions as they are."""
def t_copy(input: _Tensor, *, out: Any = None) -> Any:
    """`t` as a copy instead of a view."""
def take(input: _Tensor, index: _Tensor, *, out: Any = None) -> _Tensor:
    """The elements of the flattened input at the given positions, in the shape of `index`."""
def take_along_dim(input: _Tensor, indices: _Tensor, dim: _int | None = None, *, out: Any = None) -> _Tensor:
    """`gather` with broadcasting; `dim=None` indexes the flat input. Negative indices count from the end."""
def tan(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The tangent."""
def tan_(input: _Tensor) -> _Tensor:
    """The tangent."""
def tanh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The hyperbolic tangent."""
def tanh_(input: _Tensor) -> _Tensor:
    """The hyperbolic tangent."""
def tensor(data: Any, *, dtype: _dtype | None = None, device: DeviceLike = None, requires_grad: _bool = False, pin_memory: _bool = False) -> _Tensor:
    """A new leaf with a copy of `data`: a number, nested sequences of numbers, a NumPy array or a tensor."""
def tensor_split(input: _Tensor, indices_or_sections: Any = None, dim: _int = 0, **named: Any) -> tuple[_Tensor, ...]:
    """Views of parts of a dimension: a number of nearly equal ones, or cut at these places."""
def tensordot(a: _Tensor, b: _Tensor, dims: Any = 2, *, out: Any = None) -> _Tensor:
    """Products over the last `dims` dimensions of `a` and the first of `b`, or over pairs of dimensions."""
def threshold(input: _Tensor, threshold: _Number, value: _Number) -> _Tensor:
    """`input` where it exceeds `threshold`, `value` elsewhere."""
def threshold_(input: _Tensor, threshold: _Number, value: _Number) -> _Tensor:
    """`input` where it exceeds `threshold`, `value` elsewhere."""
def tile(input: _Tensor, dims: Any) -> _Tensor:
    """A copy of the tensor repeated along its last dimensions, or along more."""
def to_dlpack(tensor: _Tensor) -> Any:
    """A DLPack capsule on a tensor's memory."""
def topk(input: _Tensor, k: _int, dim: _int = -1, largest: _bool = True, sorted: _bool = True, *, out: Any = None) -> _results.topk:
    """The `k` largest elements along `dim` (the smallest with `largest=False`), in order, and their indices."""
def trace(input: _Tensor) -> _Tensor:
    """The sum of a matrix's diagonal."""
def transpose(input: _Tensor, dim0: _int, dim1: _int) -> _Tensor:
    """A view with two dimensions exchanged."""
def transpose_copy(input: _Tensor, dim0: _int, dim1: _int, *, out: Any = None) -> Any:
    """`transpose` as a copy instead of a view."""
def trapezoid(y: _Tensor, x: Any = None, *, dx: Any = None, dim: _int = -1) -> _Tensor:
    """The integral of samples `y` along `dim` by the trapezoidal rule, at points `x` or `dx` (1) apart."""
def trapz(y: _Tensor, x: Any = None, *, dx: Any = None, dim: _int = -1) -> _Tensor:
    """The integral of samples `y` along `dim` by the trapezoidal rule, at points `x` or `dx` (1) apart."""
def triangular_solve(input: _Tensor, A: _Tensor, upper: _bool = True, transpose: _bool = False, unitriangular: _bool = False, *, out: Any = None) -> _results.triangular_solve:
    """The solution of a triangular system; `linalg.solve_triangular` under its old name, arguments reversed."""
def tril(input: _Tensor, diagonal: _Number = 0, *, out: Any = None) -> _Tensor:
    """The part of each matrix on one side of a diagonal, zeros elsewhere."""
def tril_indices(row: Any, col: Any, offset: _int = 0, *, dtype: _dtype | None = ..., device: DeviceLike = None, layout: _layout | None = None, pin_memory: _bool = False) -> _Tensor:
    """Rows and columns of the lower triangle of a matrix, as a 2-row tensor."""
def triplet_margin_loss(*args: Any, **kwargs: Any) -> Any:
    """By how much the distance to `negative` fails to exceed that to `positive` by `margin`."""
def triu(input: _Tensor, diagonal: _Number = 0, *, out: Any = None) -> _Tensor:
    """The part of each matrix on one side of a diagonal, zeros elsewhere."""
def triu_indices(row: Any, col: Any, offset: _int = 0, *, dtype: _dtype | None = ..., device: DeviceLike = None, layout: _layout | None = None, pin_memory: _bool = False) -> _Tensor:
    """Rows and columns of the upper triangle of a matrix, as a 2-row tensor."""
def true_divide(input: _Tensor, other: _Tensor | _Number, *, out: Any = None) -> _Tensor:
    """`input / other`; integers give the default dtype."""
def trunc(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The whole number towards zero."""
def trunc_(input: _Tensor) -> _Tensor:
    """The whole number towards zero."""
def typename(obj: Any) -> str:
    """The name of an object's type with its module, as PyTorch has it; of a tensor, the legacy type."""
uint16: _dtype
uint32: _dtype
uint64: _dtype
uint8: _dtype
def unbind(input: _Tensor, dim: _int = 0) -> tuple[_Tensor, ...]:
    """Views of all entries of a dimension, which disappears."""
def unbind_copy(input: _Tensor, dim: _int = 0, *, out: Any = None) -> Any:
    """`unbind` as a copy instead of a view."""
def unflatten(input: _Tensor, dim: _int, sizes: Sequence[_int]) -> _Tensor:
    """One dimension as several, of `sizes` (one may be -1)."""
def unfold_copy(self: _Tensor, dimension: _int, size: _int, step: _int, *, out: Any = None) -> Any:
    """`unfold` as a copy instead of a view."""
def unique(input: _Tensor, sorted: _bool = True, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None) -> Any:
    """The distinct elements, in order; with `dim` the distinct slices along it. Each NaN is distinct."""
def unique_consecutive(input: _Tensor, return_inverse: _bool = False, return_counts: _bool = False, dim: _int | None = None) -> Any:
    """The elements (or slices along `dim`) without repeats right behind one another."""
def unravel_index(indices: _Tensor, shape: Sequence[_int] | _int) -> tuple[_Tensor, ...]:
    """Flat positions as one index tensor for each dimension of `shape`."""
def unsafe_chunk(input: _Tensor, chunks: _int, dim: _int = 0) -> tuple[_Tensor, ...]:
    """`chunk` whose parts autograd lets be written to."""
def unsafe_split(input: _Tensor, split_size: _int, dim: _int = 0) -> tuple[_Tensor, ...]:
    """`split` whose parts autograd lets be written to."""
def unsafe_split_with_sizes(input: _Tensor, split_sizes: Any, dim: _int = 0) -> tuple[_Tensor, ...]:
    """`split_with_sizes` whose parts autograd lets be written to."""
def unsqueeze(input: _Tensor, dim: _int) -> _Tensor:
    """A view with a new dimension of size 1 at `dim`."""
def unsqueeze_copy(input: _Tensor, dim: _int, *, out: Any = None) -> Any:
    """`unsqueeze` as a copy instead of a view."""
def vander(x: _Tensor, N: _int | None = None, increasing: _bool = False) -> _Tensor:
    """Rows of powers of a vector's elements, falling unless `increasing`."""
def var(input: _Tensor, dim: Any = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = ..., out: Any = None) -> _Tensor:
    """The variance over `dim`, or of everything; see `std`."""
def var_mean(input: _Tensor, dim: Any = None, unbiased: _bool | None = None, keepdim: _bool = False, *, correction: Any = ...) -> tuple[_Tensor, _Tensor]:
    """Variance and mean over `dim`, or of everything."""
def vdot(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The inner product of two vectors, the first one conjugated."""
def view_as_complex(input: _Tensor) -> _Tensor:
    """A view of pairs of real numbers, in a last dimension of size 2, as complex ones."""
def view_as_complex_copy(input: _Tensor, *, out: Any = None) -> Any:
    """`view_as_complex` as a copy instead of a view."""
def view_as_real(input: _Tensor) -> _Tensor:
    """A view of complex numbers as pairs of real ones, in a last dimension of size 2."""
def view_as_real_copy(input: _Tensor, *, out: Any = None) -> Any:
    """`view_as_real` as a copy instead of a view."""
def view_copy(input: _Tensor, size: Any = None, dtype: _dtype | None = None, *, out: Any = None) -> Any:
    """`view` as a copy instead of a view."""
def vsplit(input: _Tensor, indices_or_sections: Any = None, **named: Any) -> tuple[_Tensor, ...]:
    """Views of parts of a dimension: a number of equal ones, or cut at these places."""
def vstack(tensors: Any, *, out: Any = None) -> _Tensor:
    """The tensors below one another; vectors are rows."""
@overload
def where(condition: _Tensor) -> tuple[_Tensor, ...]:
    """`input` where `condition` is true, `other` elsewhere; both may be numbers. With a condition alone: its indices."""
@overload
def where(condition: _Tensor, input: _Tensor | _Number, other: _Tensor | _Number) -> _Tensor:
    """`input` where `condition` is true, `other` elsewhere; both may be numbers. With a condition alone: its indices."""
def xlogy(input: Any, other: Any, *, out: Any = None) -> _Tensor:
    """`input * log(other)`, 0 where `input` is 0."""
def xlogy_(input: Any, other: Any) -> _Tensor:
    """`input * log(other)`, 0 where `input` is 0."""
def zero_(self: _Tensor) -> _Tensor:
    """Sets every element to zero. Elements that share memory may be, too."""
def zeros(*size: Any, out: _Tensor | None = None, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, **named: Any) -> _Tensor:
    """A tensor of zeros."""
def zeros_like(input: _Tensor, *, dtype: _dtype | None = None, layout: _layout | None = None, device: DeviceLike = None, pin_memory: _bool = False, requires_grad: _bool = False, memory_format: _memory_format | None = ...) -> _Tensor:
    """Zeros of the input's shape, dtype and device."""
