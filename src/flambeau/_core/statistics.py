"""What the engine did: flushes with their reasons and lines, tiers, compile seconds. Read by `flambeau.inspect.engine()`."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import Any


class Statistics:
    """Counts, kept cheap: a line of code is looked up only for the first flushes of a structure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.flushes: collections.Counter[str] = collections.Counter()
        self.lines: dict[
            tuple[str, Any], None
        ] = {}  # reasons and positions, in the order of their first flush
        self.tiers: collections.Counter[int] = collections.Counter()
        self.calls = 0
        self.run_seconds = 0.0
        self.compile_seconds: collections.defaultdict[str, float] = collections.defaultdict(float)
        self.compiles: collections.Counter[str] = collections.Counter()
        self.from_store = 0
        self.went_back = 0
        self.problems: list[str] = []

    def flushed(
        self, reason: str, calls: int, tier: int, seconds: float, plan: Any, position: Callable[[], Any]
    ) -> None:
        self.flushes[reason] += 1
        self.tiers[tier] += 1
        self.calls += calls
        self.run_seconds += seconds
        if plan.seen == 1:
            self.lines[reason, position()] = None

    def compiled(self, name: str, seconds: float, calls: int) -> None:
        with self._lock:
            self.compiles[name] += 1
            self.compile_seconds[name] += seconds

    def loaded(self) -> None:
        with self._lock:
            self.from_store += 1

    def problem(self, text: str) -> None:
        """Something that went wrong and was got around; shown by `inspect.engine()`."""
        with self._lock:
            self.problems.append(text)
            del self.problems[:-20]


statistics = Statistics()
