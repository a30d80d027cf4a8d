"""`GradScaler` under its older name, for "cpu"."""

from flambeau.amp.grad_scaler import DeprecatedGradScaler

__all__ = ["GradScaler"]


class GradScaler(DeprecatedGradScaler):
    """`flambeau.amp.GradScaler("cpu", ...)`; warns that this is the older name."""

    _named = "cpu"
