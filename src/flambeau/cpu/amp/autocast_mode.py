"""`autocast` under its older name, for "cpu"."""

import warnings

from flambeau._core.dtype import DTYPES
from flambeau._core.dtype import dtype as DType
from flambeau.amp import autocast_mode

__all__ = ["autocast"]


class autocast(autocast_mode.autocast):
    """`flambeau.amp.autocast("cpu", ...)`; warns that this is the older name."""

    def __init__(
        self, enabled: bool = True, dtype: DType = DTYPES["bfloat16"], cache_enabled: bool = True
    ) -> None:
        warnings.warn(
            "`torch.cpu.amp.autocast(args...)` is deprecated. Please use `torch.amp.autocast('cpu', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)
