"""Repeated stretches of programs as loops: the same numbers, and programs that do not grow with depth."""

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau._core.loops import repetition
from flambeau._core.plan import Piece, Plan
from flambeau._core.trace import engine


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.linear(x).tanh()


class Repeated(nn.Module):
    """One layer, used again and again."""

    def __init__(self, times):
        super().__init__()
        self.linear, self.times = nn.Linear(4, 4), times

    def forward(self, x):
        hidden = [x]
        for _ in range(self.times):
            hidden.append(self.linear(hidden[-1]).sin())
        return flambeau.stack(hidden).mean(0)


class Skipping(nn.Module):
    """Each layer reads what the two before it made."""

    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(depth)])

    def forward(self, x):
        before = x
        for layer in self.layers:
            before, x = x, layer(x).tanh() + 0.5 * before
        return x


def chain(depth, *middle):
    layers = [[nn.Linear(4, 4), nn.Tanh()] for _ in range(depth)]
    layers.insert(depth // 2, list(middle))
    return nn.Sequential(*[layer for each in layers for layer in each])


MODELS = {
    "chain": lambda: chain(18),
    "chain with a wider layer": lambda: chain(40, nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4)),
    "chain without bias": lambda: nn.Sequential(*[nn.Linear(4, 4, bias=False) for _ in range(36)]),
    "chain with dropout": lambda: nn.Sequential(
        *[layer for _ in range(10) for layer in (nn.Linear(4, 4), nn.Dropout(0.2))]
    ),
    "residual": lambda: nn.Sequential(*[Residual() for _ in range(12)]),
    "chain with norms": lambda: nn.Sequential(
        *[layer for _ in range(10) for layer in (nn.Linear(4, 4), nn.LayerNorm(4))]
    ),
    "one layer": lambda: Repeated(18),
    "skipping": lambda: Skipping(12),
}

# Masks come from outside, one by one; norms take numbers; a turn reads more than the one before it made.
IRREGULAR = {"chain with dropout", "chain with norms", "skipping"}


def train(name, tier, compiled, monkeypatch):
    monkeypatch.setattr(engine, "tier", tier)
    flambeau.manual_seed(0)
    model = MODELS[name]()
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.01)
    x = flambeau.linspace(-1, 1, 12).reshape(3, 4)

    def step(x):
        optimizer.zero_grad()
        loss = (model(x) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    call = flambeau.compile(step) if compiled else step
    losses = [call(x).item() for _ in range(4)]
    return losses, [param.grad.numpy().copy() for param in model.parameters()]


@pytest.fixture
def loops(monkeypatch):
    """The turns of the loops in each program."""
    found = []
    real = Piece.__init__

    def noted(piece, steps, *others):
        found.append([step.call.results[-1].shape[0] for step in steps if step.call.name == "loop"])
        real(piece, steps, *others)

    monkeypatch.setattr(Piece, "__init__", noted)
    return found


@pytest.mark.parametrize("compiled", [False, True], ids=["undecorated", "compiled"])
@pytest.mark.parametrize("name", MODELS)
def test_numbers_are_those_of_the_calls_one_by_one(name, compiled, loops, monkeypatch):
    losses, gradients = train(name, 2, compiled, monkeypatch)
    assert any(loops) is (name not in IRREGULAR)
    wanted, wanted_gradients = train(name, 0, compiled, monkeypatch)
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)
    for one, two in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-2, atol=1e-4)


def test_a_deeper_chain_is_no_longer_program(monkeypatch):
    sizes = {}

    def noted(plan, pieces):
        sizes.setdefault(depth, [len(piece.steps) for piece in pieces])
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "tier", 2)
    monkeypatch.setattr(Plan, "compile", noted)
    for depth in (20, 60):
        model = chain(depth)
        optimizer = flambeau.optim.Adam(model.parameters())
        loss = model(flambeau.ones(2, 4)).sum()
        loss.backward()
        optimizer.step()
        with pytest.raises(KeyboardInterrupt):
            loss.item()
        flambeau._core.trace.local.trace.reset()
    assert sizes[20] == sizes[60]


def test_the_longest_repetition_is_found():
    assert repetition([1, 2, 1, 2, 1, 2, 3], 0, 60) == (2, 3)
    assert repetition([1, 1, 2, 1, 1, 2, 1, 1, 2], 0, 60) == (3, 3)
    assert repetition([1, 2, 3], 0, 60) == (1, 1)
    assert repetition([0, 1, 2, 3, 1, 2, 3], 1, 2) == (1, 1)
