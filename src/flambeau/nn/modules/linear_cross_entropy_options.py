"""How `linear_cross_entropy` may divide its work."""

from __future__ import annotations

import dataclasses

from flambeau._core import dtype as dtypes
from flambeau._core.dtype import dtype as DType

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Options of PyTorch's `linear_cross_entropy`, checked as there. Results do not depend on them.

    Args:
        allow_retain_graph: whether `backward` may run twice; here it always may.
        batch_chunk_size: rows of the batch in one chunk.
        chunking_method: how to choose that number: "auto", "aspect_ratio", or "aspect_ratio:N" for N times more chunks.
        acc_policy: what is kept in `acc_dtype`: "auto", "accurate", "balanced" or "compact".
        acc_dtype: the dtype of sums.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: DType | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = self.chunking_method.partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor))):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in (None, dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64):
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, torch.float64}, "
                f"got {self.acc_dtype!r}. Pass acc_dtype=None to let the op pick automatically."
            )

    def _check(self, rows: int, in_features: int, classes: int, dtype: DType) -> None:
        """Raises where two options disagree, or where they do not fit the input."""
        if self.batch_chunk_size is not None and self.chunking_method not in (None, "auto"):
            factor = int(self.chunking_method.partition(":")[2] or 1)
            target = -(-rows // -(-classes // in_features))
            chosen = min((1 << (target - 1).bit_length()) // factor, rows)
            if chosen != self.batch_chunk_size:
                raise ValueError(
                    f"batch_chunk_size (={self.batch_chunk_size}) and chunking_method ('{self.chunking_method}') give "
                    f"different chunk sizes ({self.batch_chunk_size} vs {chosen}); pass only one."
                )
        wide = dtype in (dtypes.float16, dtypes.bfloat16) and self.acc_dtype is dtypes.float32
        if self.acc_dtype not in (None, dtype) and not wide:
            raise RuntimeError(
                "linear_cross_entropy supports float32 acc_dtype with float16/bfloat16 inputs, but got "
                f"{self.acc_dtype} acc_dtype and {dtype} inputs."
            )
