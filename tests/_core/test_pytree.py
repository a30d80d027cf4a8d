"""Containers taken apart and put together, as PyTorch's own functions do."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest
import torch.utils._pytree as theirs

import flambeau
from flambeau._core import pytree as ours

Point = namedtuple("Point", "x y")
TREES = [
    3,
    [],
    {"b": 1, "a": (2, [3, None])},
    OrderedDict(z=1, y=Point(2, 3)),
    defaultdict(list, k=[1, 2]),
    deque([1, (2,)], maxlen=4),
]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_leaves_and_back(tree):
    leaves, spec = ours.tree_flatten(tree)
    assert leaves == theirs.tree_flatten(tree)[0]
    assert ours.tree_unflatten(leaves, spec) == tree
    assert type(ours.tree_unflatten(leaves, spec)) is type(tree)


def test_named_results_keep_their_type():
    result = flambeau.tensor([3.0, 5.0]).max(dim=0)
    leaves, spec = ours.tree_flatten(result)
    assert type(ours.tree_unflatten(leaves, spec)) is type(result)
    assert len(leaves) == 2


def test_a_prefix_stands_for_all_leaves_below_it():
    spec = ours.tree_flatten(((1, 2), {"a": 3}))[1]
    assert ours.broadcast_to((0, {"a": 1}), spec) == [0, 0, 1]
    assert ours.broadcast_to((0, {"b": 1}), spec) is None
    assert ours.broadcast_to(None, spec) == [None] * 3
