"""`GradScaler` under its older name, for "cuda"."""

from flambeau.amp.grad_scaler import DeprecatedGradScaler

__all__ = ["GradScaler"]


class GradScaler(DeprecatedGradScaler):
    """`flambeau.amp.GradScaler("cuda", ...)`; warns that this is the older name."""

    _named = "cuda"
