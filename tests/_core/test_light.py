"""Segments of tiny calls and of views, which run in NumPy with next to nothing around them."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

import flambeau
from flambeau._core import flush, light, plan
from flambeau._core.call import Call
from flambeau._core.flat import Flat, layout_of
from flambeau._core.trace import engine, local, record
from flambeau._core.value import Value


def tiers_of(run):
    """How often each tier ran during `run()`."""
    before = flambeau.inspect.engine().tiers
    run()
    after = flambeau.inspect.engine().tiers
    return {tier: after[tier] - before.get(tier, 0) for tier in after if after[tier] != before.get(tier, 0)}


@pytest.fixture
def tensors():
    flambeau.manual_seed(0)
    return flambeau.randn(3, 4), flambeau.randn(4)


EXPRESSIONS = {
    "numbers": lambda x, y: (x * 0.5 + 2).pow(2),
    "integers": lambda x, y: (x * 10).to(flambeau.int16) * 3 - 1,
    "wraps": lambda x, y: (x * 0).to(flambeau.int8) + 200,
    "keyword": lambda x, y: flambeau.add(x, y, alpha=3),
    "several results": lambda x, y: x.max(1),
    "a scalar": lambda x, y: (x + y).sum(),
    "double": lambda x, y: x.double() + y * 1.5,
    "complex": lambda x, y: x * (1 + 2j),
    "views": lambda x, y: x.t()[1:, 0],
    "a list": lambda x, y: flambeau.cat([x, y[None]]),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gives_what_the_calls_give(name, tensors):
    def values():
        found = EXPRESSIONS[name](*tensors)
        found = found if isinstance(found, tuple) else (found,)
        return [each.tolist() for each in found], [each.dtype for each in found]

    local.trace.flush("a test begins")
    previous, engine.tier = engine.tier, 1
    try:
        expected, dtypes = values()
    finally:
        engine.tier = previous
    for _ in range(3):
        got, found = values()
        assert found == dtypes
        for one, other in zip(got, expected, strict=True):
            assert np.allclose(one, other, rtol=1e-6)


def test_tiny_calls_and_views_are_not_compiled(tensors):
    x, y = tensors
    large = flambeau.ones(300, 400)
    local.trace.flush("a test begins")

    def run():
        for _ in range(5):
            (((x + y) * 0.5 + y) * 0.5 + y).tolist()
            large.t()[7].view(10, 30).tolist()

    assert tiers_of(run) == {0: 10}


def test_many_tiny_calls_are_compiled(tensors):
    x, y = tensors
    flush._plans.clear()

    def run():
        for _ in range(4):
            z = x
            for _ in range(plan.SMALL_SEGMENT):
                z = z * 0.5 + y
            z.tolist()
            finish_compiles()

    found = tiers_of(run)
    assert found[1] >= 1
    assert found[2] >= 1


def test_a_view_of_a_large_tensor_is_no_copy():
    large = flambeau.ones(300, 400)
    large.sum().item()
    flat = large.view(-1)
    array = flat._read().numpy()
    assert np.shares_memory(array, large._read().numpy())
    large.add_(1)
    assert array.max() == 1
    assert flat.tolist() == [2.0] * large.numel()


def test_takes_parts_of_flat_arrays(tensors):
    x, y = tensors
    layout = layout_of((x._meta, y._meta))
    flat = Flat(np.concatenate([x.numpy().ravel(), y.numpy()]), layout)
    expected = (x + y).tolist()
    one, two = (Value(meta, (flat, number)) for number, meta in enumerate(layout.metas))
    assert (flambeau.Tensor._of(one) + flambeau.Tensor._of(two)).tolist() == expected


def test_numpy_does_not_warn_and_keeps_the_users_setting(tensors):
    x, _ = tensors
    with warnings.catch_warnings(), np.errstate(divide="raise"):
        warnings.simplefilter("error")
        assert ((x * 0 + 1) / 0).tolist() == [[float("inf")] * 4] * 3
        with pytest.raises(FloatingPointError):
            np.float32(1) / np.float32(0)


def test_a_call_may_need_another_threads_value(tensors):
    """Running an operation may flush, so a light segment may run inside of one."""
    x, _ = tensors
    pending = []
    thread = threading.Thread(target=lambda: pending.append((x / 0)._read()))
    thread.start()
    thread.join()
    meta = x._meta

    def run(xp, arrays, numbers):
        return (arrays[0] / 0 + pending[0].numpy(),)

    call = Call("nested", run, (meta,), (meta,), meta.device, dual=True)
    (value,) = record(call, (x._read(),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(np.isinf(value.numpy()), np.ones((3, 4)))


def finish_compiles():
    for each in flush._plans.values():
        if each.future is not None:
            each.future.result()


def test_what_took_long_all_together_is_compiled(monkeypatch, tensors):
    monkeypatch.setattr(plan, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(plan, "REPAID_SECONDS", 0.0)
    x, _ = tensors
    flush._plans.clear()

    def run():
        for _ in range(8):
            flambeau.nn.functional.gelu(x).tolist()
            finish_compiles()

    assert 2 in tiers_of(run)


def test_deterministic_runs_do_not_depend_on_time(monkeypatch, tensors):
    monkeypatch.setattr(plan, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(plan, "REPAID_SECONDS", 0.0)
    monkeypatch.setattr(engine, "deterministic", True)
    x, _ = tensors
    flush._plans.clear()

    def run():
        for _ in range(8):
            flambeau.nn.functional.gelu(x).tolist()

    assert tiers_of(run) == {0: 8}


def test_a_light_call_is_tiny_or_a_view():
    x, large = flambeau.ones(3), flambeau.ones(light.TINY_COST)
    for tensor, operation, expected in (
        (x, "neg", True),
        (large, "neg", False),
        (large, "view_as_real", True),
    ):
        local.trace.flush("a test begins")
        getattr(flambeau, operation)(tensor if operation == "neg" else tensor + 0j)
        assert light.is_light(local.trace.nodes[-1]) == expected
