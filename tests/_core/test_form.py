"""Small parameters that stay parts of one array between steps: to whoever looks they are tensors like any others."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading
import weakref

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import flambeau
from flambeau._core import run
from flambeau._core.flat import Flat, layout_of, members_calls
from flambeau._core.plan import Plan
from flambeau._core.trace import engine, local
from flambeau._core.value import meta_of


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """All segments run as compiled programs."""
    monkeypatch.setattr(engine, "tier", 2)


def lie_joined(tensors):
    """Whether all lie in one array."""
    data = [tensor._read().data for tensor in tensors]
    return all(type(item) is tuple for item in data) and len({id(item[0]) for item in data}) == 1


class Training:
    """A network of small layers, the same in both libraries, and one step of it."""

    def __init__(self, library, compiled=False):
        library.manual_seed(0)
        nn = library.nn
        self.model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))
        with library.no_grad():
            for number, param in enumerate(self.model.parameters()):
                values = library.linspace(-1, 1, param.numel(), dtype=param.dtype)
                param.copy_((values * (number + 1)).sin().view(param.shape))
        self.optimizer = library.optim.Adam(self.model.parameters(), lr=0.05)
        self.x = library.linspace(-1, 1, 12).reshape(3, 4)
        self.params = list(self.model.parameters())
        self._step = library.compile(self.plain) if compiled else self.plain

    def plain(self, x):
        self.optimizer.zero_grad()
        loss = (self.model(x) ** 2).sum()
        loss.backward()
        self.optimizer.step()
        return loss

    def step(self):
        return self._step(self.x).item()

    def numbers(self):
        return [param.detach().numpy().copy() for param in self.params]


def check(disturb, compiled, steps=9):
    """Trains in both libraries, with `disturb(library, training, step)` before each step, and compares."""
    found = []
    for library in (flambeau, torch):
        training = Training(library, compiled and library is flambeau)
        losses = []
        for step in range(steps):
            losses.append(disturb(library, training, step))
            losses.append(training.step())
        found.append((np.array([loss for loss in losses if loss is not None]), training.numbers()))
    (ours, our_numbers), (theirs, their_numbers) = found
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for one, two in zip(our_numbers, their_numbers, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


both = pytest.mark.parametrize("compiled", [False, True], ids=["undecorated", "compiled"])


@both
def test_parameters_and_gradients_lie_in_one_array_each(compiled):
    training = Training(flambeau, compiled)
    for _ in range(5):
        training.step()
        assert lie_joined(training.params)
        assert lie_joined([param.grad for param in training.params])
    flats = [training.params[0]._read().data[0], training.params[0].grad._read().data[0]]
    assert flats[0] is not flats[1]
    gc.collect()
    assert sum(type(each) is Flat for each in gc.get_objects()) <= 2 + 2 * 6  # old ones are let go


@both
def test_training_is_as_in_pytorch(compiled):
    check(lambda library, training, step: None, compiled)


def write(library, training, step):
    if step % 3 == 1:
        with library.no_grad():
            training.params[2].mul_(0.5)


def write_through_data(library, training, step):
    if step % 3 == 1:
        training.params[1].data[0] = 0.25


def write_to_a_view(library, training, step):
    if step % 3 == 1:
        training.params[0].detach()[1:3, 0] = 0.125


def look(library, training, step):
    return float((training.params[step % 6].abs().sum() + training.params[0][0, 0]).detach())


def look_through_numpy(library, training, step):
    return float(np.asarray(training.params[0].detach())[0, 1])


def look_at_gradients(library, training, step):
    return float(training.params[3].grad.sum()) if step else None


def keep_views(library, training, step):
    if step == 0:
        training.view = training.params[0].detach().view(-1)[3:6]
    return float(training.view.sum())


def keep_old_values(library, training, step):
    if step == 0:
        training.old = []
    training.old.append([param.detach().clone() for param in training.params])
    return float(sum(param.sum() for params in training.old for param in params))


def load(library, training, step):
    if step == 2:
        training.saved = (
            copy.deepcopy(training.model.state_dict()),
            copy.deepcopy(training.optimizer.state_dict()),
        )
    if step == 6:
        training.model.load_state_dict(training.saved[0])
        training.optimizer.load_state_dict(training.saved[1])


def load_from_a_file(library, training, step):
    if step == 2:
        training.file = io.BytesIO()
        library.save(training.model.state_dict(), training.file)
    if step == 6:
        training.file.seek(0)
        training.model.load_state_dict(library.load(training.file))


def evaluate(library, training, step):
    with library.no_grad():
        return float(training.model(training.x * 2).sum())


def clip(library, training, step):
    if step:
        return float(library.nn.utils.clip_grad_norm_(training.params, 0.1))


def use_a_copy(library, training, step):
    other = copy.deepcopy(training.model)
    with library.no_grad():
        next(other.parameters()).zero_()
        return float(other(training.x).sum())


def share_with_numpy(library, training, step):
    if step == 3:
        training.array = training.params[0].detach().numpy()
    if step == 5:
        training.array[0, 0] = 0.5
    return float(training.array[0, 1]) if step > 3 else None


def hook(library, training, step):
    if step == 4:
        training.params[0].register_hook(lambda grad: grad * 0.5)


def freeze(library, training, step):
    training.params[0].requires_grad_(step % 4 != 2)


def replace_data(library, training, step):
    if step == 4:
        training.params[2].data = library.ones(5, 5) * 0.1


def keep_gradients(library, training, step):
    if step == 0:
        training.kept = []
        return None
    training.kept.append([training.params[0].grad, training.params[3].grad.view(-1)[1:]])
    return float(sum(gradient.sum() for both in training.kept for gradient in both))


def take_one_gradient_away(library, training, step):
    if step % 3 == 1:
        training.params[1].grad = None


def take_all_gradients_away(library, training, step):
    if step > 3:
        training.optimizer.zero_grad()


def fill_gradients_with_zeros(library, training, step):
    if step:
        training.optimizer.zero_grad(set_to_none=False)
        return float(training.params[2].grad.sum())


def scale_gradients(library, training, step):
    if step:
        gradient = training.params[2].grad
        gradient.mul_(3)
        return float(training.params[2].grad.sum() + (gradient is training.params[2].grad))


def give_another_gradient(library, training, step):
    if step % 3 == 2:
        training.params[2].grad = library.ones(5, 5)
        return float(training.params[2].grad.sum())


def share_a_gradient(library, training, step):
    if step % 3 == 2:
        training.params[1].grad = training.params[3].grad
        training.params[1].grad[0] = 2
        return float(training.params[3].grad.sum())


def put_an_attribute_on_a_gradient(library, training, step):
    if step == 4:
        training.params[0].grad.note = 1
    return float(hasattr(training.params[0].grad, "note"))


def let_a_gradient_require_one(library, training, step):
    if step == 4:
        training.params[0].grad.requires_grad_()
    return float(step > 0 and training.params[0].grad.requires_grad)


def gradients_as_numpy(library, training, step):
    if step == 4:
        training.array = training.params[0].grad.numpy()
        training.array[0, 0] = 7
        return float(training.params[0].grad[0, 0])
    return float(training.array.sum()) if step > 4 else None


def replace_the_data_of_a_gradient(library, training, step):
    if step == 4:
        training.params[0].grad.data = library.ones(5, 4)
        return float(training.params[0].grad.sum())


def train_another_model_of_the_same_parameters(library, training, step):
    if step == 0:
        training.reversed = library.nn.Sequential(*list(training.model)[:3])
    training.optimizer.zero_grad()
    loss = training.reversed(training.x).sum()
    loss.backward()
    with library.no_grad():
        for param in training.reversed.parameters():
            param.sub_(param.grad * 0.01)
    return float(loss.detach())


def two_models(library, training, step):
    """Another compiled function on the same parameters: a batch of another size."""
    if step == 0:
        training.other = library.compile(training.plain) if library is flambeau else training.plain
    return training.other(training.x[:2]).item()


def use_the_old_value_in_a_graph(library, training, step):
    if step == 4:
        training.product = (training.params[0] * training.params[0]).sum()
    if step == 6:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            training.product.backward()


def average(library, training, step):
    if step == 0:
        training.averages = [param.detach().clone() for param in training.params]
    with library.no_grad():
        for mean, param in zip(training.averages, training.params, strict=True):
            mean.lerp_(param, 0.1)
    return float(sum(mean.sum() for mean in training.averages))


def swap_in_averages(library, training, step):
    if step == 0:
        training.averages = [param.detach() * 0.5 for param in training.params]
    with library.no_grad():
        for number, param in enumerate(training.params):
            mean = param.clone()
            param.copy_(training.averages[number])
            training.averages[number] = mean


DISTURBANCES = [
    keep_gradients, take_one_gradient_away, take_all_gradients_away, fill_gradients_with_zeros, scale_gradients,
    give_another_gradient, share_a_gradient, put_an_attribute_on_a_gradient, let_a_gradient_require_one, gradients_as_numpy,
    replace_the_data_of_a_gradient, train_another_model_of_the_same_parameters, two_models,
    use_the_old_value_in_a_graph, average, swap_in_averages,
    write, write_through_data, write_to_a_view, look, look_through_numpy, look_at_gradients, keep_views, keep_old_values,
    load_from_a_file, evaluate, clip, use_a_copy, replace_data, load, share_with_numpy, hook, freeze,
]  # fmt: skip


@both
@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda f: f.__name__)
def test_whatever_happens_between_steps_training_is_as_in_pytorch(disturb, compiled):
    check(disturb, compiled)


def versions(training):
    tensors = [*training.params, *[param.grad for param in training.params]]
    return [None if tensor is None else tensor._version for tensor in tensors]


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda f: f.__name__)
def test_versions_are_those_of_the_plain_function(disturb):
    one, two = Training(flambeau, compiled=True), Training(flambeau)
    for step in range(7):
        for training in (one, two):
            disturb(flambeau, training, step)
            training.step()
        assert versions(one) == versions(two)


def test_a_compiled_step_takes_and_gives_few_values():
    training = Training(flambeau, compiled=True)
    for _ in range(4):
        training.step()
    local.trace.flush("test")
    training._step(training.x)
    assert len(local.trace.leaves) < 10
    assert len(local.trace.outputs) < 10


def test_gradients_are_the_same_tensors_only_if_nobody_can_tell():
    training = Training(flambeau, compiled=True)
    for _ in range(5):
        training.step()
    name = id(training.params[0].grad)
    training.step()
    assert id(training.params[0].grad) == name
    kept, watched = training.params[1].grad, weakref.ref(training.params[2].grad)
    training.step()
    assert training.params[1].grad is not kept
    assert watched() is None
    assert training.params[0].grad is training.params[0].grad


def test_programs_of_one_model_share_what_is_joined():
    training = Training(flambeau, compiled=True)
    for _ in range(4):
        training.step()
        training._step(training.x[:2]).item()
    storage, gradient = training.params[0]._storage, training.params[0].grad
    pack, gradients, name = storage.pack, gradient._storage.pack, id(gradient)
    del gradient
    training.step()
    training._step(training.x[:2]).item()
    assert storage.pack is pack
    assert training.params[0].grad._storage.pack is gradients
    assert id(training.params[0].grad) == name


def test_a_recorded_call_that_fails_leaves_parameters_joined():
    training = Training(flambeau, compiled=True)
    for _ in range(4):
        training.step()

    @flambeau.compile
    def look(x):
        with flambeau.no_grad():
            training.params[0].mul_(2)
        return x * float(training.params[0].sum())

    look(flambeau.ones(()))
    training.step()
    before, pack = training.params[0].tolist(), training.params[0]._storage.pack
    with pytest.raises(RuntimeError, match="inside a compiled function"):
        look(flambeau.ones(()))
    assert training.params[0]._storage.pack is pack
    assert pack.intact
    assert training.params[0].tolist() == before


def test_written_parameters_are_joined_again_at_the_next_step():
    training = Training(flambeau)
    training.step()
    with flambeau.no_grad():
        training.params[0].mul_(2)
    training.params[0].sum().item()
    assert not lie_joined(training.params)
    training.step()
    assert lie_joined(training.params)


def test_pickles_hold_a_parameter_alone():
    training = Training(flambeau)
    training.step()
    flat = training.params[0]._read().data[0]
    found = pickle.loads(pickle.dumps(training.params[4]))
    assert lie_joined(training.params)
    assert training.params[0]._read().data[0] is flat
    assert found.tolist() == training.params[4].tolist()
    assert found._storage is not training.params[4]._storage


def test_a_jax_array_of_a_parameter_stays_what_it_is():
    training = Training(flambeau)
    training.step()
    array = training.params[0].detach().jax()
    before = np.array(array)
    for _ in range(3):
        training.step()
    np.testing.assert_array_equal(np.asarray(array), before)


def test_an_interrupted_step_is_not_lost(monkeypatch):
    interrupted, other = Training(flambeau), Training(flambeau)
    for training in (interrupted, other):
        training.step()
        training.step()
    real = run.xla.native

    def interrupting(program):
        monkeypatch.setattr(run.xla, "native", real)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.xla, "native", interrupting)
    with pytest.raises(KeyboardInterrupt):
        interrupted.step()
    other.step()
    for one, two in zip(interrupted.numbers(), other.numbers(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_threads_read_parameters_while_others_step():
    training = Training(flambeau)
    training.step()
    failures = []
    ended = threading.Event()

    def read():
        while not ended.is_set():
            for param in training.params:
                values = param.detach().clone().numpy()
                if not np.isfinite(values).all() or values.shape != tuple(param.shape):
                    failures.append(values)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(30):
        training.step()
    ended.set()
    for reader in readers:
        reader.join()
    assert not failures


def test_a_part_is_what_lies_in_its_place():
    shapes = [(2, 3), (4,), (1, 1, 2)]
    layout = layout_of(tuple([meta_of(shape, flambeau.float32) for shape in shapes]))
    flat = Flat(np.arange(12, dtype=np.float32), layout)
    for number, (shape, start) in enumerate(zip(shapes, (0, 6, 10), strict=True)):
        np.testing.assert_array_equal(
            flat.part(number), np.arange(start, start + np.prod(shape)).reshape(shape)
        )


def test_programs_take_parts_whatever_lies_in_the_array():
    layout = layout_of(tuple([meta_of(shape, flambeau.float32) for shape in [(2, 3), (4,), (1, 1, 2)]]))
    for first in (0.0, np.nan, np.inf):
        array = np.arange(12, dtype=np.float32)
        array[0] = first
        begin, takes = members_calls(layout, (2, 0))
        starts = begin.run(jnp, [jnp.asarray(array)], ())
        assert [int(start) for start in starts] == [10, 0]
        for number, take, start in zip((2, 0), takes, starts, strict=True):
            (part,) = take.run(jnp, [jnp.asarray(array), start], ())
            np.testing.assert_array_equal(part, Flat(array, layout).part(number))


def test_a_long_chain_of_small_layers_is_one_program(monkeypatch):
    pieces = []
    real = Plan.compile
    monkeypatch.setattr(Plan, "compile", lambda plan, found: pieces.append(len(found)) or real(plan, found))
    model = flambeau.nn.Sequential(*[flambeau.nn.Linear(2, 2) for _ in range(120)])
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(flambeau.ones(1, 2)).sum().backward()
        optimizer.step()
        model[0].bias.sum().item()
    assert set(pieces) == {1}
