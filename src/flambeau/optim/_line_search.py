"""A line search: how far to go in a direction so that the strong Wolfe conditions hold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flambeau._core.tensor import Tensor

ENOUGH_DECREASE = 1e-4  # the share of the first slope by which the loss has to fall
ENOUGH_FLATTENING = 0.9  # the share of the first slope that may be left


@dataclass
class Point:
    """A place on the line: how far it is, and what was found there. `slope` is the loss's, along the line."""

    t: Any
    loss: float
    grad: Tensor
    slope: Tensor


def strong_wolfe(
    evaluate: Callable[[Any], Point], start: Point, t: Any, longest: Tensor, tolerance: float, budget: int
) -> tuple[Point, int]:
    """The point to go to, and how many points were evaluated.

    Args:
        evaluate: finds out about a place.
        start: the place at 0.
        t: the first place to try.
        longest: the largest element of the direction.
        tolerance: the search ends when an interval times `longest` is smaller.
        budget: how many more places may be tried after the first.

    Source: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 3.5 and 3.6.
    """
    previous, new = start, evaluate(t)
    for tried in range(budget):
        if _too_high(new, start) or (tried > 1 and new.loss >= previous.loss):
            return _zoom(evaluate, start, [previous, new], longest, tolerance, budget, tried)
        if _flat_enough(new, start):
            return new, tried + 1
        if new.slope >= 0:
            return _zoom(evaluate, start, [previous, new], longest, tolerance, budget, tried)
        t = _minimum_of_cubic(previous, new, (new.t + 0.01 * (new.t - previous.t), new.t * 10))
        previous, new = new, evaluate(t)
    return (start if start.loss <= new.loss else new), max(budget, 0) + 1


def _zoom(
    evaluate: Callable[[Any], Point], start: Point, bracket: list[Point], longest: Tensor,
    tolerance: float, budget: int, tried: int,
) -> tuple[Point, int]:  # fmt: skip
    """Narrows an interval that contains a point satisfying the conditions."""
    first, second = bracket
    low, high = (first, second) if first.loss <= second.loss else (second, first)
    stuck = False
    while tried < budget and not abs(second.t - first.t) * longest < tolerance:
        t, stuck = _inside(_minimum_of_cubic(first, second), first.t, second.t, stuck)
        new = evaluate(t)
        tried += 1
        if _too_high(new, start) or new.loss >= low.loss:
            first, second = (first, new) if high is second else (new, second)
            low, high = (first, second) if first.loss <= second.loss else (second, first)
            continue
        if _flat_enough(new, start):
            return new, tried + 1
        # The new point is the lowest. Its slope tells on which side of it the minimum lies.
        far = low if new.slope * (high.t - low.t) >= 0 else high
        first, second = (new, far) if low is first else (far, new)
        low, high = new, far
    return low, tried + 1


def _too_high(point: Point, start: Point) -> bool:
    return bool(point.loss > start.loss + ENOUGH_DECREASE * point.t * start.slope)


def _flat_enough(point: Point, start: Point) -> bool:
    return bool(abs(point.slope) <= -ENOUGH_FLATTENING * start.slope)


def _inside(t: Any, one: Any, other: Any, stuck: bool) -> tuple[Any, bool]:
    """`t`, moved away from an end of the interval if it is there, or was close to one before; and whether it
    is close now.
    """
    lowest, highest = min([one, other]), max([one, other])
    margin = 0.1 * (highest - lowest)
    if not min(highest - t, t - lowest) < margin:
        return t, False
    if not (stuck or t >= highest or t <= lowest):
        return t, True
    return (highest - margin if abs(t - highest) < abs(t - lowest) else lowest + margin), False


def _minimum_of_cubic(one: Point, other: Point, bounds: tuple[Any, Any] | None = None) -> Any:
    """Where the cubic with these losses and slopes is lowest, within bounds; their middle if nowhere."""
    left, right = (one, other) if one.t <= other.t else (other, one)
    lowest, highest = bounds or (left.t, right.t)
    bend = one.slope + other.slope - 3 * (one.loss - other.loss) / (one.t - other.t)
    square = bend**2 - one.slope * other.slope
    if not square >= 0:
        return (lowest + highest) / 2.0
    root: Any = square.sqrt()
    share = (right.slope + root - bend) / (right.slope - left.slope + 2 * root)
    return min(max(right.t - (right.t - left.t) * share, lowest), highest)
