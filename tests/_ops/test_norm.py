"""Normalisation beside PyTorch's: what is particular about it."""

from __future__ import annotations

import pytest
from expressions import assert_agrees, table

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
