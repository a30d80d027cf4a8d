"""Accepted and without effect, but for the question what was built in."""

import types

from flambeau._core.device import is_available as _is_available

matmul = types.SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True)


def is_built() -> bool:
    return _is_available("cuda")


def enable_flash_sdp(enabled: bool) -> None:
    """Attention has one formulation here; the choice has no effect on results."""


enable_mem_efficient_sdp = enable_math_sdp = enable_cudnn_sdp = enable_flash_sdp
