"""Names of PyTorch's compiler of Python code, for packages that ask it or mark their functions for it."""

from typing import Any

from flambeau._dynamo.eval_frame import OptimizedModule
from flambeau.compiler import allow_in_graph, disable, is_compiling, reset

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "disable",
    "is_compiling",
    "mark_dynamic",
    "mark_static_address",
    "reset",
]


def mark_dynamic(t: Any, index: Any, **_: Any) -> None:
    """Nothing to do: shapes are read where they are used."""


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Nothing to do: addresses are XLA's."""
