"""`backward` as one block, beside the walk from node to node."""

import random

import numpy as np
import pytest

import flambeau
from flambeau._core.trace import local


def graph(seed):
    """A random graph over three leaves: values are used several times, outputs of several are used in part."""
    choose = random.Random(seed)
    generator = np.random.default_rng(seed)
    leaves = [
        flambeau.tensor(generator.standard_normal((3, 3)).astype("f"), requires_grad=True) for _ in range(3)
    ]
    known = list(leaves)
    for _ in range(8):
        a, b = choose.choice(known), choose.choice(known)
        row = choose.randrange(3)
        steps = [
            [a * b],
            [a @ b],
            [a.tanh() + b],
            [a * 0.5],
            [a.max(0).values + b],
            [part.expand(3, 3) for part in a.split(1)][1:],
            [a[row] * b],
            [a.detach() * b],
        ]
        known += choose.choice(steps)
    return leaves, sum(each.sum() for each in known[-4:])


@pytest.mark.parametrize("seed", range(40))
def test_the_block_computes_what_the_walk_does(seed):
    grads = []
    for walks in (False, True):
        leaves, loss = graph(seed)
        if not loss.requires_grad:
            loss = loss + leaves[0].sum()
        if walks:
            loss.register_hook(lambda gradient: None)
        loss.backward(retain_graph=True)
        loss.backward()
        grads.append([None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves])
    for block, walk in zip(*grads, strict=True):
        assert (block is None) == (walk is None)
        if block is not None:
            np.testing.assert_allclose(block, walk, rtol=1e-5, atol=1e-6)


def test_a_plain_backward_is_recorded_as_one_call():
    weight = flambeau.ones(2, 2, requires_grad=True)
    loss = (weight @ weight).relu().sum()
    before = len(local.trace.nodes)
    loss.backward()
    assert [call.name for call in local.trace.nodes[before:]] == ["backward"]


def test_graphs_of_one_shape_share_their_block():
    blocks = []
    for _ in range(2):
        weight = flambeau.ones(2, 2, requires_grad=True)
        (weight @ weight).sum().backward()
        blocks.append(local.trace.nodes[-1])
        weight.grad.numpy()
    assert blocks[0] is blocks[1]


def test_numbers_are_the_graphs_own():
    found = []
    for number in (2.0, 5.0):
        x = flambeau.ones(2, requires_grad=True)
        (x * number).sum().backward()
        found.append(x.grad.tolist())
    assert found == [[2.0, 2.0], [5.0, 5.0]]


def test_a_graph_that_was_walked_is_free():
    x = flambeau.ones(2, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_what_was_saved_and_written_to_since_is_refused():
    x = flambeau.ones(2, requires_grad=True)
    y = x * 2
    loss = (y * y).sum()
    with flambeau.no_grad():
        y.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    assert x.grad is None
