"""Which of PyTorch's kernels attention may use. There is one formulation here, so the choice does not change results."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator

from flambeau._core.settings import attention_kernels

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.Enum):
    """PyTorch's kernels for `scaled_dot_product_attention`."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __int__(self) -> int:
        return self.value


_SWITCHES = {
    SDPBackend.CUDNN_ATTENTION: "cudnn",
    SDPBackend.FLASH_ATTENTION: "flash",
    SDPBackend.EFFICIENT_ATTENTION: "mem_efficient",
    SDPBackend.MATH: "math",
}


@contextlib.contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[None]:
    """Context in which attention may use no kernels but these.

    Raises: AssertionError for anything but a kernel or a list of them.

    >>> x = flambeau.ones(1, 2, 3, 4)
    >>> with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
    ...     y = nn.functional.scaled_dot_product_attention(x, x, x)
    """
    if not isinstance(backends, list | SDPBackend):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {type(backends).__name__}"
        )
    chosen = backends if isinstance(backends, list) else [backends]
    before = dict(attention_kernels)
    attention_kernels.update({name: backend in chosen for backend, name in _SWITCHES.items()})
    try:
        yield
    finally:
        attention_kernels.update(before)
