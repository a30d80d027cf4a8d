"""`RemovableHandle`, under PyTorch's path."""

from flambeau._core.handles import RemovableHandle

__all__ = ["RemovableHandle"]
