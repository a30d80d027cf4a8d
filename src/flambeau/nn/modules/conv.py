"""Convolutions and transposed convolutions over 1, 2 and 3 dimensions, and their lazy twins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as DType
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.factory import empty
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.lazy import LazyModuleMixin
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _ntuple, _reverse_repeat_tuple
from flambeau.nn.parameter import Parameter, UninitializedParameter, is_lazy

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

Size = int | tuple[int, ...]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
_PADDINGS = ("same", "valid")
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions have: the parameters and their first values. Sizes are tuples here."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Tensor
    bias: Tensor | None
    _reversed_padding_repeated_twice: Sequence[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        _check(in_channels, out_channels, stride, padding, groups, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            self._reversed_padding_repeated_twice = _named_padding(padding, kernel_size, dilation)
        else:
            self._reversed_padding_repeated_twice = _reverse_repeat_tuple(padding, 2)
        channels = (
            (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        )
        self.weight = Parameter(empty((*channels, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, both uniformly within `1 / sqrt(inputs of one output)`."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        nothing = (0,) * len(self.kernel_size)
        text = f"{self.in_channels}, {self.out_channels}"
        text += f", kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != nothing:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.kernel_size):
            text += f", dilation={self.dilation}"
        if self.output_padding != nothing:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Pickles from before there were other modes lack it.
        self.__dict__.setdefault("padding_mode", "zeros")


def _check(
    in_channels: int, out_channels: int, stride: Sequence[int], padding: Any, groups: int, padding_mode: str
) -> None:
    if groups <= 0:
        raise ValueError(f"groups must be a positive integer, got groups={groups}")
    if in_channels % groups != 0:
        raise ValueError(f"in_channels must be divisible by groups, got {in_channels=} and {groups=}")
    if out_channels % groups != 0:
        raise ValueError(f"out_channels must be divisible by groups, got {out_channels=} and {groups=}")
    if isinstance(padding, str):
        if padding not in _PADDINGS:
            raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in _PADDING_MODES:
        choices = ", ".join(map(repr, _PADDING_MODES))
        raise ValueError(f"padding_mode must be one of {{{choices}}}, but got padding_mode={padding_mode!r}")


def _named_padding(padding: str, kernel_size: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """What `F.pad` takes for "same" or "valid"; an odd rest goes to the end of a dimension."""
    amounts = []
    for step, size in zip(reversed(dilation), reversed(kernel_size), strict=True):
        total = step * (size - 1) if padding == "same" else 0
        amounts += [total // 2, total - total // 2]
    return amounts


class _PlainConv(_ConvNd):
    """The convolutions that are not transposed; a subclass says over how many dimensions."""

    _dimensions: ClassVar[int]
    _convolve: ClassVar[str]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        sizes = _ntuple(self._dimensions)
        super().__init__(
            in_channels,
            out_channels,
            sizes(kernel_size),
            sizes(stride),
            padding if isinstance(padding, str) else sizes(padding),
            sizes(dilation),
            False,
            sizes(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolve: Callable[..., Tensor] = getattr(F, self._convolve)
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._dimensions
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_PlainConv):
    """Slides learned filters along a signal: each output is the sum of products under one.

    Args:
        in_channels: channels of the input.
        out_channels: number of filters, the channels of the output.
        kernel_size: length of a filter.
        stride: steps between two outputs.
        padding: how much is added at both ends; "same" keeps the length, "valid" adds nothing.
        dilation: steps between two taps of a filter.
        groups: channels are parted into so many groups that do not see each other.
        bias: add a learned number to each output channel.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular".
        device, dtype: of the parameters.

    Shape: input `(N, in_channels, L)` or `(in_channels, L)`; output likewise with `out_channels` and
        `floor((L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1)`.
    Raises: ValueError, if groups do not divide the channels or a name is none of the above.

    >>> tuple(nn.Conv1d(16, 33, 3, stride=2)(flambeau.zeros(20, 16, 50)).shape)
    (20, 33, 24)
    """

    _dimensions = 1
    _convolve = "conv1d"


class Conv2d(_PlainConv):
    """Slides learned filters over an image: each output is the sum of products under one.

    The arguments are those of `Conv1d`; each size is one number, or one for height and one for width.

    Shape: input `(N, in_channels, H, W)` or `(in_channels, H, W)`; output likewise.

    >>> tuple(nn.Conv2d(3, 8, (3, 5), padding=(1, 2))(flambeau.zeros(1, 3, 10, 10)).shape)
    (1, 8, 10, 10)
    """

    _dimensions = 2
    _convolve = "conv2d"


class Conv3d(_PlainConv):
    """Slides learned filters through a volume: each output is the sum of products under one.

    The arguments are those of `Conv1d`; each size is one number, or one for each of depth, height and width.

    Shape: input `(N, in_channels, D, H, W)` or `(in_channels, D, H, W)`; output likewise.
    """

    _dimensions = 3
    _convolve = "conv3d"


class _ConvTransposeNd(_ConvNd):
    """The transposed convolutions; a subclass says over how many dimensions."""

    _dimensions: ClassVar[int]
    _convolve: ClassVar[str]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        sizes = _ntuple(self._dimensions)
        super().__init__(
            in_channels,
            out_channels,
            sizes(kernel_size),
            sizes(stride),
            sizes(padding),
            sizes(dilation),
            True,
            sizes(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(
        self,
        input: Tensor,
        output_size: Sequence[int] | None,
        stride: Sequence[int],
        padding: Sequence[int],
        kernel_size: Sequence[int],
        num_spatial_dims: int,
        dilation: Sequence[int] | None = None,
    ) -> Sequence[int]:
        """How much to add at the ends so that the output gets `output_size`."""
        if output_size is None:
            return _ntuple(num_spatial_dims)(self.output_padding)
        without = num_spatial_dims + (1 if input.dim() == num_spatial_dims + 1 else 2) - num_spatial_dims
        if len(output_size) == without + num_spatial_dims:
            output_size = output_size[without:]
        if len(output_size) != num_spatial_dims:
            raise ValueError(
                f"ConvTranspose{num_spatial_dims}D: for {input.dim()}D input, output_size must have "
                f"{num_spatial_dims} or {without + num_spatial_dims} elements (got {len(output_size)})"
            )
        steps = dilation if dilation is not None else (1,) * num_spatial_dims
        smallest = [
            (input.size(d + without) - 1) * stride[d] - 2 * padding[d] + steps[d] * (kernel_size[d] - 1) + 1
            for d in range(num_spatial_dims)
        ]
        largest = [size + stride[d] - 1 for d, size in enumerate(smallest)]
        for wanted, low, high in zip(output_size, smallest, largest, strict=True):
            if not low <= wanted <= high:
                raise ValueError(
                    f"requested an output size of {output_size}, but valid sizes range from {smallest} to "
                    f"{largest} (for an input of {input.size()[2:]})"
                )
        return [wanted - low for wanted, low in zip(output_size, smallest, strict=True)]

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if self.padding_mode != "zeros":
            raise ValueError(f"Only `zeros` padding mode is supported for {type(self).__name__}")
        padding: Any = self.padding
        added = self._output_padding(
            input, output_size, self.stride, padding, self.kernel_size, self._dimensions, self.dilation
        )
        convolve: Callable[..., Tensor] = getattr(F, self._convolve)
        return convolve(
            input, self.weight, self.bias, self.stride, padding, added, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    """The gradient of a Conv1d with respect to its input, as a layer: it makes signals longer.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: length of a filter.
        stride: how many outputs one step of the input makes.
        padding: how much of the output is cut off at both ends.
        output_padding: how much is added at one end: a Conv1d makes several lengths equal.
        groups: channels are parted into so many groups that do not see each other.
        bias: add a learned number to each output channel.
        dilation: steps between two taps of a filter.
        padding_mode: only "zeros".
        device, dtype: of the parameters.

    The forward takes an `output_size` instead of `output_padding`.

    Shape: input `(N, in_channels, L)` or `(in_channels, L)`; output likewise with `out_channels` and
        `(L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1`.
    Raises: ValueError, if groups do not divide the channels or the output cannot have that size.

    >>> tuple(nn.ConvTranspose1d(4, 2, 3, stride=2)(flambeau.zeros(1, 4, 5)).shape)
    (1, 2, 11)
    """

    _dimensions = 1
    _convolve = "conv_transpose1d"


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of a Conv2d with respect to its input, as a layer: it makes images larger.

    The arguments are those of `ConvTranspose1d`; sizes are one number, or one for height and one for width.

    Shape: input `(N, in_channels, H, W)` or `(in_channels, H, W)`; output likewise.
    """

    _dimensions = 2
    _convolve = "conv_transpose2d"


class ConvTranspose3d(_ConvTransposeNd):
    """The gradient of a Conv3d with respect to its input, as a layer: it makes volumes larger.

    The arguments are those of `ConvTranspose1d`; each size is one number, or one for each dimension.

    Shape: input `(N, in_channels, D, H, W)` or `(in_channels, D, H, W)`; output likewise.
    """

    _dimensions = 3
    _convolve = "conv_transpose3d"


class _LazyConvXdMixin(LazyModuleMixin):
    """Has a convolution learn `in_channels` from its first input."""

    def _without_channels(
        self: Any, out_channels: int, bias: bool, device: DeviceLike, dtype: DType | None
    ) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self: Any) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self: Any, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            return
        with no_grad():
            self.in_channels = self._get_in_channels(input)
            if self.in_channels % self.groups != 0:
                raise ValueError("in_channels must be divisible by groups")
            if self.transposed:
                channels = (self.in_channels, self.out_channels // self.groups)
            else:
                channels = (self.out_channels, self.in_channels // self.groups)
            self.weight.materialize((*channels, *self.kernel_size))
            if is_lazy(self.bias):
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()

    def _get_in_channels(self: Any, input: Tensor) -> int:
        dimensions = self._get_num_spatial_dims()
        if input.dim() not in (dimensions + 1, dimensions + 2):
            raise RuntimeError(
                f"Expected {dimensions + 1}D (unbatched) or {dimensions + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return int(input.shape[-dimensions - 1])

    def _get_num_spatial_dims(self: Any) -> int:
        return int(self._dimensions)


class _LazyConv(_LazyConvXdMixin):
    def __init__(
        self: Any,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype
        )
        self._without_channels(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A Conv1d that learns `in_channels` from its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A Conv2d that learns `in_channels` from its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A Conv3d that learns `in_channels` from its first input."""

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(
        self: Any,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: PaddingMode = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self._without_channels(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A ConvTranspose1d that learns `in_channels` from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A ConvTranspose2d that learns `in_channels` from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A ConvTranspose3d that learns `in_channels` from its first input."""

    cls_to_become = ConvTranspose3d
