"""Exception classes that PyTorch has of its own."""

from __future__ import annotations


class _LinAlgError(RuntimeError):
    """A matrix has not what an operation of linear algebra needs: an inverse, a factorization,
    convergence.
    """


LinAlgError = _LinAlgError


class OutOfMemoryError(RuntimeError):
    """A device has not the memory that was asked for."""


class AcceleratorError(RuntimeError):
    """An accelerator failed."""
