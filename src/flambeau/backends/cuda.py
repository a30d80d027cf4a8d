"""Accepted and without effect on results, but for the question what was built in."""

import contextlib
import types
import warnings
from collections.abc import Iterator

from flambeau._core.device import is_available as _is_available
from flambeau._core.settings import attention_kernels as _kernels

matmul = types.SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True)


def is_built() -> bool:
    return _is_available("cuda")


def enable_flash_sdp(enabled: bool) -> None:
    """Attention has one formulation here; the choice has no effect on results."""
    _kernels["flash"] = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    _kernels["mem_efficient"] = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    _kernels["math"] = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    _kernels["cudnn"] = bool(enabled)


def flash_sdp_enabled() -> bool:
    return _kernels["flash"]


def mem_efficient_sdp_enabled() -> bool:
    return _kernels["mem_efficient"]


def math_sdp_enabled() -> bool:
    return _kernels["math"]


def cudnn_sdp_enabled() -> bool:
    return _kernels["cudnn"]


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[None]:
    """Deprecated: `torch.nn.attention.sdpa_kernel`."""
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager will be removed. "
        "Please see `torch.nn.attention.sdpa_kernel()` for the new context manager, with updated signature.",
        FutureWarning,
        stacklevel=3,
    )
    before = dict(_kernels)
    _kernels.update(
        flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
    )
    try:
        yield
    finally:
        _kernels.update(before)
