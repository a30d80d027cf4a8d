"""One Poisson draw after the other, as PyTorch makes them."""

from __future__ import annotations

import math
from collections.abc import Callable


def poisson_count(rate: float, uniform: Callable[[], float]) -> int:
    """How many events come, if `rate` come on average; `uniform` gives the numbers in [0, 1) to decide by.

    Source: for rates from 10 on, transformed rejection, Hörmann 1993, doi:10.1016/0167-6687(93)90997-4.
    """
    if rate >= 10:
        return _by_rejection(rate, uniform)
    if rate == 0:
        return 0
    bound, product, count = math.exp(-rate), uniform(), 0
    while product > bound:
        product, count = product * uniform(), count + 1
    return count


def _by_rejection(rate: float, uniform: Callable[[], float]) -> int:
    root, logarithm = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    accepted = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        distance = 0.5 - abs(u)
        count = math.floor((2 * a / distance + b) * u + rate + 0.43)
        if distance >= 0.07 and v <= accepted:
            return count
        if count < 0 or (distance < 0.013 and v > distance):
            continue
        spread = math.log(v) + math.log(inverse_alpha) - math.log(a / (distance * distance) + b)
        if spread <= -rate + count * logarithm - math.lgamma(count + 1):
            return count
