"""Evaluates one expression with PyTorch and with flambeau: value, dtype, gradients, grad_fn, or error."""

from __future__ import annotations

import importlib
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import flambeau
from flambeau._core.declare import public


def _functional(library: Any) -> Any:
    return torch.nn.functional if library is torch else SimpleNamespace(**public("nn.functional"))


class Scope(SimpleNamespace):
    """The names that expressions use; `w` and `v` require grad, `y` is computed from `w`."""

    def __init__(self, library: Any) -> None:
        def made(values: Any, dtype: Any = None) -> Any:
            return library.tensor(np.asarray(values).tolist(), dtype=dtype)

        values = np.arange(12).reshape(3, 4)
        super().__init__(
            T=library, np=np, F=_functional(library), nan=float("nan"), inf=float("inf"),
            x=made(values, library.float32), z=made(np.arange(24).reshape(2, 3, 4), library.float32),
            i=made([0, 1, 2]), twice=made([2, 0, 2]), b=made([True, False, True]), m=made(values % 3 == 1),
            m2=made([[True, False, True], [False, False, True]]),
            w=made(np.sin(values), library.float32).requires_grad_(),
            v=made([1.5, -2.0, 0.25, 3.0], library.float32).requires_grad_(),
        )  # fmt: skip
        self.y = self.w * 1


def plain(value: Any) -> Any:
    if hasattr(value, "grad_fn"):
        node = None if value.grad_fn is None else type(value.grad_fn).__name__
        return str(value.dtype), tuple(value.shape), value.detach().tolist(), value.requires_grad, node
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *[plain(each) for each in value]]
    return str(value)


def backward(scope: Scope, value: Any) -> Any:
    """Gradients of `w` and `v` from every differentiable result, under cotangents that differ."""
    tensors = value if isinstance(value, (tuple, list)) else [value]
    total = None
    for each in tensors:
        if hasattr(each, "grad_fn") and each.requires_grad and each.numel():
            factors = scope.T.tensor(np.linspace(1, 2, each.numel()).reshape(tuple(each.shape)).tolist())
            part = (each * factors.to(each.dtype)).sum()
            total = part if total is None else total + part
    if total is None:
        return None
    total.backward()
    return [None if each.grad is None else each.grad.tolist() for each in (scope.w, scope.v)]


def evaluate(name: str, expression: str) -> Any:
    """What the expression gives with the library of this name. Statements give `x` and `y` afterwards."""
    scope = Scope(importlib.import_module(name))
    names = vars(scope)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            try:
                value = eval(expression, names)
            except SyntaxError:
                exec(expression, names)
                value = (scope.x, scope.y)
        except Exception as error:
            return type(error).__name__, str(error)
        return plain(value), backward(scope, value)


def close(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return bool(np.isclose(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True))
    if isinstance(ours, complex) and isinstance(theirs, complex):
        return close(ours.real, theirs.real) and close(ours.imag, theirs.imag)
    if isinstance(ours, (tuple, list)) and isinstance(theirs, (tuple, list)):
        return len(ours) == len(theirs) and all(map(close, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def assert_agrees(expression: str) -> None:
    theirs, ours = evaluate("torch", expression), evaluate("flambeau", expression)
    assert close(ours, theirs), f"{expression}\n  torch: {theirs}\n  flambeau: {ours}"


def table(text: str) -> list[str]:
    """The lines of a table that are not empty."""
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


__all__ = ["assert_agrees", "backward", "close", "evaluate", "flambeau", "plain", "table"]
