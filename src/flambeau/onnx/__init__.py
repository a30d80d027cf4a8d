"""`torch.onnx`: what packages register for the export to ONNX, which flambeau does not have."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["TensorProtoDataType", "export", "is_in_onnx_export", "register_custom_op_symbolic"]


class TensorProtoDataType(enum.IntEnum):
    """ONNX's numbers for dtypes."""

    UNDEFINED = 0
    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16


_rules: dict[tuple[str, int], Callable[..., Any]] = {}


def register_custom_op_symbolic(
    symbolic_name: str, symbolic_fn: Callable[..., Any], opset_version: int
) -> None:
    """Remembers how an operator is written in ONNX.

    Raises: ValueError for a name that is not `namespace::name`.
    """
    if symbolic_name.count("::") != 1:
        raise ValueError(
            f"Failed to register operator {symbolic_name}. The symbolic name must match the format domain::name"
        )
    _rules[symbolic_name, opset_version] = symbolic_fn


def is_in_onnx_export() -> bool:
    """Whether a model is being exported: never."""
    return False


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError: flambeau does not write ONNX."""
    raise NotImplementedError(
        "flambeau does not export to ONNX. Save the model's state_dict() with torch.save, load it in PyTorch, export there."
    )
