"""Whether mixed precision can work on a GPU here."""

from flambeau._core.device import is_available

__all__ = ["amp_definitely_not_available"]


def amp_definitely_not_available() -> bool:
    """Whether there is no GPU."""
    return not is_available("cuda")
