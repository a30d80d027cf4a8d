"""What pooling refuses, in PyTorch's order and words.

PyTorch pools over one dimension as over the second of two, and says so: `lifted` gives a shape the other one. Only
`max_pool1d` without indices is checked by itself.
"""

from __future__ import annotations

from typing import Any

from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.sizes import per_dimension
from flambeau._ops.supported import kind

Ints = tuple[int, ...]

# -- arguments -------------------------------------------------------------------------------------

_COUNTS = {1: "one", 2: "two", 3: "three"}


def numbers(value: Any, count: int, name: str, what: str) -> Ints:
    """One number for each dimension."""
    return per_dimension(value, count, lambda items: _wrong_count(name, what, count, len(items)))


def _wrong_count(name: str, what: str, count: int, found: int) -> str:
    if name == "max_pool1d":
        none, comma = ("None, " if what == "stride" else ""), ("," if what in ("stride", "padding") else "")
        return (
            f"max_pool1d() {what} must be {none}an int, list of ints{comma} or tuple of ints of size 1 but got size "
            f"{found}"
        )
    if count == 1:
        return (
            f"{name.removesuffix('_with_indices')}() argument '{what}' should contain one int (got {found})"
        )
    start = "must either be a single int"
    if what == "stride":
        start = "must either be omitted, a single int"
    elif what == "dilation":
        start = "must be either a single int"
    elif name == "avg_pool3d" and what == "kernel_size":
        start = "must be a single int"
    return f"{name}: {what} {start}, or a tuple of {_COUNTS[count]} ints"


def check_tensor(input: Any, name: str) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


# -- windows ---------------------------------------------------------------------------------------


def output_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """How many windows there are."""
    size = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
    # The last window starts inside the input or its left padding.
    if ceil_mode and (size - 1) * s >= n + p:
        size -= 1
    return size


def pooled_shape(
    name: str, shape: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    """The shape after pooling. `name` is the function's, with `_with_indices` where it gives those."""
    if name == "max_pool1d":
        return _max_pooled_line(shape, kernel[0], stride[0], padding[0], dilation[0], ceil_mode)
    if len(kernel) == 1:
        _check_line(shape, name.removesuffix("_with_indices"))
        plane = pooled_shape(
            name, lifted(shape), (1, *kernel), (1, *stride), (0, *padding), (1, *dilation), ceil_mode
        )
        return (*plane[:-2], plane[-1])
    arguments = (kernel, stride, padding, dilation)
    _check_dimensions(name, shape, len(kernel))
    _check_padding(*arguments)
    _check_positive(*arguments)
    _check_not_empty(name, shape, len(kernel))
    own, channels = shape[-len(kernel) :], shape[-len(kernel) - 1]
    if name == "avg_pool3d" and any(n < k for n, k in zip(own, kernel, strict=True)):
        raise RuntimeError(
            f"input image ({_named('', own)}) smaller than kernel size ({_named('k', kernel)})"
        )
    sizes = tuple(
        [output_size(n, k, s, p, d, ceil_mode) for n, k, s, p, d in zip(own, *arguments, strict=True)]
    )
    if any(n < 1 for n in sizes):
        raise RuntimeError(
            f"Given input size: ({channels}x{'x'.join(map(str, own))}). Calculated output size: "
            f"({channels}x{'x'.join(map(str, sizes))}). Output size is too small"
        )
    return (*shape[: -len(kernel)], *sizes)


def lifted(shape: Ints) -> Ints:
    """The shape with a dimension of one before the last."""
    return (*shape[:-1], 1, *shape[-1:])


def _named(prefix: str, values: Ints) -> str:
    return " ".join(
        f"{prefix}{name}: {value}" for name, value in zip("THW"[-len(values) :], values, strict=True)
    )


def _max_pooled_line(
    shape: Ints, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> Ints:
    if len(shape) not in (2, 3) or 0 in shape[len(shape) - 2 :]:
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
            f"got:{list(shape)}"
        )
    for what, value in (("kernel_size", kernel), ("stride", stride)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {what} must be greater than zero, but got {value}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            f"max_pool1d() padding should be at most half of kernel size, but got padding={padding} and "
            f"kernel_size={kernel}"
        )
    if dilation <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {dilation}")
    size = output_size(shape[-1], kernel, stride, padding, dilation, ceil_mode)
    if size < 1:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {size}")
    return (*shape[:-1], size)


def _check_line(shape: Ints, name: str) -> None:
    if len(shape) not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {len(shape)}-dimensional tensor for argument #1 'self' (while "
            f"checking arguments for {name})"
        )


def _check_dimensions(name: str, shape: Ints, count: int) -> None:
    if len(shape) in (count + 1, count + 2):
        return
    if name != "avg_pool2d":
        raise RuntimeError(f"non-empty {count + 1}D or {count + 2}D (batch mode) tensor expected for input")
    if len(shape) < 3:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-len(shape)}, {len(shape) - 1}], but got -3)"
        )


def _check_padding(kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> None:
    for k, s, p, d in zip(kernel, stride, padding, dilation, strict=True):
        if s == 0:
            raise RuntimeError("stride should not be zero")
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > int(((k - 1) * d + 1) / 2):
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and dilation={d}"
            )


def _check_positive(kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> None:
    for what, prefix, values in (
        ("kernel size", "k", kernel),
        ("stride", "d", stride),
        ("dilation", "dilation", dilation),
    ):
        if any(value <= 0 for value in values):
            raise RuntimeError(f"{what} should be greater than zero, but got {_named(prefix, values)}")


def _check_not_empty(name: str, shape: Ints, count: int) -> None:
    if len(shape) <= count + 2 and 0 not in (shape[1:] if len(shape) == count + 2 else shape):
        return
    if count == 3:
        function = "avg_pool3d" if name == "avg_pool3d" else "max_pool3d_with_indices_out_cpu_template"
        raise RuntimeError(
            f"{function}(): Expected input's non-batch dimensions to have positive length, but input has a shape of "
            f"{list(shape)} and non-batch dimension 0 has length zero!"
        )
    raise RuntimeError(
        f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
        f"got:{list(shape)}"
    )


# -- adaptive windows ------------------------------------------------------------------------------


def adaptive_sizes(name: str, count: int, input: Tensor, output_size: Any) -> Ints:
    """The output's sizes; None keeps a dimension."""
    check_tensor(input, name)
    shape = tuple(input.shape)
    if hasattr(output_size, "__index__"):
        output_size = (output_size,) * count
    elif count == 1 and len(output_size) != 1:
        raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got {len(output_size)})")
    elif count > 1 and len(output_size) >= len(shape):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    if count == 1:
        _check_line(shape, name)
    check = _check_adaptive_average if "avg" in name else _check_adaptive_max
    return check(name, count, shape, output_size)


def _filled(shape: Ints, sizes: Any) -> Ints:
    own = shape[len(shape) - len(sizes) :]
    return tuple([n if size is None else int(size) for size, n in zip(sizes, own, strict=True)])


def _check_adaptive_average(name: str, count: int, shape: Ints, output_size: Any) -> Ints:
    if len(output_size) != count:
        raise RuntimeError(f"{name}: output_size must be {count}")
    sizes = found = _filled(shape, output_size) if len(shape) >= count else tuple(output_size)
    if count == 1:
        name, count, shape, sizes = "adaptive_avg_pool2d", 2, lifted(shape), (1, *sizes)
    if any(size < 0 for size in sizes):
        # PyTorch leaves a blank out.
        listed = f"{sizes[0]}, {','.join(map(str, sizes[1:]))}"
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {{{listed}}}"
        )
    if len(shape) not in (count + 1, count + 2):
        raise RuntimeError(f"{name}(): Expected {count + 1}D or {count + 2}D tensor, but got {list(shape)}")
    _check_lengths(name, shape, len(shape) - 2 if count == 2 else 1)
    return found


def _check_adaptive_max(name: str, count: int, shape: Ints, output_size: Any) -> Ints:
    if len(shape) not in (count + 1, count + 2):
        raise RuntimeError(f"{name}(): Expected {count + 1}D or {count + 2}D tensor, but got: {list(shape)}")
    _check_lengths(name, shape, 1)
    if len(output_size) != count:
        raise RuntimeError(f"{name}(): internal error: output_size.size() must be {count}")
    sizes = _filled(shape, output_size)
    negative = next((size for size in sizes if size < 0), None)
    if negative is not None:
        result = (*shape[:-count], *sizes)
        wanted = list(lifted(result) if count == 1 else result)
        raise RuntimeError(f"Trying to create tensor with negative dimension {negative}: {wanted}")
    return sizes


def _check_lengths(name: str, shape: Ints, start: int) -> None:
    for dim in range(start, len(shape)):
        if shape[dim] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(shape)} with dimension {dim} being empty"
            )


# -- dtypes ----------------------------------------------------------------------------------------

_KERNELS = {
    "max_pool1d": ("hf", "max_pool1d_impl"),
    "max_pool1d_with_indices": ("hfi", "max_pool2d"),
    "max_pool2d": ("hfi", "max_pool2d"),
    "max_pool3d": ("hfi", "max_pool3d"),
    "avg_pool1d": ("hfl", "avg_pool2d"),
    "avg_pool2d": ("hfl", "avg_pool2d"),
    "avg_pool3d": ("hfl", "avg_pool3d_out_frame"),
    "adaptive_avg_pool1d": ("hf", "adaptive_avg_pool2d"),
    "adaptive_avg_pool2d": ("hf", "adaptive_avg_pool2d"),
    "adaptive_avg_pool3d": ("hf", "adaptive_avg_pool3d_cpu"),
    "adaptive_max_pool1d": ("hf", "adaptive_max_pool2d"),
    "adaptive_max_pool2d": ("hf", "adaptive_max_pool2d"),
    "adaptive_max_pool3d": ("hf", "adaptive_max_pool3d_cpu"),
}


def check_dtype(name: str, input: Meta) -> None:
    """Raises where PyTorch's kernel does not know the dtype."""
    kinds, kernel = _KERNELS[name]
    found = "l" if "l" in kinds and input.dtype.name == "int64" else kind(input.dtype)
    if found not in kinds:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{input.dtype.scalar_type}'")
