"""The class of compiled modules, where PyTorch has it."""

from flambeau.compiler import OptimizedModule

__all__ = ["OptimizedModule"]
