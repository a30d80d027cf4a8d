"""`flambeau.compile`: a compiled function does what the undecorated one does, and notices when that changes."""

from __future__ import annotations

import collections
import copy
import gc
import pickle
import random
import threading
import weakref

import numpy as np
import pytest

import flambeau
from flambeau import nn

FACTOR = 2.0


@pytest.fixture
def captures(monkeypatch):
    """Counts the calls that are recorded for a new program."""
    from flambeau._core import compiled

    counts = []
    real = compiled.capture_call

    def counting(*args):
        counts.append(1)
        return real(*args)

    monkeypatch.setattr(compiled, "capture_call", counting)
    return counts


def data(rows=48, seed=1):
    rng = np.random.default_rng(seed)
    x = flambeau.from_numpy(rng.standard_normal((rows, 6)).astype(np.float32))
    return x, flambeau.from_numpy(rng.integers(0, 3, rows))


def network():
    flambeau.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 16, bias=False),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(16, 16),
        nn.GELU(),
        nn.Linear(16, 3),
    )


OPTIMIZERS = {
    "SGD": lambda p: flambeau.optim.SGD(p, lr=0.1),
    "momentum": lambda p: flambeau.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: flambeau.optim.Adam(p, lr=0.01),
    "AdamW": lambda p: flambeau.optim.AdamW(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: flambeau.optim.RMSprop(p, lr=0.01),
    "Adagrad": lambda p: flambeau.optim.Adagrad(p, lr=0.01),
}


def train(optimizer, wrap, accumulate=1, steps=12):
    model = network()
    optimizer = OPTIMIZERS[optimizer](model.parameters())
    schedule = flambeau.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=steps + 1, cycle_momentum=False
    )
    x, y = data()

    def step(x, y):
        optimizer.zero_grad()
        for _ in range(accumulate):
            loss = nn.functional.cross_entropy(model(x), y) / accumulate
            loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return {"loss": loss, "norm": norm}

    step = wrap(step)
    flambeau.manual_seed(3)
    found = []
    for number in range(steps):
        at = number % 3 * 16
        result = step(x[at : at + 16], y[at : at + 16])
        found.append([result["loss"].item(), result["norm"].item()])
        schedule.step()
    model.eval()
    found.append(model(x).sum().item())
    state = [value.numpy() for value in model.state_dict().values()]
    return np.array(found[:-1]), found[-1], state, flambeau.rand(1).item()


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_steps_equal_undecorated_ones(optimizer, accumulate, captures):
    expected = train(optimizer, lambda step: step, accumulate)
    found = train(optimizer, flambeau.compile, accumulate)
    # A program fuses other operations than single calls do, so the last bits may differ.
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
    assert found[1] == pytest.approx(expected[1], rel=1e-3)
    for one, two in zip(found[2], expected[2], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)
    assert found[3] == expected[3]  # as many random numbers were drawn
    # One program, and its checks at calls 2, 4 and 8: a learning rate that changes is no new program.
    assert len(captures) == 4


def test_gans_with_two_optimizers():
    def run(wrap):
        flambeau.manual_seed(0)
        maker, judge = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6)), nn.Linear(6, 1)
        first = flambeau.optim.Adam(maker.parameters(), lr=0.01)
        second = flambeau.optim.Adam(judge.parameters(), lr=0.01)
        x, _ = data()
        loss = nn.BCEWithLogitsLoss()

        @wrap
        def step(real):
            fake = maker(flambeau.randn(16, 4))
            second.zero_grad()
            of_judge = loss(judge(real), flambeau.ones(16, 1)) + loss(
                judge(fake.detach()), flambeau.zeros(16, 1)
            )
            of_judge.backward()
            second.step()
            first.zero_grad()
            of_maker = loss(judge(fake), flambeau.ones(16, 1))
            of_maker.backward()
            first.step()
            return of_judge, of_maker

        return [[each.item() for each in step(x[:16])] for _ in range(9)]

    np.testing.assert_allclose(run(flambeau.compile), run(lambda f: f), rtol=1e-4)


@pytest.mark.parametrize("how", ["function", "wrapped", "method"])
def test_the_forward_alone_gives_the_same_gradients(how):
    x, y = data()
    found = {}
    for compiled in (False, True):
        model = network()
        call = model
        if compiled and how == "function":
            call = flambeau.compile(model.forward)
        elif compiled and how == "wrapped":
            call = flambeau.compile(model)
        elif compiled:
            model.compile()
        optimizer = flambeau.optim.SGD(model.parameters(), lr=0.1)
        flambeau.manual_seed(5)
        losses = []
        for _ in range(6):
            optimizer.zero_grad()
            out = call(x)
            assert out.requires_grad
            loss = nn.functional.cross_entropy(out, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        found[compiled] = losses, [p.grad.numpy() for p in model.parameters()]
    np.testing.assert_allclose(found[True][0], found[False][0], rtol=1e-4)
    for one, two in zip(found[True][1], found[False][1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_gradients_flow_to_arguments_and_twice():
    @flambeau.compile
    def f(x, w):
        return (x * w).sin().sum()

    for number in range(4):
        x = flambeau.full((3,), 0.3 + number, requires_grad=True)
        w = (x * 2).exp()  # not a leaf
        (g,) = flambeau.autograd.grad(f(x, w), x, create_graph=True)
        (h,) = flambeau.autograd.grad(g.sum(), x)
        y = flambeau.full((3,), 0.3 + number, requires_grad=True)
        (e,) = flambeau.autograd.grad((y * (y * 2).exp()).sin().sum(), y, create_graph=True)
        (k,) = flambeau.autograd.grad(e.sum(), y)
        np.testing.assert_allclose(g.detach().numpy(), e.detach().numpy(), rtol=1e-5)
        np.testing.assert_allclose(h.numpy(), k.numpy(), rtol=1e-4)


class Cube(flambeau.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        square = x * x
        ctx.factor, ctx.kept = factor, (square, "square")
        ctx.save_for_backward(x)
        return x * square * factor

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * ctx.kept[0] * (x / x) * ctx.factor, None


class Exp(flambeau.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = x.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


def test_custom_functions_and_hooks_in_a_graph_that_is_returned(captures):
    seen = collections.deque()

    def f(x, w):
        h = Cube.apply(x * w, 2.0)
        h.register_hook(lambda g: g * 2)
        h.grad_fn.register_hook(lambda inputs, outputs: seen.append(len(inputs)))
        return Exp.apply(h * 0.01).sum() + w

    found = []
    for call in (f, flambeau.compile(f)):
        for number in range(5):
            x, w = (flambeau.full((3,), n + number / 4, requires_grad=True) for n in (1.0, 0.5))
            gradients = flambeau.autograd.grad(call(x, w).sum(), (x, w), create_graph=True)
            (second,) = flambeau.autograd.grad(gradients[0].sum(), x)
            found.append([each.detach().numpy() for each in (*gradients, second)])
    np.testing.assert_allclose(found[5:], found[:5], rtol=1e-5)
    assert len(seen) == 20  # both derivatives of each
    assert len(captures) == 3


def test_what_a_custom_function_saved_is_guarded():
    @flambeau.compile
    def f(x):
        y = x * 1
        return Exp.apply(y), Cube.apply(y, 1.0), y

    for number in range(5):
        x = flambeau.ones(2, requires_grad=True)
        one, two, y = f(x)
        if number % 2:
            with flambeau.no_grad():
                y.mul_(2)
            one.sum().backward()
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                two.sum().backward()
        else:
            two.sum().backward()
            assert x.grad.tolist() == [3, 3]


# -- memory ----------------------------------------------------------------------------------------


def test_writes_reach_buffers_arguments_and_their_bases():
    total = flambeau.zeros(3)

    @flambeau.compile
    def f(x):
        total.add_(x)
        x.mul_(2)
        return total

    base = flambeau.ones(4, 3)
    for number in range(5):
        row = base[number % 4]
        assert f(row) is not None
    assert base.tolist() == [[4.0] * 3, [2.0] * 3, [2.0] * 3, [2.0] * 3]
    assert total.tolist() == [1 + 1 + 1 + 1 + 2.0] * 3


def test_results_share_memory_as_they_do_undecorated():
    @flambeau.compile
    def f(x):
        y = x + 1
        return x, y, y[1:], y.view(2, 2), x[0]

    for _ in range(5):
        x = flambeau.zeros(4)
        same, y, tail, square, first = f(x)
        assert same is x
        y[3] = 7
        assert tail.tolist() == [1, 1, 7]
        assert square.tolist() == [[1, 1], [1, 7]]
        first.fill_(5)
        assert x.tolist() == [5, 0, 0, 0]


def test_one_tensor_in_two_places():
    @flambeau.compile
    def f(a, b):
        a.add_(1)
        return b * 2

    for _ in range(4):
        x, y = flambeau.zeros(2), flambeau.zeros(2)
        assert f(x, x).tolist() == [2, 2]
        assert f(x, y).tolist() == [0, 0]


def test_values_that_were_returned_stay_readable():
    model = nn.Linear(3, 3)

    @flambeau.compile
    def step(x):
        with flambeau.no_grad():
            model.weight.mul_(0.5)
        return model.weight.detach().clone(), model(x)

    x = flambeau.ones(2, 3)
    kept = [step(x) for _ in range(6)]
    start = kept[0][0].numpy()
    for number, (weight, out) in enumerate(kept):
        np.testing.assert_allclose(weight.numpy(), start * 0.5**number, rtol=1e-6)
        assert np.isfinite(out.detach().numpy()).all()


def t_(x):
    return x.t_() + 1


def out_of_another_shape(x):
    flambeau.add(flambeau.ones(3, 2), 1, out=x)


def grown(x):
    x.resize_(9).mul_(2)


CHANGED_ARGUMENTS = {
    "t_": t_,
    "unsqueeze_": lambda x: x.unsqueeze_(0),
    "resize_": grown,
    "out=": out_of_another_shape,
    "set_": lambda x: x.set_(flambeau.arange(4.0)),
    "data": lambda x: setattr(x, "data", flambeau.arange(5.0)),
    "requires_grad_": lambda x: x.requires_grad_(),
}


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
@pytest.mark.parametrize("name", CHANGED_ARGUMENTS)
def test_arguments_change_as_they_do_undecorated(name, captures):
    f = CHANGED_ARGUMENTS[name]
    g = flambeau.compile(f)
    for number in range(6):
        x, y = (flambeau.arange(number, number + 6.0).view(2, 3) * 1 for _ in range(2))
        one, two = f(x), g(y)
        assert (one is x) == (two is y)
        assert x.shape == y.shape
        assert x.tolist() == y.tolist()
        assert x.requires_grad == y.requires_grad
        assert x.stride() == y.stride()
    assert len(captures) == 3  # for the program, and twice to be sure


def test_writing_through_a_view_changes_the_history_of_its_base(captures):
    @flambeau.compile
    def f(row, w):
        row.mul_(w)

    for number in range(5):
        x, w = flambeau.ones(3, requires_grad=True), flambeau.tensor(float(number), requires_grad=True)
        y = x * 1
        before = y[:2]
        f(y[1], w)
        assert y.tolist() == [1, number, 1]
        assert before.tolist() == [1, number]
        g, h = flambeau.autograd.grad(y.sum() + before.sum(), (x, w))
        assert (g.tolist(), h.item()) == ([2, 2 * number, 1], 2)
    assert len(captures) == 3


def test_gradients_of_arguments(captures):
    @flambeau.compile
    def f(x):
        (x * x).sum().backward()
        return x.grad

    for number in range(5):
        x = flambeau.full((2,), float(number), requires_grad=True)
        assert f(x) is x.grad
        assert x.grad.tolist() == [2 * number] * 2
    assert len(captures) == 3


# -- what is kept outside --------------------------------------------------------------------------


class Stateful(nn.Module):
    """Keeps tensors in all kinds of places."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 4)
        self.hidden = flambeau.zeros(2, 4)
        self.pair = flambeau.zeros(2), flambeau.ones(2)
        self.cache, self.window = {}, [flambeau.zeros(1), flambeau.ones(1)]
        self.plain = Settings()
        self.plain.total = flambeau.zeros(())
        self.register_buffer("mean", flambeau.zeros(3))
        self.last = None

    def forward(self, x):
        self.hidden = self.cell(x, self.hidden).detach()
        self.pair = self.pair[1], self.pair[0] + self.pair[1]
        self.cache["key"] = x if "key" not in self.cache else self.cache["key"] * 0.5 + x
        self.window.append(x.mean()[None])
        self.window.pop(0)
        self.plain.total = self.plain.total + x.sum()
        self.mean = self.mean * 0.9 + x.mean(0)
        self.last = x
        return self.hidden * 2, flambeau.cat(self.window)

    def kept(self):
        return (
            self.hidden,
            *self.pair,
            self.cache["key"],
            *self.window,
            self.plain.total,
            self.mean,
            self.last,
        )


def test_tensors_that_are_kept_outside(captures):
    found = {}
    for compiled in (False, True):
        flambeau.manual_seed(0)
        model = Stateful()
        call = flambeau.compile(lambda x: model(x)) if compiled else model  # noqa: B023
        found[compiled] = []
        for number in range(10):
            x = flambeau.full((2, 3), float(number))
            results = call(x)
            assert model.last is x
            assert model.mean is model.get_buffer("mean")
            found[compiled].append([t.detach().numpy().copy() for t in (*results, *model.kept())])
            if number == 6:
                model.hidden = flambeau.ones(2, 4)
                model.mean.zero_()
    for one, two in zip(found[False], found[True], strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    assert len(captures) == 4


def test_kept_tensors_that_change_in_kind(captures):
    class Cache:
        keys = None

        def __init__(self):
            self.values, self.items = None, []

    for compiled in (False, True):
        cache = Cache()

        def grow(x):
            cache.values = x if cache.values is None else flambeau.cat([cache.values, x])  # noqa: B023
            cache.items.append(x * 2)  # noqa: B023
            return cache.values.sum() + sum(cache.items)[0]  # noqa: B023

        call = flambeau.compile(grow) if compiled else grow
        found = [call(flambeau.full((2,), float(n))).item() for n in range(12)]
        assert found == [2 * sum(range(n + 1)) + 2 * sum(range(n + 1)) for n in range(12)]
        assert cache.values.shape == (24,)
        assert [item.tolist() for item in cache.items] == [[2.0 * n] * 2 for n in range(12)]


def test_variables_of_closures_and_globals(monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", flambeau.ones(()))
    total = flambeau.zeros(2)

    @flambeau.compile
    def f(x):
        global FACTOR
        nonlocal total
        total, FACTOR = total + x, FACTOR * 2
        return total * FACTOR

    for number in range(1, 7):
        assert f(flambeau.ones(2)).tolist() == [number * 2.0**number] * 2
    assert (total.tolist(), FACTOR.item()) == ([6, 6], 64)


def test_history_reaches_from_call_to_call():
    w = flambeau.tensor(0.5, requires_grad=True)
    for compiled in (False, True):
        state = Settings()
        state.h = flambeau.ones(())

        def f(x):
            state.h = state.h * w + x  # noqa: B023
            return state.h * 1  # noqa: B023

        call = flambeau.compile(f) if compiled else f
        last = [call(flambeau.tensor(float(n))) for n in range(6)][-1]
        (gradient,) = flambeau.autograd.grad(last, w)
        if not compiled:
            expected = gradient.item()
    assert gradient.item() == pytest.approx(expected)


def test_what_is_kept_is_as_before_after_an_error():
    model = Stateful()
    fails = []

    @flambeau.compile
    def f(x):
        result = model(x)
        if fails:
            raise ValueError("half-way")
        return result

    f(flambeau.ones(2, 3))
    before = model.kept()
    fails.append(1)
    with pytest.raises(ValueError, match="half-way"):
        f(flambeau.ones(2, 3))
    assert all(a is b for a, b in zip(model.kept(), before, strict=True))


def test_outer_tensors_are_returned_as_they_are():
    holder = Settings()
    holder.tensor, values = flambeau.ones(2), [flambeau.zeros(1)]
    f = flambeau.compile(lambda: (holder.tensor, values[0]))
    for _ in range(4):
        one, two = f()
        assert one is holder.tensor
        assert two is values[0]


def test_a_value_that_was_still_to_be_computed_is_looked_at():
    f = flambeau.compile(lambda x: x.nonzero())
    for number in range(6):
        x = flambeau.arange(4.0) * (number % 2)
        assert f(x).flatten().tolist() == [1, 2, 3] * (number % 2)


@pytest.mark.parametrize("where", ["argument", "waiting argument", "result"])
def test_an_index_out_of_range_leaves_parameters_and_state_as_they_were(where):
    table = nn.Embedding(4, 2)
    linear = nn.Linear(2, 2)
    optimizer = flambeau.optim.Adam([*table.parameters(), *linear.parameters()], lr=0.1)

    @flambeau.compile
    def step(index):
        optimizer.zero_grad()
        loss = linear(table(index * 2 if where == "result" else index)).sum()
        loss.backward()
        optimizer.step()
        return loss

    def index(number):
        made = flambeau.tensor([number])
        return made * 1 if where == "waiting argument" else made

    for _ in range(4):
        step(index(1)).item()
    tensors = [table.weight, linear.weight, *optimizer.state[linear.bias].values()]
    before = [tensor.tolist() for tensor in tensors]
    with pytest.raises(IndexError, match="out of range"):
        step(index(5))
    assert [tensor.tolist() for tensor in tensors] == before
    step(index(1))  # waits when the next one fails
    with pytest.raises(IndexError, match="out of range"):
        step(index(-1))
    assert optimizer.state[linear.bias]["step"].item() == 5
    assert [tensor.tolist() for tensor in tensors] != before


def test_what_waits_beside_a_value_that_is_looked_at_is_not_looked_at():
    weight = flambeau.ones(200, 200)
    f = flambeau.compile(lambda x, index: x * len(index.nonzero()))
    for _ in range(4):
        other, index = weight @ weight, flambeau.tensor([0, 1, 1]) * 1  # run together, and by XLA
        assert f(flambeau.ones(1), index).item() == 2
        assert other[0, 0].item() == 200


# -- what is noticed -------------------------------------------------------------------------------


class Settings:
    def __init__(self):
        self.factor, self.sizes = 1.0, [1, 2]


class Configured(nn.Module):
    def __init__(self):
        super().__init__()
        self.config = Settings()
        self.weight = nn.Parameter(flambeau.ones(2))
        self.drop = nn.Dropout(1.0)
        self.bonus = 0

    def forward(self, x):
        return self.drop(x * self.weight * self.config.factor) + self.bonus + len(self.config.sizes) * FACTOR


CHANGES = {
    "attribute": lambda m: setattr(m, "bonus", 3),
    "type of an attribute": lambda m: setattr(m, "bonus", True),
    "config": lambda m: setattr(m.config, "factor", 4.0),
    "list in config": lambda m: m.config.sizes.append(3),
    "another config": lambda m: setattr(m, "config", Settings()),
    "eval": lambda m: m.eval(),
    "submodule": lambda m: setattr(m, "drop", nn.Identity()),
    "hook": lambda m: m.register_forward_hook(lambda module, args, output: output + 10),
    "hook of a submodule": lambda m: m.drop.register_forward_pre_hook(lambda module, args: (args[0] + 10,)),
    "parameter": lambda m: setattr(m, "weight", nn.Parameter(flambeau.full((2,), 5.0))),
    "data": lambda m: setattr(m.weight, "data", flambeau.full((2,), 6.0)),
    "values": lambda m: m.weight.data.fill_(7),
    "requires_grad": lambda m: m.weight.requires_grad_(False),
    "global": lambda m: globals().__setitem__("FACTOR", 9.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_noticed(name, monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    model = Configured()
    if name != "eval":
        model.eval()
    f = flambeau.compile(lambda x: model(x))
    x = flambeau.ones(2)
    for _ in range(3):
        np.testing.assert_array_equal(f(x).detach().numpy(), model(x).detach().numpy())
    CHANGES[name](model)
    for _ in range(3):
        out = f(x)
        np.testing.assert_array_equal(out.detach().numpy(), model(x).detach().numpy())
        assert out.requires_grad == model.weight.requires_grad


def test_closures_defaults_and_modes():
    scale = 1.0

    @flambeau.compile
    def f(x):
        return x * scale

    x = flambeau.ones(2, requires_grad=True)
    for value in (1.0, 1.0, 2.0, 2.0, 3.0):
        scale = value
        assert f(x).tolist() == [value, value]
    assert f(x).requires_grad
    with flambeau.no_grad():
        assert not f(x).requires_grad
        assert not f(x).requires_grad
    assert f(x.double()).dtype is flambeau.float64
    assert f(flambeau.ones(3)).shape == (3,)


def test_gradients_that_are_there_or_not():
    w = flambeau.ones(2, requires_grad=True)

    @flambeau.compile
    def f(x):
        (w * x).sum().backward()

    x = flambeau.ones(2)
    for number in range(1, 7):
        f(x)
        assert w.grad.tolist() == [number % 4 or 4] * 2
        if number == 4:
            w.grad = None


def test_where_programs_stop(capsys):
    holder = Settings()

    @flambeau.compile(recompile_limit=3)
    def f(x):
        return x * holder.factor

    for number in range(12):
        holder.factor = number
        assert f(flambeau.ones(1)).item() == number
    assert "`factor` of Settings was" in capsys.readouterr().err


def test_a_hidden_dependence_is_found_out():
    random.seed(0)

    @flambeau.compile
    def f(x):
        return x * random.random()

    def call_often():
        for _ in range(4):
            f(flambeau.ones(1))

    with pytest.raises(RuntimeError, match="did something else inside a compiled function"):
        call_often()


def test_what_the_collector_runs_is_no_part_of_the_function():
    runs = [0]

    def count(phase, info):
        runs[0] += 1

    threshold = gc.get_threshold()
    gc.callbacks.append(count)
    gc.set_threshold(1)
    try:
        f = flambeau.compile(lambda x: [[x * n] for n in range(5)])
        for _ in range(4):
            assert f(flambeau.ones(1))[4][0].item() == 4
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(count)
    assert runs[0]
    assert gc.isenabled()


# -- what cannot be recorded -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x * 2).sum() > 0),
        lambda x: print(x + 1),
        lambda x: (x + 1).numpy(),
    ],
)
def test_looking_at_values_is_an_error_that_names_the_line(look):
    @flambeau.compile
    def f(x):
        look(x)
        return x + 1

    x = flambeau.ones(2)
    f(x)
    with pytest.raises(RuntimeError, match=r"test_compile\.py:\d+ in <lambda>"):
        f(x)


def test_python_state_that_changes_is_an_error():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x

    model = Counting()
    f = flambeau.compile(lambda x: model(x))
    f(flambeau.ones(1))
    with pytest.raises(RuntimeError, match="`calls` of Counting was 1 and is 2"):
        f(flambeau.ones(1))


def test_a_step_that_raises_half_way_changes_nothing():
    model = network()
    optimizer = flambeau.optim.Adam(model.parameters(), lr=0.1)
    x, y = data()
    fails = []

    @flambeau.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if fails:
            raise ValueError("half-way")
        return loss

    step(x, y)
    before = [value.numpy().copy() for value in model.state_dict().values()]
    versions = [p._version for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]
    fails.append(1)
    with pytest.raises(ValueError, match="half-way"):
        step(x, y)
    for one, two in zip(model.state_dict().values(), before, strict=True):
        np.testing.assert_array_equal(one.numpy(), two)
    assert versions == [p._version for p in model.parameters()]
    assert all(p.grad is grad for p, grad in zip(model.parameters(), grads, strict=True))
    fails.clear()
    losses = [step(x, y).item() for _ in range(4)]
    assert losses[-1] < losses[0]


def test_indices_are_checked_at_each_call():
    table = nn.Embedding(5, 2)
    f = flambeau.compile(lambda i: table(i).sum())
    for _ in range(4):
        f(flambeau.tensor([0, 4])).item()
    with pytest.raises(IndexError):
        f(flambeau.tensor([0, 5])).item()
    assert np.isfinite(f(flambeau.tensor([1, 2])).item())


# -- the rest --------------------------------------------------------------------------------------


def test_nested_functions_are_one_program(captures):
    inner = flambeau.compile(lambda x: x * 2)
    outer = flambeau.compile(lambda x: inner(x) + 1)
    for number in range(3):
        assert outer(flambeau.full((2,), float(number))).tolist() == [2 * number + 1] * 2
    assert len(captures) == 2  # the call, and its check


def test_random_numbers_are_those_of_the_undecorated_function():
    def f(x):
        return nn.functional.dropout(x, 0.5) + flambeau.randn(4)

    results = []
    for call in (f, flambeau.compile(f)):
        flambeau.manual_seed(0)
        results.append([call(flambeau.ones(4)).tolist() for _ in range(6)])
    assert results[0] == results[1]


def test_four_threads_train_their_own_models():
    expected = train("Adam", lambda step: step)[1]
    found = {}

    def work(number):
        flambeau.set_grad_enabled(True)
        model, (x, y) = nn.Linear(6, 3), data(seed=number)
        with flambeau.no_grad():
            model.weight.fill_(0.1), model.bias.fill_(0.0)
        optimizer = flambeau.optim.SGD(model.parameters(), lr=0.1)

        @flambeau.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        found[number] = [step(x, y).item() for _ in range(10)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = dict(found)
    for number in range(4):
        work(number)
        np.testing.assert_allclose(found[number], alone[number], rtol=1e-5)
    assert train("Adam", lambda step: step)[1] == pytest.approx(expected, rel=1e-3)


def test_a_program_keeps_nothing_of_a_call_alive():
    import weakref

    @flambeau.compile
    def f(x):
        return (x * 2).exp()

    for _ in range(3):
        f(flambeau.ones(3)).tolist()
    x = flambeau.ones(3)
    y = f(x)
    y.tolist()
    values = weakref.ref(x._storage.value), weakref.ref(y._storage.value)
    del x, y
    gc.collect()
    assert [value() for value in values] == [None, None]


def test_arguments_of_the_first_call_are_let_go_but_what_is_told_by_identity_is_not():
    import weakref

    f = flambeau.compile(lambda x, w, scale: x * w * scale)
    g = flambeau.compile(lambda x, w: x * w)
    x, w = flambeau.ones(2), nn.Parameter(flambeau.ones(2))
    f(x, w, 3), g(x, w)
    batch, parameter = weakref.ref(x), weakref.ref(w)
    del x, w
    gc.collect()
    assert batch() is None
    assert parameter() is not None  # otherwise another one could take its id


def test_compiled_modules_are_the_modules():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    compiled = flambeau.compile(model)
    assert list(compiled.state_dict()) == ["_orig_mod." + name for name in model.state_dict()]
    assert compiled._orig_mod is model
    assert next(compiled.parameters()) is model[0].weight
    compiled.eval()
    assert not model[1].training
    compiled.extra = 3
    assert model.extra == 3
    x = flambeau.ones(4, 2)
    for other in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        for _ in range(3):
            np.testing.assert_array_equal(other(x).detach().numpy(), model(x).detach().numpy())
    assert isinstance(compiled, flambeau.compiler.OptimizedModule)
    assert repr(compiled).startswith("OptimizedModule(\n  (_orig_mod): Sequential(")


def test_signature_and_errors():
    with pytest.raises(RuntimeError, match="Unrecognized mode=fast"):
        flambeau.compile(lambda x: x, mode="fast")
    with pytest.raises(RuntimeError, match="Either mode or options"):
        flambeau.compile(lambda x: x, mode="default", options={})
    with pytest.raises(TypeError, match="must be callable"):
        flambeau.compile(3)
    function = flambeau.compile(lambda x: x + 1, disable=True)
    assert function(flambeau.ones(1)).item() == 2
    with flambeau.compiler.set_stance("force_eager"):
        looked = flambeau.compile(lambda x: x.sum().item())
        assert [looked(flambeau.ones(2)) for _ in range(3)] == [2, 2, 2]
    assert not flambeau.compiler.is_compiling()
    seen = []
    flambeau.compiler.reset()
    f = flambeau.compile(lambda x: seen.append(flambeau.compiler.is_compiling()) or x + 1)
    f(flambeau.ones(1)), f(flambeau.ones(2))
    assert seen == [False, False]


def test_the_graph_that_a_call_freed_is_there_when_somebody_asks():
    def names(node, found):
        found.append((node.name(), len(node.next_functions)))
        for after, _ in node.next_functions:
            if after is not None:
                names(after, found)
        return found

    def run(wrap):
        model = network()
        x, y = data()

        @wrap
        def step(x, y):
            model.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        for _ in range(3):
            loss = step(x, y)
        return model, loss

    (model, loss), (_, plain) = run(flambeau.compile), run(lambda step: step)
    assert names(loss.grad_fn, []) == names(plain.grad_fn, [])
    node = loss.grad_fn
    assert node.next_functions[0][0] is node.next_functions[0][0]
    sequences = []
    while node.next_functions and node.next_functions[-1][0] is not None:
        sequences.append(node._sequence_nr())
        node = node.next_functions[0][0]
    assert sequences == sorted(sequences, reverse=True)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    ends = {id(param) for param in model.parameters()}
    while node is not None and not hasattr(node, "variable"):
        node = node.next_functions[-1][0]
    assert node is None or id(node.variable) in ends


def test_a_graph_that_saves_nothing_is_walked_again():
    weight = flambeau.ones(3, requires_grad=True)

    @flambeau.compile
    def step(x):
        loss = (weight + x).sum()
        loss.backward()
        return loss

    for _ in range(3):
        weight.grad = None
        loss = step(flambeau.ones(3))
    loss.backward()
    assert weight.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_freed_graph_keeps_no_argument_alive():
    weight = flambeau.ones(3, requires_grad=True)

    @flambeau.compile
    def step(x):
        loss = (weight * x).sum()
        loss.backward()
        return loss

    for _ in range(4):
        x = flambeau.ones(3)
        loss = step(x)
    reference = weakref.ref(x)
    loss.item()
    del x
    assert reference() is None
