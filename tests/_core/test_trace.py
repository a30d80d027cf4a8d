"""The engine: what lives how long, threads, errors half-way, growing shapes, and that all modes agree."""

from __future__ import annotations

import contextlib
import copy
import gc
import threading
import time
import weakref

import numpy as np
import pytest

import flambeau
from flambeau._core import flush, recompiling, run, xla
from flambeau._core import plan as plans
from flambeau._core.call import Call
from flambeau._core.declare import Op
from flambeau._core.light import Light
from flambeau._core.modes import modes
from flambeau._core.plan import Plan
from flambeau._core.remembered import Remembered
from flambeau._core.run import Calls, Programs
from flambeau._core.statistics import statistics
from flambeau._core.trace import engine, local, record
from flambeau._core.trial import Trial
from flambeau._core.value import Value


def network(seed=0, width=8):
    flambeau.manual_seed(seed)
    return flambeau.nn.Sequential(
        flambeau.nn.Linear(4, width),
        flambeau.nn.Tanh(),
        flambeau.nn.LayerNorm(width),
        flambeau.nn.Linear(width, 2),
    )


def train(model, steps, lr=0.05, momentum=0.9, batch=6):
    """Losses of some steps of SGD with momentum on fixed random data."""
    optimizer = flambeau.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    noise = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        x = flambeau.from_numpy(noise.standard_normal((batch, 4)).astype(np.float32))
        y = flambeau.from_numpy(noise.integers(0, 2, batch))
        loss = flambeau.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@contextlib.contextmanager
def mode(**settings):
    local.trace.flush("a test changes the engine")
    previous = {name: getattr(engine, name) for name in settings}
    for name, value in settings.items():
        setattr(engine, name, value)
    try:
        yield
    finally:
        local.trace.flush("a test changes the engine")
        for name, value in previous.items():
            setattr(engine, name, value)


@contextlib.contextmanager
def no_collector():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# -- lifetimes -------------------------------------------------------------------------------------


def test_nothing_of_a_step_outlives_it():
    with no_collector():
        model = network()
        x = flambeau.ones(3, 4)
        loss = model(x).sum()
        node = weakref.ref(loss.grad_fn)
        first = weakref.ref(loss.grad_fn.next_functions[0][0])
        loss.backward()
        loss.item()
        del loss
        assert node() is None
        assert first() is None
        assert local.trace.nodes == []
        assert local.trace.leaves == []


def test_training_makes_no_cycles():
    model = network()
    # Compiling makes cycles of its own, so it is over before counting starts.
    with mode(deterministic=True):
        train(model, 5)
        with no_collector():
            train(model, 5)
            assert gc.collect() == 0


def test_dropped_tensors_are_never_computed():
    x = flambeau.ones(4)
    local.trace.flush("a test begins")
    y = x * 2
    z = y + 1
    value = weakref.ref(z._storage.value)
    del z
    y.tolist()
    assert value() is None


def live_values():
    gc.collect()
    return sum(type(item) is Value for item in gc.get_objects())


@pytest.mark.parametrize("accumulate", [2, 16])
def test_accumulating_gradients_keeps_few_values(accumulate):
    model = network()
    x = flambeau.ones(3, 4)
    most = 0
    before = live_values()
    for _ in range(accumulate):
        model(x).sum().backward()
        most = max(most, live_values() - before)
    [p.grad.sum().item() for p in model.parameters()]
    assert most <= 60


def test_growing_shapes_keep_plans_bounded():
    for n in range(1, 40):
        x = flambeau.ones(n, 3)
        (x * 2).softmax(1).sum().item()
    assert len(flush._plans) <= flush._plans.limit


def test_a_structure_that_came_once_keeps_little():
    flush._plans.clear()
    x = flambeau.ones(7, 3)
    for width in range(40, 45):
        (x @ flambeau.ones(3, width) + 1).sum().item()
    plans = [plan for plan in flush._plans.values() if plan.seen == 1]
    assert len(plans) >= 5
    assert not any(plan.steps for plan in plans)
    (x @ flambeau.ones(3, 40) + 1).sum().item()  # and comes back
    assert sum(plan.seen == 2 and bool(plan.steps) for plan in flush._plans.values()) >= 1


@pytest.mark.slow
def test_many_steps_do_not_grow_the_process():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    model = network()
    train(model, 300)
    gc.collect()
    before = resident()
    train(model, 2000)
    gc.collect()
    assert resident() - before < 20 << 20


# -- donated memory --------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", [1, 2])
def test_a_value_that_is_overwritten_gives_its_memory_away(monkeypatch, tier):
    monkeypatch.setattr(run, "DONATED_BYTES", 1000)
    with mode(tier=tier):
        weight = flambeau.ones(40, 50)
        expected = np.ones((40, 50))
        for number in range(4):
            weight.mul_(2).add_(1)
            weight.sum().item()
            expected = expected * 2 + 1
            held = weight._read().data
            if number == 2:
                kept = weight.clone()  # holds the value, too
        assert not held.is_deleted()
        del held
        before = weight._read().data
        weight.mul_(3)
        assert weight.sum().item() == (3 * expected).sum()
        assert before.is_deleted()
        assert (kept.numpy() == (expected - 1) / 2).all()
        before = weight._read().data
        shown = weight.jax()  # handed out: nobody may take this memory
        weight.mul_(2)
        weight.sum().item()
        assert not before.is_deleted()
        assert (np.asarray(shown) == 3 * expected).all()


def test_copies_survive_training():
    model = network()
    at_start = [p.tolist() for p in model.parameters()]
    kept = copy.deepcopy(model)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    arrays = [p.detach().jax() for p in model.parameters()]
    hosts = [p.detach().clone().numpy() for p in model.parameters()]
    aliases = [p.detach() for p in model.parameters()]
    with mode(deterministic=True):
        train(model, 6)
    assert [p.tolist() for p in kept.parameters()] == at_start
    assert [value.tolist() for value in state.values()] == at_start
    assert [np.asarray(array).tolist() for array in arrays] == at_start
    assert [host.tolist() for host in hosts] == at_start
    assert [alias.tolist() for alias in aliases] == [p.tolist() for p in model.parameters()]
    assert at_start != [p.tolist() for p in model.parameters()]


def test_backward_sees_what_was_written_through_data():
    with mode(deterministic=True):
        w = flambeau.ones(64, requires_grad=True)
        for _ in range(6):
            kept = (w * w).sum()
            with flambeau.no_grad():
                w.data.mul_(1.5)
            w.detach()[0].item()
            kept.backward()
            w.detach()[0].item()
    # As in PyTorch, which saves memory and not values.
    expected = sum(2 * 1.5 ** (k + 1) for k in range(6))
    assert np.allclose(w.grad.tolist(), expected)


def test_old_values_can_be_held_on_to():
    with mode(deterministic=True):
        w = flambeau.zeros(32)
        history = []
        for step in range(6):
            w += 1
            history.append(w.clone())
            w.sum().item()
            assert history[step][0].item() == step + 1
        assert [h[3].item() for h in history] == [1, 2, 3, 4, 5, 6]


# -- threads ---------------------------------------------------------------------------------------


def run_in_thread(function):
    found = []

    def body():
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(60)
    assert found, "the thread did not finish"
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def test_another_threads_pending_tensor():
    pending = run_in_thread(lambda: flambeau.ones(3) * 2 + 1)
    assert (pending * 2).tolist() == [6, 6, 6]
    mine = flambeau.ones(3) * 5
    assert run_in_thread(lambda: (mine + 1).tolist()) == [6, 6, 6]


def test_backward_in_another_thread():
    x = flambeau.ones(3, requires_grad=True)
    loss = (x * x).sum()
    run_in_thread(loss.backward)
    assert x.grad.tolist() == [2, 2, 2]


def test_four_threads_train_their_own_models():
    # Models are drawn one after another: the generator is shared.
    expected = [train(network(seed), 8) for seed in range(4)]
    models = [network(seed) for seed in range(4)]
    results = [None] * 4

    def work(number):
        results[number] = train(models[number], 8)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for got, wanted in zip(results, expected, strict=True):
        assert np.allclose(got, wanted, rtol=1e-5)


def test_threads_that_work_a_call_out_side_by_side_record_the_same(monkeypatch):
    both, build = threading.Barrier(2, timeout=60), Op.build

    def slowly(self, *args):
        call = build(self, *args)
        both.wait()
        return call

    monkeypatch.setattr(Op, "build", slowly)
    x, recorded = flambeau.ones(3, 7, 29), []

    def work():
        y = x * 2
        recorded.append(local.trace.nodes[-1])
        return y

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert recorded[0] is recorded[1]


def test_of_what_is_worked_out_twice_the_first_is_kept():
    remembered = Remembered(3)

    def slowly():
        assert remembered.find("key", lambda: "first") == "first"
        return "second"

    assert remembered.find("key", slowly) == "first"
    assert remembered.find("key", slowly) == "first"


# -- errors ----------------------------------------------------------------------------------------


def test_errors_while_recording_leave_the_trace_usable():
    x = flambeau.ones(2, 3)
    y = x * 2
    for wrong in (
        lambda: y @ y,
        lambda: y + flambeau.ones(5),
        lambda: y.view(7),
        lambda: flambeau.cat([y, flambeau.ones(1)]),
        lambda: y[5],
        lambda: y.add_("a"),
        lambda: y.sum(dim=9),
    ):
        with pytest.raises((RuntimeError, IndexError, TypeError)):
            wrong()
    assert (y + 1).tolist() == [[3, 3, 3], [3, 3, 3]]
    assert y.tolist() == [[2, 2, 2], [2, 2, 2]]


def test_errors_in_backward_leave_the_trace_usable():
    x = flambeau.ones(2, requires_grad=True)

    def fail(g):
        raise ValueError("in a hook")

    y = x * 2
    y.register_hook(fail)
    with pytest.raises(ValueError, match="in a hook"):
        (y * y).sum().backward()
    assert x.grad is None
    assert flambeau.is_grad_enabled()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


# -- all ways of running agree ---------------------------------------------------------------------


def test_eager_gives_the_same():
    lazy = train(network(), 6)
    flambeau.inspect.set_engine("eager")
    try:
        eager = train(network(), 6)
    finally:
        flambeau.inspect.set_engine("lazy")
    assert np.allclose(lazy, eager, rtol=1e-5)


@pytest.mark.parametrize("tier", [0, 1, 2])
def test_tiers_give_the_same(tier):
    expected = train(network(), 4)
    with mode(tier=tier):
        got = train(network(), 4)
    assert np.allclose(got, expected, rtol=1e-5)


def test_programs_copy_what_numpy_made_once():
    large, small = flambeau.tensor(np.arange(50_000.0)), flambeau.tensor([2.0], dtype=flambeau.float64)
    values = [each._read() for each in (large, small)]
    with mode(tier=2):
        first = (large * small + 1).sum().item()
        held = values[0].data
        second = (large * small + 1).sum().item()
    assert first == second == float((np.arange(50_000.0) * 2 + 1).sum())
    assert type(held) is not np.ndarray
    assert values[0].data is held
    assert type(values[1].data) is np.ndarray
    assert np.array_equal(large.numpy(), np.arange(50_000.0))


def test_deterministic_runs_are_equal_to_the_bit():
    with mode(deterministic=True):
        flush._plans.clear()
        first = train(network(), 8)
        flush._plans.clear()
        assert train(network(), 8) == first


def test_numbers_do_not_compile_anew():
    with mode(deterministic=True):
        x = flambeau.ones(50)
        for step in range(4):
            ((x * (0.1 * step) + step).exp() - 1.5 * step).sum().item()
        before = len(flush._plans)
        for step in range(4, 30):
            ((x * (0.1 * step) + step).exp() - 1.5 * step).sum().item()
        assert len(flush._plans) == before


def test_inspect_tells_what_ran():
    train(network(), 2)
    report = flambeau.inspect.engine()
    assert report.calls > 0
    assert report.flushes["a value is read"] > 0
    assert "flushes of" in str(report)
    assert any("test_trace.py" in line for _, line in report.lines)


def test_inference_on_each_batch_is_a_program_of_its_own():
    model = network()
    x = flambeau.ones(3, 4)
    before = statistics.flushes["the outermost module returns without grad"]
    with flambeau.no_grad():
        found = [model(x * n) for n in range(5)]
    assert statistics.flushes["the outermost module returns without grad"] - before == 5
    assert not local.trace.nodes
    assert len(found) == 5


def test_a_module_that_raises_without_grad_leaves_no_trace_of_it():
    with flambeau.no_grad():
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            network()(flambeau.ones(3, 5))
        assert network()(flambeau.ones(3, 4)).shape == (3, 2)
    assert not modes.inside


# -- warnings --------------------------------------------------------------------------------------


def test_a_place_that_keeps_recompiling_is_told_of_once(capfd, monkeypatch):
    monkeypatch.setattr(plans, "SMALL_SEGMENT", 0)
    recompiling.reset()
    for n in range(1, 3 * recompiling.RECOMPILE_LIMIT):
        x = flambeau.ones(7, n)
        for _ in range(8):
            (x * 2).exp().softmax(1).cumsum(1).sum().item()
    text = capfd.readouterr().err
    lines = [line for line in text.splitlines() if "flambeau" in line]
    assert len(lines) == 1
    assert "test_trace.py" in lines[0]
    assert "shape" in lines[0]


def test_a_place_that_settles_is_not_told_of(capfd):
    recompiling.reset()
    for n in (3, 5):
        x = flambeau.ones(9, n)
        for _ in range(10):
            (x * 2).exp().softmax(1).cumsum(1).sum().item()
    assert "flambeau" not in capfd.readouterr().err


def finish_compiles():
    for plan in list(flush._plans.values()):
        if plan.future is not None:
            plan.future.result()


def test_where_shapes_keep_changing_structures_are_compiled_only_when_they_come_back_often(monkeypatch):
    recompiling.reset()
    flush._plans.clear()
    compiled = []
    monkeypatch.setattr(Plan, "at_hand", lambda self, pieces: None)
    monkeypatch.setattr(Plan, "compile", lambda self, pieces: compiled.append(self))
    for n in range(1, 60):
        x = flambeau.ones(11, n)
        for _ in range(3):
            (x * 2).exp().softmax(1).cumsum(1).sum().item()
    finish_compiles()
    assert len(compiled) == 2 * recompiling.PROGRAMS_A_SIGHTING


# -- which way is faster ---------------------------------------------------------------------------


def trial(by_call, compiled, again):
    """A trial fed with these seconds in turn."""
    found = Trial()
    for seconds in by_call:
        found.note(False, seconds)
    for seconds in compiled:
        found.note(True, seconds)
    for seconds in again:
        assert found.calls_again
        found.note(False, seconds)
    return found


def test_programs_that_are_faster_stay():
    found = trial([3.0, 2.0], [9.0, 1.0, 1.0, 1.0], [])
    assert found.settled
    assert not found.went_back


def test_programs_that_are_slower_are_given_up():
    found = trial([2.0], [9.0, 3.0, 3.0, 3.0], [2.0, 1.5, 2.0])
    assert found.settled
    assert found.went_back


def test_calls_that_were_fast_by_chance_do_not_end_the_programs():
    found = trial([1.0], [9.0, 3.0, 3.0, 3.0], [4.0, 4.0, 4.0])
    assert found.settled
    assert not found.went_back


def test_a_slower_program_goes_back_to_its_calls(monkeypatch):
    real = Programs.results

    def slow(self):
        time.sleep(0.02)
        return real(self)

    monkeypatch.setattr(Programs, "results", slow)
    monkeypatch.setattr(plans, "SMALL_SEGMENT", 0)
    x = flambeau.ones(13, 17)
    expected = float((x * 2).exp().softmax(1).cumsum(1).sum())
    finish_compiles()
    before = flambeau.inspect.engine().went_back
    for _ in range(20):
        assert float((x * 2).exp().softmax(1).cumsum(1).sum()) == pytest.approx(expected)
        finish_compiles()
    plan = next(reversed(flush._plans.values()))
    assert plan.trial.went_back
    assert plan.programs is None
    assert flambeau.inspect.engine().went_back == before + 1


# -- what goes wrong while it runs -----------------------------------------------------------------


def broken(error):
    """A call that raises when it runs."""
    meta = flambeau.ones(2)._meta

    def run(xp, arrays, numbers):
        raise error

    return Call("broken", run, (), (meta,), meta.device, dual=True)


def test_an_error_while_running_is_told_again_when_the_value_is_asked_for():
    flambeau.ones(1).item()
    (value,) = record(broken(ZeroDivisionError("no")), ())
    with pytest.raises(ZeroDivisionError):
        value.array()
    with pytest.raises(RuntimeError, match=r"computing it failed \(ZeroDivisionError: no\)"):
        value.array()
    assert float(flambeau.ones(3).sum()) == 3


def test_what_failed_is_refused_where_it_is_used_next():
    (value,) = record(broken(ZeroDivisionError("no")), ())
    lost = flambeau.Tensor._of(value)
    with pytest.raises(ZeroDivisionError):
        lost.tolist()
    other = flambeau.ones(2) * 3
    for use in (lambda: lost + 1, lambda: flambeau.cat([other, lost]), lambda: lost.reshape(2, 1)):
        with pytest.raises(
            RuntimeError, match=r"has no value: computing it failed \(ZeroDivisionError: no\)"
        ):
            use()
    assert other.tolist() == [3, 3]


def failing(monkeypatch):
    """Has each run fail, until the test ends or undoes it."""

    def fail(*args):
        raise ZeroDivisionError("no")

    for runner, method in ((Programs, "results"), (Calls, "results"), (Light, "run")):
        monkeypatch.setattr(runner, method, fail)


@pytest.mark.parametrize("tier", [None, 0, 1, 2])
@pytest.mark.parametrize("compiled", [False, True], ids=["undecorated", "compiled"])
@pytest.mark.parametrize("kind", ["SGD", "Adam", "NAdam"])
def test_a_step_that_fails_leaves_parameters_and_state_as_they_were(monkeypatch, kind, compiled, tier):
    monkeypatch.setattr(engine, "tier", tier)
    model = flambeau.nn.Sequential(*[flambeau.nn.Linear(3, 3) for _ in range(4)], flambeau.nn.BatchNorm1d(3))
    weight = model[0].weight.detach()  # another view of the same memory
    options = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(flambeau.optim, kind)(model.parameters(), lr=0.1, **options)
    x = flambeau.ones(2, 3)

    def step():
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    if compiled:
        step = flambeau.compile(step)

    def everything():
        state = optimizer.state_dict()["state"]
        kept = {(i, name): each for i in state for name, each in state[i].items()}
        tensors = kept | model.state_dict() | {"view": weight}
        return {
            key: value.tolist() if isinstance(value, flambeau.Tensor) else value
            for key, value in tensors.items()
        }

    for _ in range(4):
        step().item()
    before = everything()
    with monkeypatch.context() as broken_engine:
        failing(broken_engine)
        loss = step()
        with pytest.raises(ZeroDivisionError):
            loss.item()
    assert everything() == before
    step().item()
    assert everything() != before
    assert flambeau.isfinite(weight).all()


def test_the_memory_that_a_program_has_taken_over_is_lost_and_the_error_says_so(monkeypatch):
    monkeypatch.setattr(engine, "tier", 2)
    weight = flambeau.ones(40, 50)
    for _ in range(3):
        weight.mul_(2).add_(1)
        weight.sum().item()
    results = Programs.results

    def run_and_fail(self):
        results(self)
        raise ZeroDivisionError("no")

    weight.mul_(2).add_(1)
    with monkeypatch.context() as broken_engine:
        broken_engine.setattr(Programs, "results", run_and_fail)
        with pytest.raises(ZeroDivisionError):
            weight.sum().item()
    with pytest.raises(RuntimeError, match="computing it failed"):
        weight.tolist()


def test_what_was_read_in_a_run_that_failed_is_there_afterwards(monkeypatch):
    weight = flambeau.arange(6.0).reshape(2, 3).clone()
    weight.sum().item()
    turned = weight.T
    model = network()
    optimizer = flambeau.optim.Adam(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        model(flambeau.ones(5, 4)).sum().backward()
        optimizer.step()
    state = optimizer.state[model[0].weight]["exp_avg"]
    model[0].weight.sum().item()
    with monkeypatch.context() as broken_engine:
        failing(broken_engine)
        with pytest.raises(ZeroDivisionError):
            (turned @ turned.T + state.sum()).tolist()
    assert turned.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert flambeau.isfinite(state).all()


def test_a_value_that_nobody_read_comes_back_after_a_failure(monkeypatch):
    x, y = flambeau.ones(2), flambeau.arange(2.0)
    x.copy_(y * 2)
    with monkeypatch.context() as broken_engine:
        failing(broken_engine)
        with pytest.raises(ZeroDivisionError):
            x.tolist()
    assert x.tolist() == [1, 1]


def test_an_interrupt_loses_nothing():
    x = flambeau.ones(3)
    y = x + 1
    interrupts = [KeyboardInterrupt()]
    meta = x._meta

    def run(xp, arrays, numbers):
        if interrupts:
            raise interrupts.pop()
        return (arrays[0] * 2,)

    call = Call("interrupted", run, (meta,), (meta,), meta.device, dual=True)
    (value,) = record(call, (y._read(),))
    with pytest.raises(KeyboardInterrupt):
        value.array()
    assert value.numpy().tolist() == [4, 4, 4]
    assert y.tolist() == [2, 2, 2]


@pytest.mark.parametrize("tier", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_around_a_donating_program_loses_no_weight(monkeypatch, when, tier):
    previous, engine.tier = engine.tier, tier
    monkeypatch.setattr(run, "DONATED_BYTES", 1000)
    try:
        weight = flambeau.ones(40, 50)
        for _ in range(3):
            weight.mul_(2).add_(1)
            weight.sum().item()
        expected = (weight * 2 + 1).tolist()
        real = xla.native

        def interrupting(program):
            monkeypatch.setattr(xla, "native", real)
            if when == "before":
                raise KeyboardInterrupt
            return real(program)

        class Interrupted(list):
            """Keeps what it is given, then is interrupted."""

            def extend(self, items):
                super().extend(items)
                raise KeyboardInterrupt

        monkeypatch.setattr(xla, "native", interrupting)
        weight.mul_(2).add_(1)
        if when == "after":
            runner = Programs if tier == 2 else Calls
            begin = runner.__init__

            def started(self, *arguments):
                begin(self, *arguments)
                self._found = Interrupted() if tier == 1 else [Interrupted() for _ in self._found]

            monkeypatch.setattr(runner, "__init__", started)
        with pytest.raises(KeyboardInterrupt):
            weight.sum().item()
        monkeypatch.undo()
        assert weight.tolist() == expected
    finally:
        engine.tier = previous
