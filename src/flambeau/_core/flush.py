"""Running a trace: what is alive, which tier, and what was learnt about the same structure before.

Tier 0 runs a call in NumPy, tier 1 from its own executable, tier 2 runs the segment as compiled programs. A structure
seen for the first time never waits for tier 2: that is compiled in the background while the lower tiers serve.
"""

from __future__ import annotations

import collections
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from flambeau._core import xla
from flambeau._core.call import Call
from flambeau._core.plan import TINY_COST, Plan
from flambeau._core.recompiling import note_compile
from flambeau._core.statistics import statistics
from flambeau._core.trace import Trace, engine, user_line

# Up to this cost (elements touched) a call that has no executable yet runs in NumPy rather than wait for a compile.
NUMPY_COST = 8_000_000
# Structures remembered; the least recently used go first.
PLAN_LIMIT = 1000

_pool: ThreadPoolExecutor | None = None
_plans: collections.OrderedDict[Any, Plan] = collections.OrderedDict()


def pool() -> ThreadPoolExecutor:
    """Threads that compile; two, because compiling is work for a whole core."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(2, thread_name_prefix="flambeau-compile")
        threading._register_atexit(_pool.shutdown, wait=True, cancel_futures=True)  # type: ignore[attr-defined]
    return _pool


def run_trace(trace: Trace, reason: str) -> None:
    """Runs `trace` and empties it. The flush lock is held."""
    calls, key, leaves, outputs = trace.nodes, trace.key, trace.leaves, trace.outputs
    floats, ints = trace.floats, trace.ints
    trace.reset()
    alive = tuple([slot for slot, count in enumerate(map(sys.getrefcount, outputs)) if count > _UNHELD])
    metas = tuple([leaf.meta for leaf in leaves])
    identity = (tuple(key), metas, alive)
    plan = _plans.get(identity)
    if plan is None:
        plan = _plans[identity] = Plan(calls, key, metas, alive)
        if len(_plans) > PLAN_LIMIT:
            _plans.popitem(last=False)
    else:
        _plans.move_to_end(identity)
    plan.seen += 1
    # Leaves that nobody else holds: their memory may be given away.
    dead = [
        i
        for i, count in enumerate(map(sys.getrefcount, leaves))
        if count <= _UNHELD and not leaves[i].exposed
    ]
    arrays = [leaf.data for leaf in leaves]
    del leaves
    started = time.perf_counter()
    tier, results = _run(plan, arrays, dead, floats, ints)
    statistics.flushed(reason, len(calls), tier, time.perf_counter() - started, plan, position=user_line)
    for slot, result in zip(alive, results, strict=True):
        value = outputs[slot]
        value.data = result
        value.trace = None


# The count of references to an object that only a list holds.
_UNHELD = next(map(sys.getrefcount, [object()]))


def _run(
    plan: Plan, arrays: list[Any], dead: list[int], floats: list[float], ints: list[int]
) -> tuple[int, list[Any]]:
    on_cpu = plan.device.type == "cpu"
    if engine.tier == 2:
        if plan.programs is None:
            plan.programs = plan.compile(dead)
        return 2, _run_programs(plan, arrays, dead, floats, ints)
    if engine.tier is not None:
        return engine.tier, _run_calls(plan, arrays, floats, ints, on_cpu and engine.tier == 0)
    if engine.eager or not plan.worthwhile:
        return 0, _run_calls(plan, arrays, floats, ints, on_cpu)
    if plan.seen >= 2 and plan.programs is None:
        if plan.future is None:
            # Loading takes some milliseconds, once; in the background it would wait for Python's lock at every turn.
            plan.programs = plan.at_hand(dead)
        if plan.programs is None and plan.future is None:
            plan.future = pool().submit(plan.compile, dead)
            if not plan.noted:
                plan.noted = True
                note_compile(plan)
        if plan.future is not None and (engine.deterministic or plan.future.done()):
            plan.programs = plan.future.result()
    if plan.programs is not None:
        return 2, _run_programs(plan, arrays, dead, floats, ints)
    return 1, _run_calls(plan, arrays, floats, ints, on_cpu)


def _run_programs(
    plan: Plan, arrays: list[Any], dead: Sequence[int], floats: list[float], ints: list[int]
) -> list[Any]:
    """The segment's programs one after another."""
    slots: dict[int, Any] = {-1 - i: array for i, array in enumerate(arrays)}
    free_leaves = set(dead)
    all_floats, all_ints = np.array(floats, np.float64), np.array(ints, np.int64)
    assert plan.programs is not None
    for piece, program in plan.programs:
        given = [slots[slot] for slot in piece.inputs]
        for number in piece.donate:
            slot = piece.inputs[number]
            if slot < 0 and -1 - slot not in free_leaves:
                # Somebody holds this time what could be given away before: the program gets a copy.
                given[number] = np.array(given[number], copy=True)
        results = xla.call(program, [all_floats[slice(*piece.floats)], all_ints[slice(*piece.ints)], *given])
        slots.update(zip(piece.outputs, results, strict=True))
    return [slots[slot] for slot in plan.alive]


def _run_calls(
    plan: Plan, arrays: list[Any], floats: list[float], ints: list[int], use_numpy: bool
) -> list[Any]:
    """Call by call: NumPy where that is quick and allowed, else each call's own executable."""
    slots: dict[int, Any] = {-1 - i: array for i, array in enumerate(arrays)}
    if not engine.eager:
        _compile_ahead(plan, use_numpy)
    with np.errstate(all="ignore"):
        for step in plan.steps:
            call = step.call
            numbers = call.unpack(floats, ints, [step.floats, step.ints]) if call.numbers else ()
            given = [slots[i] for i in step.inputs]
            if use_numpy and call.dual and _prefers_numpy(call):
                results: Any = call.run_numpy(given, numbers)
            else:
                results = _run_executable(call, given, numbers)
            slots.update(zip(step.outputs, results, strict=True))
            for slot in step.free:
                del slots[slot]
    return [slots[slot] for slot in plan.alive]


def _run_executable(call: Call, given: list[Any], numbers: Sequence[Any]) -> Any:
    packed = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "f"]
    integers = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "i"]
    return xla.call(call.program(), [np.array(packed, np.float64), np.array(integers, np.int64), *given])


def _prefers_numpy(call: Call) -> bool:
    if call.cost <= TINY_COST or engine.tier == 0:
        return True
    return call.executable is None and call.cost <= NUMPY_COST


def _compile_ahead(plan: Plan, use_numpy: bool) -> None:
    """Starts the compiles that the walk through the calls would wait for, side by side."""
    missing = {}
    for step in plan.steps:
        call = step.call
        if call.executable is None and not (use_numpy and call.dual and _prefers_numpy(call)):
            missing[call.id] = call
    if missing and not plan.noted:
        plan.noted = True
        note_compile(plan)
    if len(missing) > 1:
        list(pool().map(Call.program, missing.values()))
