"""What the engine did, and how it is told to work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flambeau._core.statistics import statistics
from flambeau._core.trace import describe_line, local
from flambeau._core.trace import engine as _engine


@dataclass(frozen=True)
class EngineReport:
    """Counts since the start (or the last `reset`): print it, or read its fields.

    Args:
        flushes: how often a trace ran, by reason.
        lines: for each structure met first, the reason of its flush and the user's line.
        tiers: how often a segment ran in NumPy (0), call by call (1) or compiled (2).
        calls: recorded operations that were flushed.
        compiles, compile_seconds: programs compiled and what that took, by operation ("segment" for whole ones).
        from_store: programs that were loaded from disk instead.
        went_back: structures whose programs were slower than their calls one by one, and were given up.
        problems: what went wrong and was got around.
    """

    flushes: dict[str, int]
    lines: list[tuple[str, str]]
    tiers: dict[int, int]
    calls: int
    run_seconds: float
    compiles: dict[str, int]
    compile_seconds: dict[str, float]
    from_store: int
    went_back: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        total = sum(self.flushes.values())
        rows = [f"engine: {total} flushes of {self.calls} operations in {self.run_seconds:.2f} s"]
        rows += [f"  {count:6d} x because {reason}" for reason, count in _most_first(self.flushes)]
        names = {0: "in NumPy", 1: "call by call", 2: "compiled"}
        rows.append("  ran " + ", ".join(f"{self.tiers.get(tier, 0)} {name}" for tier, name in names.items()))
        seconds = sum(self.compile_seconds.values())
        rows.append(
            f"compiled {sum(self.compiles.values())} programs in {seconds:.2f} s, loaded {self.from_store} from the store"
        )
        rows += [
            f"  {self.compile_seconds[name]:6.2f} s for {count} x {name}"
            for name, count in _most_first(self.compiles)[:8]
        ]
        if self.went_back:
            rows.append(
                f"gave up the programs of {self.went_back} structures: slower than their calls one by one"
            )
        if self.lines:
            rows.append("structures met first at")
            rows += [f"  {line}: {reason}" for reason, line in self.lines[-8:]]
        rows += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(rows)


def _most_first(counts: dict[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def engine() -> EngineReport:
    """What was flushed, why and from which line, what was compiled and what it cost.

    >>> import flambeau
    >>> _ = flambeau.ones(2).sum().item()
    >>> "because a value is read" in str(flambeau.inspect.engine())
    True
    """
    return EngineReport(
        flushes=dict(statistics.flushes),
        lines=[(reason, describe_line(position)) for reason, position in list(statistics.lines)],
        tiers=dict(statistics.tiers),
        calls=statistics.calls,
        run_seconds=statistics.run_seconds,
        compiles=dict(statistics.compiles),
        compile_seconds=dict(statistics.compile_seconds),
        from_store=statistics.from_store,
        went_back=statistics.went_back,
        problems=list(statistics.problems),
    )


def set_engine(mode: str) -> None:
    """Chooses how recorded operations run: "lazy" (the default), or "eager", each one at once.

    Eager is the oracle for the lazy engine and the way out where laziness is in the way: slower, same results.
    Raises: ValueError for another word.
    """
    if mode not in ("lazy", "eager"):
        raise ValueError(f"set_engine takes 'lazy' or 'eager', not {mode!r}")
    local.trace.cut("the engine changes")
    _engine.eager = mode == "eager"
