"""Running a trace: what is alive, which tier, and what was learnt about the same structure before.

Tier 0 runs a call in NumPy, tier 1 from its own executable, tier 2 runs the segment as compiled programs. A structure
seen for the first time never waits for tier 2: that is compiled in the background while the lower tiers serve.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from sys import getrefcount

import numpy as np

from flambeau._core import xla
from flambeau._core.allocator import kept
from flambeau._core.errors import memory_error
from flambeau._core.form import MISFITS, Form
from flambeau._core.light import Light
from flambeau._core.plan import Piece, Plan
from flambeau._core.remembered import Remembered
from flambeau._core.run import Calls, Programs
from flambeau._core.statistics import statistics
from flambeau._core.trace import Trace, engine, user_line
from flambeau._core.value import Value

_pools: dict[str, ThreadPoolExecutor] = {}
_plans: Remembered[Plan] = Remembered(1000)


def pool(purpose: str = "later") -> ThreadPoolExecutor:
    """Threads that compile; two, because compiling is work for a whole core.

    What somebody waits for ("now") has threads of its own: the programs of later steps may take minutes.
    """
    found = _pools.get(purpose)
    if found is None:
        found = _pools[purpose] = ThreadPoolExecutor(2, thread_name_prefix=f"flambeau-compile-{purpose}")
        threading._register_atexit(found.shutdown, wait=True, cancel_futures=True)  # type: ignore[attr-defined]
    return found


def run_trace(trace: Trace, reason: str) -> None:
    """Runs `trace` and empties it. The flush lock is held.

    An interrupt leaves the trace as it was, or comes when the values are there: nothing that was recorded is lost.
    """
    taken = trace.take()
    run = None
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            if run is None:
                plan = _plan(taken)
                tier = _tier(plan, taken.leaves)
                if tier < 2 and plan.light is not None and engine.tier != 1:
                    _run_lightly(plan, tier, plan.light, taken, reason)
                    break
                run = _Run(plan, tier, taken, reason)
            run.finish()
            break
        except KeyboardInterrupt as error:
            if run is None or not run.begun:
                trace.put_back(taken)
                raise
            interrupt = error
        except BaseException as error:
            trace.late_checks = []
            missing = memory_error(error, taken.nodes[0].device.type)
            taken.fail(missing or error)
            if missing is None:
                raise
            raise missing from error
    if interrupt is not None:
        raise interrupt


# From this size on an array that NumPy made is moved to JAX once, rather than copied by each call of a program.
LARGE_BYTES = 1 << 16


def _settle(leaves: Sequence[Value], dead: Sequence[int]) -> None:
    """Hands large leaves of NumPy's (weights as they were drawn or loaded, say) over to JAX, for this run and all others.

    Not those that serve but once, such as a batch that is read from shared memory: JAX takes them as quickly by itself.
    """
    once = set(dead)
    for number, leaf in enumerate(leaves):
        if type(leaf.data) is np.ndarray and leaf.data.nbytes >= LARGE_BYTES and number not in once:
            leaf.data = xla.to_device(leaf.data, leaf.meta.device)


# A plan gets programs so often: its values may come as parts of other arrays than before.
FORM_LIMIT = 4

# The count of references to an object that only a list holds.
_UNHELD = next(map(getrefcount, [object()]))


def _dead(leaves: Sequence[Value]) -> list[int]:
    """The leaves that nobody else holds: their memory may be given away."""
    return [
        i for i, count in enumerate(map(getrefcount, leaves)) if count <= _UNHELD and not leaves[i].exposed
    ]


def _run_lightly(plan: Plan, tier: int, light: Light, taken: Trace, reason: str) -> None:
    """Runs a light segment and fills in the values. An interrupt leaves all as it was."""
    started = time.perf_counter()
    results = light.run(taken.leaves, taken.floats, taken.ints)
    outputs = taken.outputs
    for slot, result in zip(plan.alive, results, strict=True):
        value = outputs[slot]
        value.data = result
        value.trace = None
    seconds = time.perf_counter() - started
    statistics.flushed(reason, len(taken.nodes), tier, seconds, plan, user_line)
    if not plan.worthwhile:
        plan.note_seconds(seconds)
    elif _is_timed(plan):
        plan.trial.note(False, seconds)
        statistics.went_back += plan.trial.went_back
    if plan.seen == 1:
        plan.forget_steps()


class _Run:
    """One run of what a trace held."""

    def __init__(self, plan: Plan, tier: int, taken: Trace, reason: str) -> None:
        leaves = taken.leaves
        self.outputs = taken.outputs
        self.reason = reason
        self.count = len(taken.nodes)
        self.plan = plan
        self.tier = tier
        dead = _dead(leaves)
        if self.tier == 2 or plan.trial.went_back:
            _settle(leaves, dead)
        self._work: Programs | Calls
        self._form = plan.form if tier == 2 else None
        if self._form is not None:
            arrays, dead = self._form.arrays(leaves, dead)
            self._work = Programs(plan, arrays, dead, taken.floats, taken.ints)
        else:
            on_cpu = plan.device.type == "cpu"
            arrays = [leaf.known() for leaf in leaves]
            use_numpy = on_cpu and (engine.tier is None or engine.tier == 0)
            self._work = Calls(plan, arrays, dead, taken.floats, taken.ints, use_numpy, pool("now"))

    @property
    def begun(self) -> bool:
        """Whether it can only be finished, not run anew."""
        return self._work.begun

    def finish(self) -> None:
        """Runs and fills in the values."""
        started = time.perf_counter()
        plan = self.plan
        results = self._work.results()
        if _is_timed(plan):
            xla.wait_for(results)
            plan.trial.note(self.tier == 2, time.perf_counter() - started)
            statistics.went_back += plan.trial.went_back
        now = time.perf_counter()
        statistics.flushed(self.reason, self.count, self.tier, now - started, plan, user_line)
        if now >= kept.next_look:
            kept.look(now)
        if self._form is not None:
            self._form.fill(self.outputs, results)
        else:
            for slot, result in zip(plan.alive, results, strict=True):
                value = self.outputs[slot]
                value.data = result
                value.trace = None
        if plan.seen == 1:
            plan.forget_steps()


def _plan(taken: Trace) -> Plan:
    """What is known of this structure, which is seen once more."""
    alive = tuple([slot for slot, count in enumerate(map(getrefcount, taken.outputs)) if count > _UNHELD])
    metas = tuple([leaf.meta for leaf in taken.leaves])
    identity = (tuple(taken.key), metas, alive)
    plan = _plans.find(identity, lambda: Plan(taken.nodes, taken.key, metas, alive))
    if not plan.steps:
        plan.restore(taken.nodes, taken.key)
    plan.seen += 1
    return plan


def _tier(plan: Plan, leaves: Sequence[Value]) -> int:
    """How the segment runs this time. Compiling in the background is begun here."""
    if engine.tier == 2:
        if plan.programs is None:
            plan.form, pieces = _formed(plan, leaves)
            plan.programs = plan.compile(pieces)
        return 2
    if engine.tier is not None:
        return engine.tier
    if engine.eager or not plan.worthwhile:
        return 0
    if (plan.form is None or plan.form.misfits >= MISFITS) and not plan.trial.went_back:
        _look_for_programs(plan, leaves)
    if plan.programs is None or plan.trial.calls_again:
        return 1
    if plan.trial.went_back:
        plan.programs = None
        return 1
    return 2


def _formed(plan: Plan, leaves: Sequence[Value]) -> tuple[Form, list[Piece]]:
    """How the plan's values go in and out, and its programs before they are compiled."""
    dead = _dead(leaves)
    data = [leaf.data for leaf in leaves]
    form = Form(plan.steps, plan.leaves, plan.alive, data, plan.device.type == "cpu")
    gone = set(dead)
    given = [number for number, group in enumerate(form.groups, len(leaves)) if gone.issuperset(group.leaves)]
    return form, plan.pieces(form, [*dead, *given])


def _look_for_programs(plan: Plan, leaves: Sequence[Value]) -> None:
    if plan.future is None:
        if plan.forms >= FORM_LIMIT or plan.seen < 2 or plan.seen < plan.sightings():
            return
        plan.forms += 1
        form, pieces = _formed(plan, leaves)
        # Loading takes some milliseconds, once; in the background it would wait for Python's lock at every turn.
        programs = plan.at_hand(pieces)
        if programs is not None:
            plan.form, plan.programs = form, programs
            return
        plan.next_form, plan.future = form, pool().submit(plan.compile, pieces)
        plan.note_compile()
    if engine.deterministic or plan.future.done():
        plan.programs, plan.form, plan.future = plan.future.result(), plan.next_form, None


def _is_timed(plan: Plan) -> bool:
    """Whether this run belongs to the plan's trial: on a CPU, where the programs may be slower than their calls."""
    return not (
        plan.trial.settled or plan.seen < 2 or engine.deterministic or engine.eager or engine.tier is not None
        or plan.device.type != "cpu"
    )  # fmt: skip
