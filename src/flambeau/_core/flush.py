"""Running a trace: what is alive, which tier, and what was learnt about the same structure before.

Tier 0 runs a call in NumPy, tier 1 from its own executable, tier 2 runs the whole segment as one XLA program. A structure
seen for the first time never waits for tier 2: that is compiled in the background while the lower tiers serve.
"""

from __future__ import annotations

import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core import xla
from flambeau._core.call import Call, number_specs
from flambeau._core.statistics import statistics
from flambeau._core.trace import Trace, describe_line, engine, user_line
from flambeau._core.value import Meta, Value

# Up to this cost (elements touched) a call that has no executable yet runs in NumPy rather than wait for a compile.
NUMPY_COST = 8_000_000
# Up to this cost NumPy is quicker than the call of an executable.
TINY_COST = 4_000
# A segment up to this total cost and this many calls never repays a compile.
SMALL_SEGMENT = 3

_pool: ThreadPoolExecutor | None = None
_plans: dict[Any, Plan] = {}


def pool() -> ThreadPoolExecutor:
    """Threads that compile; two, because compiling is work for a whole core."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(2, thread_name_prefix="flambeau-compile")
        threading._register_atexit(_pool.shutdown, wait=True, cancel_futures=True)  # type: ignore[attr-defined]
    return _pool


class Plan:
    """How a structure runs: the calls with their slots, what is alive, and its program once there is one."""

    def __init__(self, calls: list[Call], key: list[int], leaves: tuple[Meta, ...], alive: tuple[int, ...]) -> None:
        self.calls, self.leaves, self.alive = calls, leaves, alive
        self.steps = _steps(calls, key, alive)
        self.seen = 0
        self.future: Future[Any] | None = None
        self.program: Any = None
        self.donate: tuple[int, ...] = ()
        self.floats = sum(call.numbers.count("f") for call in calls)
        self.ints = sum(call.numbers.count("i") for call in calls)
        self.device = calls[0].device
        needed = [call for _, call, *_ in self.steps]
        self.worthwhile = len(needed) > SMALL_SEGMENT or any(call.cost > TINY_COST or not call.dual for call in needed)

    def function(self, floats: Any, ints: Any, *leaves: Any) -> list[Any]:
        """The segment as one function of arrays, for JAX to trace."""
        slots: dict[int, Any] = {-1 - i: leaf for i, leaf in enumerate(leaves)}
        for first, call, inputs, _, at in self.steps:
            results = call.run(jnp, [slots[i] for i in inputs], call.unpack(floats, ints, list(at)))
            for number, (result, meta) in enumerate(zip(results, call.results, strict=True)):
                slots[first + number] = jnp.asarray(result, meta.np)
        return [slots[slot] for slot in self.alive]

    def choose_donated(self, dead: list[int]) -> tuple[int, ...]:
        """Of the leaves nobody holds any more, those whose memory an output can take over."""
        wanted = [self.meta_of_slot(slot) for slot in self.alive]
        chosen = []
        for leaf in dead:
            if self.leaves[leaf] in wanted and self.leaves[leaf].numel:
                wanted.remove(self.leaves[leaf])
                chosen.append(leaf)
        return tuple(chosen)

    def meta_of_slot(self, slot: int) -> Meta:
        if slot < 0:
            return self.leaves[-1 - slot]
        for first, call, *_ in self.steps:
            if first <= slot < first + len(call.results):
                return call.results[slot - first]
        raise AssertionError(f"slot {slot} is of no step")

    def compile(self, donate: tuple[int, ...]) -> Any:
        started = time.perf_counter()
        specs = [*number_specs(self.floats, self.ints), *map(xla.spec, self.leaves)]
        program = xla.compile_program(self.function, specs, self.device, tuple(i + 2 for i in donate))
        statistics.compiled("segment", time.perf_counter() - started, len(self.steps))
        return program


def _steps(calls: list[Call], key: list[int], alive: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """(first slot, call, inputs, slots no longer needed afterwards, number cursors) of each call that matters."""
    steps, at, slot, position = [], (0, 0), 0, 0
    for call in calls:
        inputs = tuple(key[position + 1 : position + 1 + len(call.inputs)])
        position += 1 + len(call.inputs)
        steps.append((slot, call, inputs, at))
        at = (at[0] + call.numbers.count("f"), at[1] + call.numbers.count("i"))
        slot += len(call.results)
    needed, kept = set(alive), set(alive)
    useful: list[tuple[Any, ...]] = []
    for first, call, inputs, cursors in reversed(steps):
        outputs = range(first, first + len(call.results))
        if any(output in needed for output in outputs):
            # Last use in program order is first use in this direction.
            free = [i for i in {*inputs, *outputs} if i >= 0 and i not in kept]
            kept.update(free)
            needed.update(inputs)
            useful.append((first, call, inputs, tuple(free), cursors))
    return useful[::-1]


def run_trace(trace: Trace, reason: str) -> None:
    """Runs `trace` and empties it. The flush lock is held."""
    calls, key, leaves, references = trace.nodes, trace.key, trace.leaves, trace.outputs
    floats, ints = trace.floats, trace.ints
    trace.reset()
    alive = tuple([slot for slot, reference in enumerate(references) if reference() is not None])
    metas = tuple([leaf.meta for leaf in leaves])
    identity = (tuple(key), metas, alive)
    plan = _plans.get(identity)
    if plan is None:
        plan = _plans[identity] = Plan(calls, key, metas, alive)
    plan.seen += 1
    arrays = [leaf.data for leaf in leaves]
    exposed = [leaf.exposed for leaf in leaves]
    held = [weakref.ref(leaf) for leaf in leaves]
    del leaves
    dead = [i for i, reference in enumerate(held) if reference() is None and not exposed[i]]
    started = time.perf_counter()
    tier, results = _run(plan, arrays, dead, floats, ints)
    statistics.flushed(reason, len(calls), tier, time.perf_counter() - started, plan, position=user_line)
    for slot, result in zip(alive, results, strict=True):
        value = references[slot]()
        if value is not None:
            value.data = result
            value.trace = None


def _run(plan: Plan, arrays: list[Any], dead: list[int], floats: list[float], ints: list[int]) -> tuple[int, list[Any]]:
    on_cpu = plan.device.type == "cpu"
    if engine.tier is not None:
        if engine.tier == 2:
            return 2, _run_program(plan, arrays, dead, floats, ints)
        return engine.tier, _run_calls(plan, arrays, floats, ints, on_cpu and engine.tier == 0, engine.tier == 0)
    if engine.eager or not plan.worthwhile:
        return 0, _run_calls(plan, arrays, floats, ints, on_cpu, True)
    if plan.seen >= 2 and plan.program is None:
        if plan.future is None:
            plan.donate = plan.choose_donated(dead)
            plan.future = pool().submit(plan.compile, plan.donate)
        if engine.deterministic or plan.future.done():
            plan.program = plan.future.result()
    if plan.program is not None:
        return 2, _run_program(plan, arrays, dead, floats, ints)
    return 1, _run_calls(plan, arrays, floats, ints, on_cpu, True)


def _run_program(plan: Plan, arrays: list[Any], dead: list[int], floats: list[float], ints: list[int]) -> list[Any]:
    if plan.program is None:
        plan.donate = plan.choose_donated(dead)
        plan.program = plan.compile(plan.donate)
    if plan.donate and not set(plan.donate) <= set(dead):
        # Somebody holds this time what could be donated before: copies are given away instead.
        arrays = list(arrays)
        for leaf in plan.donate:
            if leaf not in dead:
                arrays[leaf] = np.array(arrays[leaf], copy=True)
    return list(xla.call(plan.program, [np.array(floats, np.float64), np.array(ints, np.int64), *arrays]))


def _run_calls(
    plan: Plan, arrays: list[Any], floats: list[float], ints: list[int], use_numpy: bool, may_choose: bool
) -> list[Any]:
    """Call by call: NumPy where that is quick and allowed, else each call's own executable."""
    slots: dict[int, Any] = {-1 - i: array for i, array in enumerate(arrays)}
    if not engine.eager:
        _compile_ahead(plan, use_numpy)
    with np.errstate(all="ignore"):
        for first, call, inputs, free, at in plan.steps:
            numbers = call.unpack(floats, ints, list(at)) if call.numbers else ()
            given = [slots[i] for i in inputs]
            if use_numpy and call.dual and _prefers_numpy(call):
                results: Any = call.run_numpy(given, numbers)
            else:
                started = time.perf_counter() if () not in call.executables else 0.0
                program = call.program()
                if started:
                    statistics.compiled(call.name, time.perf_counter() - started, 1)
                packed = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "f"]
                integers = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "i"]
                results = xla.call(program, [np.array(packed, np.float64), np.array(integers, np.int64), *given])
            call.seen += 1
            for number, result in enumerate(results):
                slots[first + number] = result
            for slot in free:
                slots.pop(slot, None)
    return [slots[slot] for slot in plan.alive]


def _prefers_numpy(call: Call) -> bool:
    if call.cost <= TINY_COST or engine.tier == 0:
        return True
    return () not in call.executables and call.cost <= NUMPY_COST


def _compile_ahead(plan: Plan, use_numpy: bool) -> None:
    """Starts the compiles that the walk through the calls would wait for, side by side."""
    missing = {}
    for _, call, *_ in plan.steps:
        if () not in call.executables and not (use_numpy and call.dual and _prefers_numpy(call)):
            missing[call.id] = call
    if len(missing) > 1:
        list(pool().map(lambda call: call.program(), missing.values()))
