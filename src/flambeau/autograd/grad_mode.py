"""Modes that switch the recording of gradients on and off."""

from flambeau._core.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]


class set_multithreading_enabled:
    """Accepted, at once or around a `with` block: here `backward` records on the calling thread, and XLA has threads
    of its own.
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None

    def clone(self) -> "set_multithreading_enabled":
        return type(self)(self.mode)
