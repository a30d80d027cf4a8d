"""Accepted and without effect: XLA chooses its convolution kernels."""

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """cuDNN is never called by flambeau itself."""
    return False


def version() -> None:
    return None
