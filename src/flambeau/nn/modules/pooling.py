"""Pooling: one number for each window of the input, and the way back from maxima."""

from __future__ import annotations

from typing import Any, ClassVar

from flambeau._core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _ntuple

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Size = int | tuple[int, ...]
OutputSize = int | None | tuple[int | None, ...]


class _MaxPoolNd(Module):
    _pool: ClassVar[str]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self._pool)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window of a signal.

    Args:
        kernel_size: length of a window.
        stride: steps between two windows; by default their length.
        padding: how much is added at both ends, of minus infinity.
        dilation: steps between two elements of a window.
        return_indices: also return where the maxima were, for `MaxUnpool1d`.
        ceil_mode: count a last window that is not full.

    Shape: input `(N, C, L)` or `(C, L)`; output likewise.

    >>> nn.MaxPool1d(2)(flambeau.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    _pool = "max_pool1d"


class MaxPool2d(_MaxPoolNd):
    """The maximum of each window of an image.

    The arguments are those of `MaxPool1d`; each size is one number, or one for height and one for width.

    Shape: input `(N, C, H, W)` or `(C, H, W)`; output likewise.
    """

    _pool = "max_pool2d"


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window of a volume.

    The arguments are those of `MaxPool1d`; each size is one number, or one for each dimension.

    Shape: input `(N, C, D, H, W)` or `(C, D, H, W)`; output likewise.
    """

    _pool = "max_pool3d"


class _MaxUnpoolNd(Module):
    _dimensions: ClassVar[int]
    _unpool: ClassVar[str]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        sizes = _ntuple(self._dimensions)
        self.kernel_size = sizes(kernel_size)
        self.stride = sizes(stride if stride is not None else kernel_size)
        self.padding = sizes(padding)

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        unpool = getattr(F, self._unpool)
        unpooled: Tensor = unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)
        return unpooled

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the maxima that a `MaxPool1d` found back to their places, with zeros between them.

    Args:
        kernel_size, stride, padding: those of the pool.

    The forward takes the indices that the pool returned, and the `output_size` where several would do.
    """

    _dimensions = 1
    _unpool = "max_unpool1d"


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the maxima that a `MaxPool2d` found back, with zeros between them; see `MaxUnpool1d`."""

    _dimensions = 2
    _unpool = "max_unpool2d"


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the maxima that a `MaxPool3d` found back, with zeros between them; see `MaxUnpool1d`."""

    _dimensions = 3
    _unpool = "max_unpool3d"


class _AvgPoolNd(Module):
    kernel_size: Size
    stride: Size
    padding: Size

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of a signal.

    Args:
        kernel_size: length of a window.
        stride: steps between two windows; by default their length.
        padding: how much is added at both ends, of zeros.
        ceil_mode: count a last window that is not full.
        count_include_pad: let added zeros count in the means.

    Shape: input `(N, C, L)` or `(C, L)`; output likewise.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        single = _ntuple(1)
        self.kernel_size = single(kernel_size)
        self.stride = single(stride if stride is not None else kernel_size)
        self.padding = single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class _AvgPoolOfPlanes(_AvgPoolNd):
    _pool: ClassVar[str]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        pooled: Tensor = getattr(F, self._pool)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
        return pooled


class AvgPool2d(_AvgPoolOfPlanes):
    """The mean of each window of an image.

    Args:
        kernel_size: size of a window: one number, or one for height and one for width.
        stride: steps between two windows; by default their size.
        padding: how much is added on all sides, of zeros.
        ceil_mode: count last windows that are not full.
        count_include_pad: let added zeros count in the means.
        divisor_override: divide sums by this instead of the number of elements.

    Shape: input `(N, C, H, W)` or `(C, H, W)`; output likewise.
    """

    _pool = "avg_pool2d"


class AvgPool3d(_AvgPoolOfPlanes):
    """The mean of each window of a volume; see `AvgPool2d`.

    Shape: input `(N, C, D, H, W)` or `(C, D, H, W)`; output likewise.
    """

    _pool = "avg_pool3d"

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding", 0)
        self.__dict__.setdefault("ceil_mode", False)
        self.__dict__.setdefault("count_include_pad", True)


class _FractionalMaxPool(Module):
    _dimensions: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        sizes = _ntuple(self._dimensions)
        self.kernel_size = sizes(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = sizes(output_size) if output_size is not None else None
        self.output_ratio = sizes(output_ratio) if output_ratio is not None else None
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{type(self).__name__} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        pool = getattr(F, f"fractional_max_pool{self._dimensions}d")
        return pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The maximum of windows at random places, so many as give the wanted size.

    Args:
        kernel_size: size of a window.
        output_size: the wanted size.
        output_ratio: or its ratio to the input's, between 0 and 1.
        return_indices: also return where the maxima were.

    Raises: ValueError, unless exactly one of size and ratio is given.
    Source: Graham 2014, arXiv:1412.6071.
    """

    _dimensions = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """The maximum of windows at random places of a volume; see `FractionalMaxPool2d`."""

    _dimensions = 3


class _LPPoolNd(Module):
    _pool: ClassVar[str]
    norm_type: float
    ceil_mode: bool

    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        pool = getattr(F, self._pool)
        pooled: Tensor = pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)
        return pooled

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The norm of each window of a signal: the sum of the powers, and its root.

    Args:
        norm_type: the exponent; 1 gives sums, infinity would give maxima.
        kernel_size: length of a window.
        stride: steps between two windows; by default their length.
        ceil_mode: count a last window that is not full.
    """

    _pool = "lp_pool1d"


class LPPool2d(_LPPoolNd):
    """The norm of each window of an image; see `LPPool1d`."""

    _pool = "lp_pool2d"


class LPPool3d(_LPPoolNd):
    """The norm of each window of a volume; see `LPPool1d`."""

    _pool = "lp_pool3d"


class _AdaptiveMaxPoolNd(Module):
    _pool: ClassVar[str]

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self._pool)(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The maxima of as many windows as the output is to be long, whatever the length of the input.

    Args:
        output_size: the length of the output.
        return_indices: also return where the maxima were.
    """

    _pool = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The maxima of as many windows as the output is to have; a size None is that of the input.

    Args:
        output_size: one number, or one for height and one for width.
        return_indices: also return where the maxima were.
    """

    _pool = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The maxima of as many windows as the output is to have; see `AdaptiveMaxPool2d`."""

    _pool = "adaptive_max_pool3d"


class _AdaptiveAvgPoolNd(Module):
    _pool: ClassVar[str]

    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        pooled: Tensor = getattr(F, self._pool)(input, self.output_size)
        return pooled

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The means of as many windows as the output is to be long, whatever the length of the input.

    Args:
        output_size: the length of the output.
    """

    _pool = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The means of as many windows as the output is to have; a size None is that of the input.

    Args:
        output_size: one number, or one for height and one for width.

    >>> tuple(nn.AdaptiveAvgPool2d((5, None))(flambeau.zeros(1, 64, 8, 9)).shape)
    (1, 64, 5, 9)
    """

    _pool = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The means of as many windows as the output is to have; see `AdaptiveAvgPool2d`."""

    _pool = "adaptive_avg_pool3d"
