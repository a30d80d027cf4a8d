"""`Tracer` and `symbolic_trace` of `torch.fx`; none works yet."""

from typing import Any, NoReturn


class Tracer:
    """Raises NotImplementedError when made: flambeau cannot trace programs into graphs yet."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("flambeau cannot trace programs into torch.fx graphs yet")


def symbolic_trace(root: Any, concrete_args: dict[str, Any] | None = None) -> NoReturn:
    """Raises NotImplementedError: flambeau cannot trace programs into graphs yet."""
    raise NotImplementedError("flambeau cannot trace programs into torch.fx graphs yet")
