"""A former place of `torch.library.get_ctx`, which packages still name."""

from flambeau.library import get_ctx

__all__ = ["get_ctx"]
