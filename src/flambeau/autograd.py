"""Differentiation: `backward`, `grad`, `Function`, and the modes that switch recording on and off."""

from flambeau._core.autograd import backward, grad
from flambeau._core.function import Function
from flambeau._core.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["Function", "backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]
