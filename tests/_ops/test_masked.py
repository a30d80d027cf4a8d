"""Reductions and normalizations under a mask beside PyTorch's: values, gradients, errors."""

from __future__ import annotations

import pytest
from expressions import assert_agrees, table

VALUES = table(
    """
    T.masked.sum(x, mask=m)
    T.masked.sum(x, (0, 1), keepdim=True, mask=m)
    T.masked.sum(m, 1)
    T.masked.sum(x.int(), 1, mask=m)
    T.masked.sum(x, 0, mask=m[0])
    T.masked.sum(x, 0, mask=x)
    T.masked.sum(x, -1, dtype=T.float64, mask=m)
    T.masked.prod(x + 1, 0, mask=m)
    T.masked.prod(x.to(T.uint8), mask=m)
    T.masked.amax(x, 1, mask=m)
    T.masked.amax(x.long(), 1, mask=T.zeros(3, 4))
    T.masked.amin(x, (0,), keepdim=True, mask=m)
    T.masked.amin(x.to(T.uint8), mask=m)
    T.masked.argmax(-x, 1, mask=m)
    T.masked.argmin(x.long(), keepdim=True, mask=m, dtype=T.int32)
    T.masked.mean(x, 0, mask=m)
    T.masked.mean(x, 1, keepdim=True, mask=T.tensor([False, False, True, False]))
    T.masked.mean(x)
    T.masked.mean(x.long(), (), dtype=T.float64, mask=m)
    T.masked.median(x, 1, mask=m)
    T.masked.median(x.long(), mask=T.tensor([True, False, True, True]))
    T.masked.logsumexp(x, 1, mask=m)
    T.masked.logsumexp(x)
    T.masked.logaddexp(x, x.flip(0), input_mask=m, other_mask=~m)
    T.masked.norm(x, 3, 1, mask=m)
    T.masked.norm(x, inf, mask=m)
    T.masked.norm(x, -inf, 0, mask=m)
    T.masked.norm(x, mask=T.zeros(4))
    T.masked.var(x, 0, mask=m)
    T.masked.var(x, 1, False, keepdim=True, mask=T.tensor([True, False, True, False]))
    T.masked.var(x.long(), correction=3)
    T.masked.std(x, mask=m)
    T.masked.std(x * (1 + 2j), 1, correction=0)
    T.masked.cumsum(x, 1, mask=m)
    T.masked.cumprod(x.int(), 0, mask=m)
    T.masked.softmax(x, 1, mask=T.tensor([True, False, True, False]))
    T.masked.softmax(x, 1, mask=T.zeros(3, 4))
    T.masked.log_softmax(x, 0, mask=T.tensor([True, False, True, False]), dtype=T.float64)
    T.masked.softmin(x, 1, mask=T.tensor([True, False, True, False]))
    T.masked.normalize(x, 2, 1, mask=m)
    T.masked.normalize(x, 2, 1, eps=100.)
    """
)

GRADIENTS = table(
    """
    T.masked.sum(w, 0, mask=m)
    T.masked.prod(w, 1, mask=m)
    T.masked.amax(w, mask=m)
    T.masked.mean(w, 0, mask=T.tensor([True, False, True, False]))
    T.masked.median(w, 1, mask=T.tensor([True, False, True, True]))
    T.masked.logsumexp(w, 1, mask=T.tensor([True, False, True, True]))
    T.masked.logaddexp(w, v, input_mask=m)
    T.masked.norm(w, 2, 1, mask=m)
    T.masked.var(w, 1, mask=T.tensor([True, False, True, True]))
    T.masked.std(w, 1, mask=T.tensor([True, False, True, True]))
    T.masked.cumsum(w, 1, mask=m)
    T.masked.softmax(w, 1, mask=T.tensor([True, False, True, True]))
    T.masked.normalize(w, 2, 1, mask=m)
    """
)

ERRORS = table(
    """
    T.masked.sum(x, (0, 0))
    T.masked.sum(x, 2, mask=m)
    T.masked.sum(x, mask=T.ones(1, 3, 4))
    T.masked.amax(m, mask=m)
    T.masked.mean(i)
    T.masked.mean(x, dtype=T.int64)
    T.masked.median(i, mask=T.zeros(3))
    T.masked.norm(i, -inf, mask=b)
    T.masked.var(x, 0, True, correction=1)
    """
)


@pytest.mark.parametrize("expression", VALUES + GRADIENTS + ERRORS)
def test_agrees_with_pytorch(expression: str) -> None:
    assert_agrees(expression)
