"""What convolutions refuse, in PyTorch's order and words.

PyTorch convolves over one dimension as over the second of two, and some messages say so.
"""

from __future__ import annotations

from typing import Any

from flambeau._core.dtype import cpp_name
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

# -- dimensions ------------------------------------------------------------------------------------


def check_tensors(input: Any, weight: Any, count: int, name: str) -> None:
    """Raises unless both are tensors, and the input has the dimensions of `count` spatial ones."""
    for position, (argument, value) in enumerate((("input", input), ("weight", weight))):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}(): argument '{argument}' (position {position + 1}) must be Tensor, not {type(value).__name__}"
            )
    if input.ndim not in (count + 1, count + 2):
        raise RuntimeError(
            f"Expected {count + 1}D (unbatched) or {count + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}"
        )


def check_weight(input: Meta, weight: Meta, stride: Ints, named_padding: bool = False) -> None:
    """Raises unless the weight has as many dimensions as the batched input."""
    if weight.ndim == input.ndim:
        return
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if len(stride) > 1 and not named_padding:
        raise RuntimeError(
            f"expected stride to be a single integer value or a list of {weight.ndim - 2} values to match the "
            f"convolution dimensions, but got stride={list(stride)}"
        )
    raise RuntimeError(
        f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight{'' if named_padding else ' '}"
        f"{list(weight.shape)}, but got {input.ndim}-dimensional input of size {list(input.shape)} instead"
    )


def _lifted(values: Ints, one: int) -> Ints:
    return (one, *values) if len(values) == 1 else values


def _named(prefix: str, values: Ints, one: int, separator: str = " ") -> str:
    names = ("depth", "height", "width")
    values = _lifted(values, one)
    return separator.join(
        f"{prefix}_{name}: {value}" for name, value in zip(names[-len(values) :], values, strict=True)
    )


# -- what both kinds check -------------------------------------------------------------------------


def _check_parameters(stride: Ints, padding: Pairs, dilation: Ints, groups: int) -> None:
    if any(low < 0 or high < 0 for low, high in padding):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d < 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")


def _check_groups(weight: Meta, groups: int) -> None:
    found = weight.shape[0]
    if found < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{list(weight.shape)} instead"
        )
    if found % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size "
            f"[{list(weight.shape)}] instead"
        )


def _check_types(input: Meta, weight: Meta, bias: Meta | None) -> None:
    if bias is not None and bias.dtype is not input.dtype:
        raise RuntimeError(
            f"Input type ({cpp_name(input.dtype)}) and bias type ({cpp_name(bias.dtype)}) should be the same"
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {input.dtype.scalar_type} but found {weight.dtype.scalar_type}"
        )


_KERNELS = {
    (False, 1): "slow_conv2d_cpu",
    (False, 2): "slow_conv2d_cpu",
    (False, 3): "compute_columns3d",
    (True, 1): "slow_conv_transpose2d_out_cpu",
    (True, 2): "slow_conv_transpose2d_out_cpu",
    (True, 3): "slow_conv_transpose3d_out_cpu",
}


def _check_kernel(input: Meta, weight: Meta, dilation: Ints, transposed: bool) -> None:
    """What PyTorch's kernels refuse after all shapes agree."""
    if 0 in input.shape[2:] and 0 not in input.shape[:2]:
        raise RuntimeError(
            "Only zero batch or zero channel inputs are supported, but got input shape: "
            f"{[*input.shape[:2], *_lifted(input.shape[2:], 1)]}"
        )
    kernel = weight.shape[2:]
    if any(k == 0 for k in kernel):
        sizes = f" {_named('kernel', kernel, 1)}"
        if len(kernel) == 3 and not transposed:
            sizes = f": {' x '.join(map(str, kernel))} (TxHxW)"
        raise RuntimeError(f"kernel size should be greater than zero, but got{sizes}")
    if any(d == 0 for d in dilation):
        found = _named("dilation", dilation, 1, ", ") if transposed else list(_lifted(dilation, 1))
        raise RuntimeError(f"dilation should be greater than zero, but got {found}")
    if input.dtype.name == "bool":
        raise NotImplementedError(f"\"{_KERNELS[transposed, len(kernel)]}\" not implemented for 'Bool'")


# -- shapes ----------------------------------------------------------------------------------------


def conv_shape(
    input: Meta, weight: Meta, bias: Meta | None, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Ints:
    """The shape of a convolution."""
    _check_parameters(stride, padding, dilation, groups)
    _check_groups(weight, groups)
    if input.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have "
            f"{weight.shape[1] * groups} channels, but got {input.shape[1]} channels instead"
        )
    if bias is not None and (bias.ndim != 1 or bias.shape[0] != weight.shape[0]):
        raise RuntimeError(
            f"Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {weight.shape[0]} "
            f"elements, but got bias of size {list(bias.shape)} instead"
        )
    padded = [n + low + high for n, (low, high) in zip(input.shape[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if any(n < r for n, r in zip(padded, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel size: "
            f"({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )
    _check_types(input, weight, bias)
    _check_kernel(input, weight, dilation, False)
    sizes = [(n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True)]
    return (input.shape[0], weight.shape[0], *sizes)


def transposed_shape(
    input: Meta,
    weight: Meta,
    bias: Meta | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Ints:
    """The shape of a transposed convolution."""
    _check_parameters(stride, tuple((p, p) for p in padding), dilation, groups)
    if any(p < 0 for p in output_padding):
        raise RuntimeError("negative output_padding is not supported")
    _check_groups(weight, groups)
    if input.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have "
            f"{weight.shape[0]} channels, but got {input.shape[1]} channels instead"
        )
    channels = weight.shape[1] * groups
    if bias is not None and (bias.ndim != 1 or bias.shape[0] != channels):
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {channels} "
            f"elements, but got bias of size {list(bias.shape)} instead"
        )
    _check_types(input, weight, bias)
    _check_kernel(input, weight, dilation, True)
    if any(p >= s and p >= d for p, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"{_named('output_padding', output_padding, 0)} {_named('stride', stride, 1)} "
            f"{_named('dilation', dilation, 1)}"
        )
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, s, p, d, k, extra in zip(
            input.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True
        )
    )
    if any(n < 1 for n in sizes):
        own, found = _lifted(input.shape[2:], 1), _lifted(sizes, 1)
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, own))}). Calculated output size per channel: "
            f"({' x '.join(map(str, found))}). Output size is too small"
        )
    return (input.shape[0], channels, *sizes)
