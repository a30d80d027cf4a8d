"""`Proxy` of `torch.fx`, for `isinstance`; none is made yet."""

from typing import Any


class Proxy:
    """Raises NotImplementedError when made: flambeau cannot trace programs into graphs yet."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("flambeau cannot trace programs into torch.fx graphs yet")
