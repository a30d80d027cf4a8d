"""Modules as programs of their own: `torch.export` on StableHLO.

A saved program runs in flambeau and, since it is a `jax.export` program with its weights beside it, in plain JAX.
"""

from flambeau.export._dims import Dim, ExportError, dims
from flambeau.export._export import export
from flambeau.export._files import load, save
from flambeau.export._program import ExportedProgram, to_stablehlo
from flambeau.export._signature import (
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)

__all__ = [
    "Dim", "ExportError", "ExportGraphSignature", "ExportedProgram", "InputKind", "InputSpec", "OutputKind", "OutputSpec",
    "TensorArgument", "dims", "export", "load", "save", "to_stablehlo",
]  # fmt: skip
