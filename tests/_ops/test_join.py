"""Joins, repeats, flips, diagonals and padding beside PyTorch's: values, dtypes, gradients, messages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.trace import engine

MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)
BATCH = np.arange(48, dtype=np.float32).reshape(1, 4, 3, 4)

# (m, x): the library and a tensor of it.
OF_A_MATRIX = {
    "cat": lambda m, x: m.cat([x, x[:1] * 2, x], 0),
    "cat of columns": lambda m, x: m.cat((x, x[:, :2]), -1),
    "cat passes over empty vectors": lambda m, x: m.cat([m.zeros(0), x, m.zeros(0)]),
    "cat promotes": lambda m, x: m.cat([x, x.double(), x.long()]),
    "stack": lambda m, x: m.stack([x, x * 2], -1),
    "stack promotes": lambda m, x: m.stack([x, x.double()]),
    "hstack": lambda m, x: m.hstack([x, x[:, :1]]),
    "vstack": lambda m, x: m.vstack([x, x[0]]),
    "dstack": lambda m, x: m.dstack([x, x]),
    "column_stack": lambda m, x: m.column_stack([x, x[:, 0]]),
    "repeat": lambda m, x: x.repeat(2, 1, 2),
    "tile": lambda m, x: x.tile((2,)),
    "repeat_interleave": lambda m, x: x.repeat_interleave(2),
    "repeat_interleave along": lambda m, x: x.repeat_interleave(3, 1),
    "repeat_interleave of each": lambda m, x: x.repeat_interleave(m.tensor([1, 0, 2]), 0),
    "flip": lambda m, x: x.flip(0, -1),
    "fliplr": lambda m, x: m.fliplr(x),
    "rot90": lambda m, x: x.rot90(3),
    "roll": lambda m, x: x.roll(5),
    "roll along": lambda m, x: x.roll((1, -2), (0, 1)),
    "tril": lambda m, x: x.tril(-1),
    "triu": lambda m, x: m.triu(x, diagonal=1),
    "diag": lambda m, x: m.diag(x, 1),
    "diag of a vector": lambda m, x: m.diag(x[0], -1),
    "diag_embed": lambda m, x: m.diag_embed(x, 1, 0, 2),
    "diagflat": lambda m, x: m.diagflat(x[:2], -1),
    "block_diag": lambda m, x: m.block_diag(x, x[0], m.tensor(5.0)),
    "meshgrid": lambda m, x: m.meshgrid(x[0], x[1, :2], indexing="xy")[0],
    "cartesian_prod": lambda m, x: m.cartesian_prod(x[0], x[1]),
    "combinations": lambda m, x: m.combinations(x[0], 2, True),
    "slice_scatter": lambda m, x: m.slice_scatter(x, x[:, :2] * 3, 1, 0, 4, 2),
    "select_scatter": lambda m, x: x.select_scatter(x[1] * 3, 0, -1),
    "diagonal_scatter": lambda m, x: m.diagonal_scatter(x, x[1, :3], 1),
    "transpose_copy": lambda m, x: m.transpose_copy(x, 0, 1),
    "sum_to_size": lambda m, x: x.sum_to_size(1, 4),
    "pad": lambda m, x: m.nn.functional.pad(x, (1, -2, -1, 3), value=2.5),
    "pad reflect": lambda m, x: m.nn.functional.pad(x, (3, -1), mode="reflect"),
    "pad replicate": lambda m, x: m.nn.functional.pad(x, (-1, 5), mode="replicate"),
    "pad circular": lambda m, x: m.nn.functional.pad(x, (4, 2), mode="circular"),
}
OF_A_BATCH = {
    "pad reflect": lambda m, x: m.nn.functional.pad(x, (1, 3, 2, 0), mode="reflect"),
    "pad replicate": lambda m, x: m.nn.functional.pad(x, (1, 3, 2, 7), mode="replicate"),
    "pad circular": lambda m, x: m.nn.functional.pad(x, (1, 3, 2, -1), mode="circular"),
    "pixel_shuffle": lambda m, x: m.nn.functional.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda m, x: m.nn.functional.pixel_unshuffle(x[:, :, :2], 2),
    "channel_shuffle": lambda m, x: m.nn.functional.channel_shuffle(x, 2),
}
CASES = [(name, case, MATRIX) for name, case in OF_A_MATRIX.items()]
CASES += [(f"{name} of images", case, BATCH) for name, case in OF_A_BATCH.items()]


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request):
    engine.tier = request.param
    yield request.param
    engine.tier = None


@pytest.mark.parametrize(("name", "case", "values"), CASES, ids=[name for name, *_ in CASES])
def test_values_and_gradient(name, case, values, tier):
    found = []
    for m in (torch, flambeau):
        x = m.tensor(values, requires_grad=True)
        y = case(m, x)
        weight = m.arange(float(y.numel())).reshape(y.shape) + 1
        (y * weight).sum().backward()
        found.append((y.detach().numpy(), str(y.dtype), x.grad.numpy()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "bfloat16", "complex64"])
@pytest.mark.parametrize(
    "name", ["stack", "repeat", "flip", "roll along", "tril", "diag_embed", "pad circular"]
)
def test_other_dtypes(name, dtype):
    found = []
    for m in (torch, flambeau):
        y = OF_A_MATRIX[name](m, m.tensor(MATRIX).to(getattr(m, dtype)))
        found.append((str(y.dtype), y.to(m.complex64).tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m, x: m.cat([]),
        lambda m, x: m.cat(x),
        lambda m, x: m.cat([x, 3]),
        lambda m, x: m.cat([x, x[:, :2]]),
        lambda m, x: m.cat([x, x[:1]], 1),
        lambda m, x: m.cat([x, x[0]]),
        lambda m, x: m.cat([x.sum(), x.sum()]),
        lambda m, x: m.cat([x, x], 2),
        lambda m, x: m.stack([]),
        lambda m, x: m.stack([m.zeros(3), m.zeros(4)]),
        lambda m, x: m.hstack([]),
        lambda m, x: x.repeat(2),
        lambda m, x: x.repeat_interleave(-1),
        lambda m, x: x.repeat_interleave(m.tensor([1, 2]), 0),
        lambda m, x: x.flip(0, 0),
        lambda m, x: m.fliplr(x[0]),
        lambda m, x: x.rot90(1, (0, 0)),
        lambda m, x: x.roll((1, 2), 0),
        lambda m, x: x[0].tril(),
        lambda m, x: m.diag(x[None]),
        lambda m, x: m.diag_embed(x, 0, 0, 0),
        lambda m, x: m.block_diag(x[None]),
        lambda m, x: m.cartesian_prod(x, x),
        lambda m, x: m.combinations(x),
        lambda m, x: m.slice_scatter(x, x[0]),
        lambda m, x: x.sum_to_size(5),
        lambda m, x: m.nn.functional.pad(x, (1,)),
        lambda m, x: m.nn.functional.pad(x, (-3, -4)),
        lambda m, x: m.nn.functional.pad(x, (4, 0), mode="reflect"),
        lambda m, x: m.nn.functional.pad(x, (5, 0), mode="circular"),
        lambda m, x: m.nn.functional.pad(x, (1, 1), mode="mirror"),
        lambda m, x: m.nn.functional.pixel_shuffle(x, 2),
        lambda m, x: m.nn.functional.one_hot(x),
        lambda m, x: m.nn.functional.one_hot(m.tensor([3]), 2),
        lambda m, x: m.nn.functional.one_hot(m.tensor([-1])),
    ],
)
def test_errors(wrong):
    caught = []
    for m in (torch, flambeau):
        with pytest.raises(Exception) as info:  # noqa: PT011
            wrong(m, m.tensor(MATRIX))
        caught.append(info.value)
    assert type(caught[0]) is type(caught[1])
    assert str(caught[0]) == str(caught[1])


def test_one_hot_counts_the_classes():
    found = flambeau.nn.functional.one_hot(flambeau.tensor([[0, 2], [1, 0]]))
    assert found.tolist() == torch.nn.functional.one_hot(torch.tensor([[0, 2], [1, 0]])).tolist()


def test_cat_writes_into_out():
    out = flambeau.empty(0)
    assert flambeau.cat([flambeau.ones(2), flambeau.zeros(1)], out=out) is out
    assert out.tolist() == [1.0, 1.0, 0.0]
