"""Telling the user, once, of a place in the program that keeps compiling, and of what changes there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flambeau._core.trace import describe_line

if TYPE_CHECKING:
    from flambeau._core.plan import Plan

# So many programs of the same operations for one line of the user's are more than warming up.
RECOMPILE_LIMIT = 8
# For each so many programs of a place, its structures have to be seen once more before they are compiled: where shapes
# keep changing, compiling would never end.
PROGRAMS_A_SIGHTING = 4
# Places remembered; a program that compiles at more of them has other worries.
PLACE_LIMIT = 500

_lock = threading.Lock()
# The plans compiled at a line, for one set of operations: the latest, and how many.
_places: dict[Any, tuple[Plan, int]] = {}


def reset() -> None:
    """Forgets all places."""
    with _lock:
        _places.clear()


def sightings(place: Any) -> int:
    """How often a structure has to be seen at a place before it is compiled."""
    with _lock:
        known = _places.get(place)
    return 2 + (0 if known is None else known[1] // PROGRAMS_A_SIGHTING)


def note(plan: Plan) -> None:
    """Called when a plan is compiled for the first time; writes one line to stderr when its place does so too often."""
    place = plan.place()
    if place is None:
        return
    position = place[0]
    with _lock:
        previous, count = _places.get(place, (plan, 0))
        if len(_places) < PLACE_LIMIT or place in _places:
            _places[place] = (plan, count + 1)
    if count + 1 == RECOMPILE_LIMIT:
        print(
            f"flambeau: {describe_line(position)} has compiled {count + 1} programs, because {_change(previous, plan)}. "
            "Make it repeat (pad to a few sizes, keep it fixed) or see flambeau.inspect.engine().",
            file=sys.stderr,
        )


def _change(before: Plan, after: Plan) -> str:
    """What differs between two plans, in words."""
    if len(before.steps) != len(after.steps):
        return f"the number of operations keeps changing: {len(before.steps)}, then {len(after.steps)}"
    for old, new in _pairs(before, after):
        if old.dtype is not new.dtype:
            return f"a dtype keeps changing: {old.dtype}, then {new.dtype}"
        if old.shape != new.shape:
            return f"a shape keeps changing: {list(old.shape)}, then {list(new.shape)}"
    for one, two in zip(before.steps, after.steps, strict=True):
        if one.call is not two.call:
            return f"an argument of {two.call.name} keeps changing that is part of the program"
    return "the results that are still in use keep changing"


def _pairs(before: Plan, after: Plan) -> Sequence[Any]:
    pairs = list(zip(before.leaves, after.leaves, strict=False))
    for one, two in zip(before.steps, after.steps, strict=True):
        pairs += zip(one.call.results, two.call.results, strict=False)
    return pairs
