"""Normalisation beside PyTorch's: what is particular about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from expressions import assert_agrees, table

import flambeau
from flambeau._core.trace import engine

EXPRESSIONS = table(
    """
    F.batch_norm(T.ones(0, requires_grad=True), T.zeros(0), T.zeros(0), training=True)
    F.batch_norm(T.ones(0, 3, requires_grad=True), T.zeros(2), None, T.ones(3), T.ones(3), training=True)
    F.batch_norm(T.ones(0, 3), None, None)
    F.batch_norm(T.ones(3), None, None, training=True)
    F.local_response_norm(z, 2, 1.)
    F.local_response_norm(z.long(), 2, 1.)
    F.local_response_norm(z.long().view(2, 3, 2, 2), 2, 1.)
    F.local_response_norm(z.int().view(2, 3, 2, 2), 2, 1.)
    F.local_response_norm(z, 0, 1.)
    T.view_as_real(F.rms_norm(T.view_as_complex(w.view(3, 2, 2)), (2,)))
    T.view_as_real(F.rms_norm(T.complex(w, v * w.detach()), (3, 4), T.complex(v * w, v * 1).detach(), 0.5))
    """
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_agrees_with_pytorch(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("LayerNorm(768)", (4, 16, 768)), ("LayerNorm((2, 384))", (64, 2, 384)), ("LayerNorm(767)", (64, 767)),
        ("LayerNorm(768, elementwise_affine=False)", (64, 768)), ("GroupNorm(4, 32)", (4, 32, 32, 32)),
        ("GroupNorm(4, 32)", (4, 32, 31, 31)), ("RMSNorm(768)", (4, 16, 768)), ("BatchNorm2d(32)", (4, 32, 32, 32)),
        ("InstanceNorm1d(32, affine=True)", (4, 32, 1024)), ("Softmax(-1)", (64, 768)), ("LogSoftmax(-1)", (64, 768)),
        ("Softmax(1)", (8, 64, 64)),
    ],
    ids=str,
)  # fmt: skip
def test_large_layers_compiled(layer: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "tier", 2)
    rng = np.random.default_rng(0)
    data = [rng.normal(3, 1, shape).astype(np.float32) for _ in range(2)]
    results = []
    for library in (torch, flambeau):
        own: Any = eval(f"nn.{layer}", {"nn": library.nn})
        x, cotangent = (library.tensor(each) for each in data)
        x.requires_grad_()
        for number, parameter in enumerate(own.parameters()):
            values = np.random.default_rng(number).normal(size=tuple(parameter.shape)).astype(np.float32)
            parameter.data.copy_(library.tensor(values))
        output = own(x)
        output.backward(cotangent)
        results.append([output.detach(), x.grad, *[parameter.grad for parameter in own.parameters()]])
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(
            found.numpy(), expected.numpy(), rtol=2e-5, atol=2e-5 * float(expected.abs().max())
        )
