"""Recording a function without running it: what is recorded, what is refused, and that nothing leaks out."""

import threading

import numpy as np
import pytest

import flambeau
from flambeau._core import xla
from flambeau._core.block import run_steps
from flambeau._core.capture import Recording, record_function, structure_of
from flambeau._core.storage import Storage
from flambeau._core.trace import engine, local
from flambeau._core.value import CPU, Value, meta_of

ROW = meta_of((3,), flambeau.float32)


def run(recorded, *arrays):
    """The recorded function's results for these arrays, by way of JAX."""
    outer = [value.array() for value in recorded.outer]
    count = recorded.block.numbers.count("f")
    with xla.x64():
        results = recorded.function(recorded.numbers[:count], recorded.numbers[count:], *arrays, *outer)
    return recorded.results([np.asarray(result) for result in results])


def test_a_recorded_function_computes_what_the_function_does():
    weight = flambeau.arange(9.0).reshape(3, 3)

    def function(x):
        y = x @ weight + 0.5
        y[0] = 7
        y += 2
        return {"y": y, "x": x, "kept": "as it is"}

    recorded = record_function(function, [ROW])
    found = run(recorded, np.ones(3, np.float32))
    assert found["kept"] == "as it is"
    np.testing.assert_array_equal(found["x"], np.ones(3))
    np.testing.assert_array_equal(found["y"], [9, 14.5, 17.5])


def test_pending_values_of_the_outer_trace_are_not_run():
    waiting = flambeau.ones(3) * 2
    recorded = record_function(lambda x: x + waiting, [ROW])
    assert recorded.outer == [waiting._read()]
    assert waiting._read().trace is local.trace


def test_calls_that_no_result_needs_are_left_out():
    recorded = record_function(lambda x: (x.exp().sum(), x * 2)[1], [ROW])
    assert [step.call.name for step in recorded.block.steps] == ["mul"]


def test_equal_recordings_share_their_block():
    blocks = {record_function(lambda x: (x * 3).exp(), [ROW]).block for _ in range(3)}
    assert len(blocks) == 1


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (lambda x: x.sum().item(), r"\.item\(\)"),
        (lambda x: bool(x.sum() > 0), "A decision by a tensor's value"),
        (lambda x: float(x[0]), r"float\(\)"),
        (lambda x: x.numpy(), r"\.numpy\(\)"),
        (lambda x: repr(x), "Printing a tensor"),
        (lambda x: x.tolist(), r"\.tolist\(\)"),
    ],
)
def test_looking_at_a_value_is_refused(look, words):
    with pytest.raises(
        RuntimeError, match=rf"{words}.* inside a box needs a value .*test_capture.py:.*torch\.where"
    ):
        record_function(look, [ROW], Recording("inside a box"))


def test_a_value_that_escaped_says_so():
    kept = []
    record_function(lambda x: kept.append(x * 2), [ROW], Recording("inside a box"))
    with pytest.raises(RuntimeError, match="of a tensor that was made inside a box"):
        kept[0].sum().item()


def test_everything_is_as_before_after_an_exception():
    before = local.trace

    def function(x):
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        record_function(function, [ROW])
    assert local.trace is before
    assert Storage.direct
    assert Value.watch is None


def test_a_write_to_an_outer_tensor_is_noted_and_not_seen_outside():
    counts = flambeau.zeros(3)
    view = counts[1:]

    def function(x):
        counts.add_(1)
        view.mul_(5)
        return x + counts + view.sum()

    recorded = record_function(function, [ROW])
    ((storage, _),) = recorded.recording.writes.values()
    assert storage is counts._storage
    assert counts.tolist() == [0, 0, 0]
    assert view.tolist() == [0, 0]
    np.testing.assert_array_equal(run(recorded, np.zeros(3, np.float32)), [11, 15, 15])


def test_a_write_to_memory_shared_with_numpy_is_noted_too():
    array = np.zeros(3, np.float32)
    shared = flambeau.from_numpy(array)
    recorded = record_function(lambda x: shared.add_(x), [ROW])
    np.testing.assert_array_equal(array, 0)
    assert shared.tolist() == [0, 0, 0]
    assert len(recorded.recording.writes) == 1
    shared.add_(1)
    np.testing.assert_array_equal(array, 1)


def test_writes_to_tensors_made_inside_are_none_of_the_outside():
    def function(x):
        y = flambeau.zeros(3)
        y.add_(x)
        z = y.clone()
        z[0] = 4
        return z

    recorded = record_function(function, [ROW])
    assert not recorded.recording.writes
    np.testing.assert_array_equal(run(recorded, np.ones(3, np.float32)), [4, 1, 1])


def test_reads_are_noted_with_the_storage_that_held_the_value():
    weight = flambeau.arange(6.0).reshape(2, 3)
    recorded = record_function(lambda x: x + weight[1], [ROW])
    (value,) = recorded.outer
    assert recorded.recording.reads[id(value)] == (value, weight._storage)


def test_looking_at_an_outer_value_is_noted_but_not_at_one_made_inside():
    class Noting(Recording):
        def note_looked_at(self, value):
            if not self.owns(value):
                seen.append(value)

    seen = []
    outside = flambeau.tensor([2.0])

    def function(x):
        assert flambeau.tensor([3, 4]).tolist() == [3, 4]
        return x * outside.item()

    record_function(function, [ROW], Noting("inside a box"))
    assert seen == [outside._read()]


def test_checks_of_unknown_values_are_left_to_whoever_runs_the_function():
    table = flambeau.zeros(4, 2)
    recorded = record_function(
        lambda index: flambeau.nn.functional.embedding(index, table), [meta_of((3,), flambeau.int64)]
    )
    (check,) = recorded.recording.checks
    check.check(Value(meta_of((3,), flambeau.int64), np.array([0, 3, 1])))
    with pytest.raises(IndexError):
        check.check(Value(meta_of((3,), flambeau.int64), np.array([0, 4, 1])))


def test_recordings_nest():
    def function(x):
        inner = record_function(lambda y: x * y, [ROW])
        assert inner.outer == [x._read()]
        return x + 1

    recorded = record_function(function, [ROW])
    assert [step.call.name for step in recorded.block.steps] == ["add"]


def test_limits_do_not_end_a_recording():
    engine.eager, before = True, engine.eager
    try:
        recorded = record_function(lambda x: ((x + 1) * 2).exp(), [ROW])
    finally:
        engine.eager = before
    assert len(recorded.block.steps) == 3


def test_other_threads_record_as_ever_meanwhile():
    results = []

    def beside():
        x = flambeau.ones(2)
        x.add_(1)
        results.append(x[0].item())

    def function(x):
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()
        return x

    record_function(function, [ROW])
    assert results == [2.0]


def test_gradients_are_recorded_as_well():
    def function(x):
        x = x.detach().requires_grad_()
        (gradient,) = flambeau.autograd.grad((x**3).sum(), x)
        return gradient

    recorded = record_function(function, [ROW])
    np.testing.assert_allclose(run(recorded, np.array([1, 2, 3], np.float32)), [3, 12, 27])


def test_another_device_is_refused():
    recording = Recording("inside a box")
    with recording:
        recording.placeholder(ROW)
        with pytest.raises(RuntimeError, match="A change of device inside a box, from cpu to meta"):
            recording.move_to(flambeau.device("meta"))
    assert recording.device is CPU


F = flambeau.nn.functional
PLACE = meta_of((4, 3), flambeau.float32)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: flambeau.rand(3, 2),
        lambda x: flambeau.randn_like(x.t()),
        lambda x: flambeau.randint(0, 9, (2,)),
        lambda x: flambeau.randperm(5),
        lambda x: flambeau.empty(20).normal_(1, 2),
        lambda x: flambeau.empty(3, 4).t().uniform_(),
        lambda x: flambeau.normal(flambeau.zeros(2, 1), flambeau.ones(3)),
        lambda x: flambeau.full((3, 2), 0.3).bernoulli(),
        lambda x: flambeau.bernoulli(flambeau.zeros(5), 0.5),
        lambda x: flambeau.poisson(flambeau.full((3, 2), 2.0)),
        lambda x: flambeau.ones(2, 6).multinomial(3),
        lambda x: flambeau.ones(6).multinomial(9, replacement=True),
        lambda x: F.dropout(x, 0.5),
        lambda x: F.dropout1d(x[None], 0.5),
        lambda x: F.alpha_dropout(x, 0.5, training=True),
        lambda x: F.rrelu(flambeau.tensor([-1.0, 2.0]), training=True),
        lambda x: F.gumbel_softmax(x),
        lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
        lambda x: F.fractional_max_pool2d(flambeau.ones(1, 8, 8), 2, output_size=4),
    ],
)
def test_draws_can_be_made_again_and_for_a_batch(draw):
    flambeau.manual_seed(3)
    recorded = record_function(draw, [PLACE])
    ((again, value),) = recorded.recording.draws
    flambeau.manual_seed(3)
    np.testing.assert_array_equal(again(()), value.array())
    assert again((5, 2)).shape == (5, 2, *value.meta.shape)


SQUARE = meta_of((2, 2), flambeau.float32)


@pytest.mark.parametrize(
    ("function", "good", "bad", "words"),
    [
        (flambeau.linalg.inv, [[1, 2], [3, 4]], [[1, 2], [1, 2]], "linalg.inv: The diagonal element 2 is zero"),
        (flambeau.linalg.cholesky, [[2, 0], [0, 2]], [[1, 0], [0, -1]], "linalg.cholesky: .*not positive-definite"),
        (flambeau.linalg.eigvals, [[2, 0], [0, 2]], [[np.nan, 0], [0, 1]], "input tensor should not contain infs"),
        (lambda x: 3 % x.to(flambeau.int64), [[2, 1], [1, 2]], [[1, 0], [2, -1]], "ZeroDivisionError"),
        (lambda x: F.binary_cross_entropy(x, x), [[1, 0], [0, 1]], [[1, 0], [0, 2]], "should be between 0 and 1"),
    ],
)  # fmt: skip
def test_other_checks_wait_too(function, good, bad, words):
    checks = record_function(function, [SQUARE]).recording.checks
    assert checks

    def check(values):
        with pytest.raises(RuntimeError) as outside:
            function(flambeau.tensor(bad, dtype=flambeau.float32))
        assert outside.match(words)
        x = flambeau.tensor(values, dtype=flambeau.float32)
        with Recording("inside a box") as recording:
            placeholder = flambeau.Tensor._of(recording.placeholder(SQUARE))
            function(placeholder)
        # What the checks look at, from the real input.
        for item in recording.checks:
            wanted = structure_of(recording, [item.value])
            arrays = [x._read().array()] if wanted.leaves else []
            with xla.x64():
                (found,) = run_steps(wanted.block.steps, wanted.places, arrays, [], recording.ints)
            item.check(Value(item.value.meta, np.asarray(found)))

    check(good)
    with pytest.raises(RuntimeError, match=words):
        check(bad)
