"""Products of matrices and vectors, and the linear layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT, RAW, Array, Out, broadcast_shapes
from flambeau._core.dispatch import check_writable, function, op, resize, write
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.sums import total


def _cost(inputs: Any, results: Any) -> int:
    """Multiply-adds, weighed so that NumPy's rate for them is that of elementwise work."""
    inner = inputs[0].shape[-1] if inputs[0].shape else 1
    return int(results[0].numel * inner // 16 + sum(m.numel for m in inputs))


def product(xp: Any, a: Array, b: Array) -> Array:
    """`a @ b`, summing 16-bit floats in float32, as PyTorch's kernels do."""
    if xp is np:
        return np.matmul(a, b)
    if a.dtype.itemsize < 4 and a.dtype.kind in "fV":
        return xp.matmul(a, b, preferred_element_type=np.float32).astype(a.dtype)
    if a.dtype == np.bool_:
        return xp.matmul(a.astype(np.int32), b.astype(np.int32)) > 0
    return xp.matmul(a, b)


def rows(a: Any) -> Any:
    """An array or tensor as a matrix: all dimensions but the last become one."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def transposed(xp: Any, a: Array) -> Array:
    return xp.swapaxes(a, -1, -2)


def adjoint(xp: Any, a: Array) -> Array:
    return xp.conj(xp.swapaxes(a, -1, -2)) if a.dtype.kind == "c" else xp.swapaxes(a, -1, -2)


def no_bools(name: str, *arguments: Any) -> None:
    for meta in arguments:
        if isinstance(meta, Meta) and meta.dtype is dtypes.bool_:
            raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")


def cannot_multiply(a: tuple[int, ...], b: tuple[int, ...]) -> RuntimeError:
    return RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})")


def different_dtypes(a: Meta, b: Meta) -> RuntimeError:
    names = f"{dtypes.cpp_name(a.dtype)} != {dtypes.cpp_name(b.dtype)}"
    return RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names}")


# -- mm, bmm, matmul -------------------------------------------------------------------------------


def _mm_shape(input: Meta, mat2: Meta) -> tuple[int, ...]:
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    if input.shape[1] != mat2.shape[0]:
        raise cannot_multiply(input.shape, mat2.shape)
    if input.dtype is not mat2.dtype:
        raise different_dtypes(input, mat2)
    return (input.shape[0], mat2.shape[1])


def _like_first(input: Meta, *rest: Any) -> Any:
    return input.dtype


@op(
    "mm",
    "Tensor.mm",
    out=EXACT,
    promote=RAW,
    shape=_mm_shape,
    result=_like_first,
    dtypes=no_bools,
    cost=_cost,
)
def mm(xp: Any, input: Array, mat2: Array) -> Array:
    """The product of two matrices, `(n, k)` and `(k, m)`.

    Raises: RuntimeError, if the inner sizes or the dtypes differ.
    """
    return product(xp, input, mat2)


@mm.gradient("input")
def _(xp: Any, g: Array, mat2: Array) -> Array:
    return product(xp, g, adjoint(xp, mat2))


@mm.gradient("mat2")
def _(xp: Any, g: Array, input: Array) -> Array:
    return product(xp, adjoint(xp, input), g)


def _bmm_shape(input: Meta, mat2: Meta) -> tuple[int, ...]:
    for name, meta in (("batch1", input), ("batch2", mat2)):
        if meta.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, {input.shape[2]}] but "
            f"got: [{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    if input.dtype is not mat2.dtype:
        raise RuntimeError(
            f"expected scalar type {input.dtype.scalar_type} but found {mat2.dtype.scalar_type}"
        )
    return (*input.shape[:2], mat2.shape[2])


def _no_bool_batches(name: str, *arguments: Any) -> None:
    if arguments[0].dtype is dtypes.bool_:
        raise NotImplementedError("\"baddbmm_bmm_strided\" not implemented for 'Bool'")


@op(
    "bmm",
    "Tensor.bmm",
    out=EXACT,
    promote=RAW,
    shape=_bmm_shape,
    result=_like_first,
    dtypes=_no_bool_batches,
    cost=_cost,
)
def bmm(xp: Any, input: Array, mat2: Array) -> Array:
    """The products of a batch of matrices, `(b, n, k)` and `(b, k, m)`."""
    return product(xp, input, mat2)


@bmm.gradient("input")
def _(xp: Any, g: Array, mat2: Array) -> Array:
    return product(xp, g, adjoint(xp, mat2))


@bmm.gradient("mat2")
def _(xp: Any, g: Array, input: Array) -> Array:
    return product(xp, adjoint(xp, input), g)


def _matmul_shape(input: Meta, other: Meta) -> tuple[int, ...]:
    a, b = input.shape, other.shape
    if not a or not b:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D"
        )
    if len(a) == 1 and len(b) == 1:
        return _dot_shape(input, other)
    if len(b) == 1 and len(a) == 2:
        return _mv_shape(input, other)
    if (len(a) <= 2 and len(b) <= 2) or (len(a) == 1 or (len(b) <= 2 and len(a) > 2)):
        left = a if len(a) == 2 else (1, a[0]) if len(a) == 1 else (math.prod(a[:-1]), a[-1])
        right = b[-2:] if len(b) > 1 else (b[0], 1)
        if left[1] != right[0]:
            raise cannot_multiply(left, right)
    elif a[-1] != b[-2 if len(b) > 1 else 0]:
        batch = math.prod(broadcast_shapes(a[:-2], b[:-2]))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {a[-1]}] but got: "
            f"[{batch}, {b[-2]}]."
        )
    if input.dtype is not other.dtype:
        if len(a) <= 2 and len(b) <= 2:
            raise different_dtypes(input, other)
        raise RuntimeError(
            f"expected scalar type {input.dtype.scalar_type} but found {other.dtype.scalar_type}"
        )
    batch_shape = broadcast_shapes(a[:-2], b[:-2])
    return (*batch_shape, *(a[-2:-1] if len(a) > 1 else ()), *(b[-1:] if len(b) > 1 else ()))


def _matmul_node(inputs: Any) -> str:
    a, b = inputs[0].ndim, inputs[1].ndim
    if a == 1 and b == 1:
        return "DotBackward"
    if b == 1 and a == 2:
        return "MvBackward"
    if a == 2 and b == 2:
        return "MmBackward"
    return "SqueezeBackward4" if a == 1 else "UnsafeViewBackward"


@op(
    "matmul", "linalg.matmul", "Tensor.matmul", "Tensor.__matmul__", out=EXACT, promote=RAW, shape=_matmul_shape,
    result=_like_first, dtypes=no_bools, cost=_cost, node=_matmul_node,
)  # fmt: skip
def matmul(xp: Any, input: Array, other: Array) -> Array:
    """The product of vectors, matrices or batches of matrices, whose batch dimensions broadcast.

    >>> import flambeau
    >>> flambeau.matmul(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    if other.ndim <= 2 and input.ndim > 2:
        # One large product instead of many small ones.
        flat = product(xp, rows(input), other)
        return flat.reshape(input.shape[:-1] + other.shape[1:])
    return product(xp, input, other)


@matmul.gradient("input")
def _(xp: Any, g: Array, other: Array, input_meta: Meta) -> Array:
    if other.ndim == 1:
        return g[..., None] * xp.conj(other)
    if input_meta.ndim == 1:
        return product(xp, g[..., None, :], adjoint(xp, other))[..., 0, :]
    if other.ndim == 2 and g.ndim > 2:
        return product(xp, rows(g), adjoint(xp, other)).reshape(input_meta.shape)
    return product(xp, g, adjoint(xp, other))


@matmul.gradient("other")
def _(xp: Any, g: Array, input: Array, other_meta: Meta) -> Array:
    if input.ndim == 1:
        return xp.conj(input)[:, None] * g[..., None, :] if other_meta.ndim > 1 else xp.conj(input) * g
    if other_meta.ndim == 1:
        flat = adjoint(xp, rows(input))
        return product(xp, flat, g.reshape(-1, 1))[:, 0]
    if other_meta.ndim == 2 and input.ndim > 2:
        return product(xp, adjoint(xp, rows(input)), rows(g))
    return product(xp, adjoint(xp, input), g)


# -- the linear layer ------------------------------------------------------------------------------


def _linear_shape(input: Meta, weight: Meta, bias: Meta | None) -> tuple[int, ...]:
    if not input.ndim or not weight.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and {weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    sides = (math.prod(input.shape[:-1]), input.shape[-1])
    if weight.ndim == 1:
        if bias is not None:
            raise RuntimeError("linear(): a weight of one dimension takes no bias")
        return _matmul_shape(input, weight)
    if sides[1] != weight.shape[1]:
        raise cannot_multiply(sides, weight.shape[::-1])
    if input.dtype is not weight.dtype:
        if bias is not None:
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {input.dtype.scalar_type} and {weight.dtype.scalar_type}"
            )
        raise different_dtypes(input, weight)
    if bias is not None:
        if bias.dtype is not weight.dtype:
            raise RuntimeError(
                f"self and mat2 must have the same dtype, but got {bias.dtype.scalar_type} and {weight.dtype.scalar_type}"
            )
        out = (sides[0], weight.shape[0])
        if bias.shape not in ((weight.shape[0],), (1,), (), (1, weight.shape[0]), out):
            raise RuntimeError(
                f"The expanded size of the tensor ({weight.shape[0]}) must match the existing size "
                f"({bias.shape[-1]}) at non-singleton dimension 1.  Target sizes: {list(out)}.  Tensor sizes: "
                f"{list(bias.shape)}"
            )
    return (*input.shape[:-1], weight.shape[0])


def _linear_node(inputs: Any) -> str:
    if inputs[0].ndim == 2:
        return "AddmmBackward" if len(inputs) == 3 else "MmBackward"
    return "ViewBackward" if len(inputs) == 3 or inputs[0].ndim == 1 else "UnsafeViewBackward"


@op(
    "nn.functional.linear", out=EXACT, promote=RAW, shape=_linear_shape, result=_like_first, dtypes=no_bools, cost=_cost,
    node=_linear_node,
)  # fmt: skip
def linear(xp: Any, input: Array, weight: Array, bias: Array | None = None) -> Array:
    """`input @ weight.T + bias`.

    Shape: input `(*, in_features)`, weight `(out_features, in_features)` or `(in_features,)`, bias `(out_features,)`;
    the result is `(*, out_features)`.
    Raises: RuntimeError, if `in_features` or the dtypes differ.
    """
    # Two dimensions: XLA and BLAS are fastest there.
    flat = rows(input)
    found = product(xp, flat, weight.T)
    if bias is not None:
        found += bias
    return found.reshape(input.shape[:-1] + weight.shape[:-1])


@linear.gradient("input")
def _(xp: Any, g: Array, weight: Array, input_meta: Meta) -> Array:
    if weight.ndim == 1:
        return g[..., None] * xp.conj(weight)
    flat = product(xp, rows(g), xp.conj(weight) if weight.dtype.kind == "c" else weight)
    return flat.reshape(input_meta.shape)


@linear.gradient("weight")
def _(xp: Any, g: Array, input: Array, weight_meta: Meta) -> Array:
    flat = rows(input)
    flat = xp.conj(flat) if flat.dtype.kind == "c" else flat
    if weight_meta.ndim == 1:
        return product(xp, flat.T, g.reshape(-1, 1))[:, 0]
    return product(xp, rows(g).T, flat)


@linear.gradient("bias")
def _(xp: Any, g: Array, bias_meta: Meta) -> Array:
    if bias_meta.ndim == 2 and bias_meta.shape[0] != 1:
        return g.reshape(bias_meta.shape)
    flat = rows(g)
    if bias_meta.numel == 1 and g.shape[-1] != 1:
        return flat.sum().reshape(bias_meta.shape)
    return total(xp, flat, 0).reshape(bias_meta.shape)


# -- vectors ---------------------------------------------------------------------------------------


def _dot_shape(input: Meta, other: Meta) -> tuple[int, ...]:
    if input.ndim != 1 or other.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {other.ndim}D tensors")
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {input.dtype.scalar_type} and "
            f"{other.dtype.scalar_type}"
        )
    if input.shape != other.shape:
        a, b = input.shape[0], other.shape[0]
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{a}] and src [{b}] to have the same number of elements, but got "
            f"{a} and {b} elements respectively"
        )
    return ()


_OUT_OF_MV = Out("addmv input tensors must have the same dtype, but got {found}, {wanted}, and {wanted}")


_OUT_OF_DOT = Out("result dtype {found} does not match input dtype {wanted}")


def _no_bool_vectors(name: str, *arguments: Any) -> None:
    if arguments[0].dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")


@op(
    "dot",
    "Tensor.dot",
    out=_OUT_OF_DOT,
    promote=RAW,
    shape=_dot_shape,
    result=_like_first,
    dtypes=_no_bool_vectors,
)
def dot(xp: Any, input: Array, tensor: Array) -> Array:
    """The inner product of two vectors."""
    return product(xp, input, tensor)


@dot.gradient("input")
def _(xp: Any, g: Array, tensor: Array) -> Array:
    return g * xp.conj(tensor)


@dot.gradient("tensor")
def _(xp: Any, g: Array, input: Array) -> Array:
    return g * xp.conj(input)


@op(
    "vdot", "Tensor.vdot", out=_OUT_OF_DOT, promote=RAW, shape=_dot_shape, result=_like_first, dtypes=_no_bool_vectors,
)  # fmt: skip
def vdot(xp: Any, input: Array, other: Array) -> Array:
    """The inner product of two vectors, the first one conjugated."""
    return product(xp, xp.conj(input), other)


@vdot.gradient("input")
def _(xp: Any, g: Array, other: Array) -> Array:
    return xp.conj(g) * other


@vdot.gradient("other")
def _(xp: Any, g: Array, input: Array) -> Array:
    return g * input


def _mv_shape(input: Meta, vec: Meta) -> tuple[int, ...]:
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({input.shape[0]}), mat ({input.shape[0]}x{input.shape[1]}), vec ({vec.shape[0]})"
        )
    if input.dtype is not vec.dtype:
        raise RuntimeError(
            "addmv input tensors must have the same dtype, but got "
            f"{vec.dtype.scalar_type}, {input.dtype.scalar_type}, and {vec.dtype.scalar_type}"
        )
    return (input.shape[0],)


@op(
    "mv",
    "Tensor.mv",
    out=_OUT_OF_MV,
    promote=RAW,
    shape=_mv_shape,
    result=_like_first,
    cost=_cost,
)
def mv(xp: Any, input: Array, vec: Array) -> Array:
    """The product of a matrix and a vector."""
    return product(xp, input, vec)


@mv.gradient("input")
def _(xp: Any, g: Array, vec: Array) -> Array:
    return g[:, None] * xp.conj(vec)


@mv.gradient("vec")
def _(xp: Any, g: Array, input: Array) -> Array:
    return product(xp, adjoint(xp, input), g)


def _outer_shape(input: Meta, vec2: Meta) -> tuple[int, ...]:
    for name, meta in (("self", input), ("vec2", vec2)):
        if meta.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {meta.ndim}-D")
    return (input.shape[0], vec2.shape[0])


@op(
    "outer",
    "ger",
    "Tensor.outer",
    "Tensor.ger",
    out=True,
    promote="promote",
    shape=_outer_shape,
    node="MulBackward",
)
def outer(xp: Any, input: Array, vec2: Array) -> Array:
    """All products of an element of one vector with one of the other."""
    return input[:, None] * vec2[None, :]


@outer.gradient("input")
def _(xp: Any, g: Array, vec2: Array) -> Array:
    return product(xp, g, xp.conj(vec2))


@outer.gradient("vec2")
def _(xp: Any, g: Array, input: Array) -> Array:
    return product(xp, transposed(xp, g), xp.conj(input))


# -- beta * input + alpha * product ----------------------------------------------------------------


def _scaled_sum(input: Tensor, product_: Tensor, beta: Any, alpha: Any, name: str) -> Tensor:
    """`beta * input + alpha * product`; with `beta == 0` what stands in `input` (nan, too) does not count."""
    if not (product_.is_floating_point() or product_.is_complex()):
        beta, alpha = int(beta), int(alpha)
    if alpha != 1:
        product_ = product_ * alpha
    if input.dtype is not product_.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {input.dtype.scalar_type} and "
            f"{product_.dtype.scalar_type}"
        )
    if broadcast_shapes(input.shape, product_.shape) != product_.shape:
        raise RuntimeError(
            f"The expanded size of the tensor ({product_.shape[-1]}) must match the existing size "
            f"({input.shape[-1] if input.shape else 1}) at non-singleton dimension {product_.ndim - 1}.  Target sizes: "
            f"{list(product_.shape)}.  Tensor sizes: {list(input.shape)}"
        )
    if beta == 0:
        return product_
    return product_ + (input if beta == 1 else input * beta)


def _expandable(input: Tensor, shape: tuple[int, ...]) -> None:
    own = tuple(input.shape)
    offset = len(shape) - len(own)
    if offset < 0:
        raise RuntimeError(
            f"expand({input.dtype}{list(own)}, size={list(shape)}): the number of sizes provided ({len(shape)}) must be "
            f"greater or equal to the number of dimensions in the tensor ({len(own)})"
        )
    for i, size in enumerate(own):
        if size not in (1, shape[i + offset]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i + offset]}) must match the existing size ({size}) at "
                f"non-singleton dimension {i + offset}.  Target sizes: {list(shape)}.  Tensor sizes: {list(own)}"
            )


@function("addmm", "Tensor.addmm", "Tensor.addmm_", out=EXACT)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)`."""
    if mat1.ndim == 2 and mat2.ndim == 2 and mat1.shape[1] == mat2.shape[0]:
        _expandable(input, (mat1.shape[0], mat2.shape[1]))
    return _scaled_sum(input, mm.function(mat1, mat2), beta, alpha, "addmm")  # type: ignore[attr-defined]


@function("addmv", "addmv_", "Tensor.addmv", "Tensor.addmv_", out=EXACT)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """`beta * input + alpha * (mat @ vec)`."""
    result = mv.function(mat, vec)  # type: ignore[attr-defined]
    _expandable(input, tuple(result.shape))
    return _scaled_sum(input, result, beta, alpha, "addmv")


@function("addr", "Tensor.addr", "Tensor.addr_", out=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """`beta * input + alpha * outer(vec1, vec2)`."""
    result = outer.function(vec1, vec2)  # type: ignore[attr-defined]
    _expandable(input, tuple(result.shape))
    if result.dtype is dtypes.bool_ and isinstance(alpha, (int, bool)) and isinstance(beta, (int, bool)):
        result = result.logical_and(bool(alpha)) if not alpha else result  # type: ignore[attr-defined]
        return result if not beta else result.logical_or(input)  # type: ignore[attr-defined]
    if not (result.is_floating_point() or result.is_complex()) and not input.is_floating_point():
        if isinstance(alpha, float) or isinstance(beta, float):
            raise RuntimeError(
                "For integral input tensors, argument beta must not be a floating point number."
            )
    if alpha != 1:
        result = result * alpha
    return result if beta == 0 else result + (input if beta == 1 else input * beta)


@function("baddbmm", "Tensor.baddbmm", "Tensor.baddbmm_", out=EXACT)
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """`beta * input + alpha * bmm(batch1, batch2)`."""
    result = bmm.function(batch1, batch2)  # type: ignore[attr-defined]
    _expandable(input, tuple(result.shape))
    return _scaled_sum(input, result, beta, alpha, "baddbmm")


@function(
    "addbmm",
    "Tensor.addbmm",
    out=Out("self and mat2 must have the same dtype, but got {found} and {wanted}"),
)
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """`beta * input + alpha * bmm(batch1, batch2).sum(0)`."""
    result = bmm.function(batch1, batch2).sum(0)  # type: ignore[attr-defined]
    if result.dtype is not batch1.dtype:
        result = result.to(batch1.dtype)
    _expandable(input, tuple(result.shape))
    return _scaled_sum(input, result, beta, alpha, "addbmm")


@function("Tensor.addbmm_")
def addbmm_(self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """`addbmm` in place. Unlike others it gives the tensor the shape of the result, if that is larger."""
    check_writable(self)
    result = addbmm(self, batch1, batch2, beta=beta, alpha=alpha)
    if self.shape != result.shape:
        resize(self, result.shape)
    return write(self, result, "addbmm_")


@function("inner", "Tensor.inner", out=True)
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products over the last dimension of both."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    found = rows(input) @ rows(other).transpose(0, 1)
    return found.reshape((*input.shape[:-1], *other.shape[:-1]))
