"""Differentiation: `backward`, `grad`, `Function`, and the modes that switch recording on and off."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from flambeau._core.later import attach as _attach
from flambeau._core.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from flambeau._core.walk import backward, grad
from flambeau.autograd import anomaly_mode, function, grad_mode, variable
from flambeau.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from flambeau.autograd.function import Function, NestedIOFunction
from flambeau.autograd.grad_mode import set_multithreading_enabled
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck
from flambeau.autograd.variable import Variable

if _TYPE_CHECKING:
    from flambeau.autograd import functional, graph

__all__ = [
    "Function",
    "NestedIOFunction",
    "Variable",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "variable",
]

__getattr__, __dir__ = _attach(globals(), ("functional", "graph"))
