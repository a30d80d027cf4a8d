"""Indices out of range that an earlier operation computes: where PyTorch's error comes."""

import pytest

import flambeau
from flambeau._core.trace import engine, local
from flambeau._ops import bounds

F = flambeau.nn.functional

USES = {
    "gather": lambda index: flambeau.ones(3, 4).gather(1, index.reshape(1, 1)),
    "embedding": lambda index: F.embedding(index, flambeau.ones(4, 2)),
    "index_select": lambda index: flambeau.ones(3, 4).index_select(1, index),
    "cross_entropy": lambda index: F.cross_entropy(flambeau.ones(1, 4), index),
    "multi_margin": lambda index: F.multi_margin_loss(flambeau.ones(1, 4), index),
}


def computed(number):
    """An index that waits in the trace."""
    return flambeau.tensor([number]) * 1


@pytest.mark.parametrize("name", USES)
def test_on_the_cpu_the_error_comes_on_the_line_that_uses_the_index(name):
    with pytest.raises((IndexError, RuntimeError), match=r"out of (range|bounds)"):
        USES[name](computed(7))


@pytest.fixture
def accelerator(monkeypatch):
    """Everything runs as it does on an accelerator: looking at a value stalls, and XLA, not NumPy, computes."""
    monkeypatch.setattr(bounds, "_stalls", lambda value: True)
    monkeypatch.setattr(engine, "tier", 1)


@pytest.mark.parametrize("name", USES)
def test_on_an_accelerator_it_comes_with_the_next_value_that_is_read(accelerator, name):
    flushed = local.trace.nodes
    found = USES[name](computed(7))
    assert local.trace.nodes is flushed
    with pytest.raises((IndexError, RuntimeError), match=r"out of (range|bounds)") as caught:
        found.sum().item()
    assert any("test_bounds.py" in note for note in caught.value.__notes__)
    assert flambeau.ones(2).sum().item() == 2


def test_a_good_index_is_checked_and_forgotten(accelerator):
    assert USES["embedding"](computed(2)).tolist() == [[1, 1]]
    assert not local.trace.late_checks
