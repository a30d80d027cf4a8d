"""Collating and converting, against PyTorch's."""

from collections import OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple

import numpy as np
import pytest
import torch
import torch.utils.data as expected
from torch.utils.data._utils.collate import collate as expected_collate

import flambeau
import flambeau.utils.data as actual
from flambeau.utils.data._utils.collate import collate

Point = namedtuple("Point", "x y")

BATCHES = [
    lambda t: [1.5, 2],
    lambda t: [1, 2],
    lambda t: [1, 2.5],
    lambda t: [True, False],
    lambda t: [True, 2],
    lambda t: ["a", "b"],
    lambda t: [b"a", b"b"],
    lambda t: [t.zeros(3), t.ones(3)],
    lambda t: (t.tensor(1), t.tensor(2)),
    lambda t: [np.zeros(3, np.float32), np.ones(3, np.float32)],
    lambda t: [np.zeros(3, np.float32), np.ones(3)],
    lambda t: [np.array(3), np.array(4)],
    lambda t: [np.float32(3), np.float32(4)],
    lambda t: [np.int16(3), np.int16(4)],
    lambda t: [np.float64(3), np.float64(4)],
    lambda t: [np.bool_(True), np.bool_(False)],
    lambda t: [Point(1, 2.0), Point(3, 4.0)],
    lambda t: [{"a": 1}, {"a": 2, "b": 3}],
    lambda t: [OrderedDict(a=1), OrderedDict(a=2)],
    lambda t: [defaultdict(int, a=1), defaultdict(int, a=2)],
    lambda t: [UserDict(a=1), UserDict(a=2)],
    lambda t: [(1, "a"), (2, "b")],
    lambda t: [[1, "a"], [2, "b"]],
    lambda t: [UserList([1, 2]), UserList([1, 3])],
    lambda t: [deque([1, 2]), deque([1, 3])],
    lambda t: [range(2), range(2)],
    lambda t: [{"a": [np.zeros(2), (1, t.ones(2))]}] * 2,
]

BAD_BATCHES = [
    lambda t: [1j, 2],
    lambda t: [None, None],
    lambda t: [],
    lambda t: [{1}, {2}],
    lambda t: [object()],
    lambda t: [np.array(["a"])],
    lambda t: [np.array([None])],
    lambda t: [{"a": 1}, {"b": 2}],
    lambda t: [[1], [2, 3]],
    lambda t: [t.zeros(3), t.zeros(4)],
    lambda t: [np.zeros(3), np.zeros(4)],
    lambda t: [{"a": [t.zeros(2)]}, {"a": [t.zeros(1)]}],
]

DATA = [
    lambda t: np.zeros(2),
    lambda t: np.float32(2),
    lambda t: np.array(["a"]),
    lambda t: [1, "a", b"b", (np.zeros(1), Point(np.zeros(1), 2)), {"k": np.ones(1)}, None, range(2)],
    lambda t: [deque([np.ones(1)]), UserList([np.ones(1)]), OrderedDict(a=np.ones(1))],
    lambda t: (t.ones(2), [np.int64(3)]),
]


def plain(value):
    """The value with its types, each tensor as dtype, shape and numbers: comparable between the libraries."""
    if isinstance(value, (flambeau.Tensor, torch.Tensor)):
        return "tensor", str(value.dtype), tuple(value.shape), value.tolist()
    if isinstance(value, np.ndarray):
        return "array", value.tolist()
    if hasattr(value, "items"):
        return type(value), {key: plain(item) for key, item in value.items()}
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return type(value), value
    return type(value), [plain(item) for item in value]


@pytest.mark.parametrize("batch", BATCHES)
def test_default_collate(batch):
    assert plain(actual.default_collate(batch(flambeau))) == plain(expected.default_collate(batch(torch)))


@pytest.mark.parametrize("batch", BAD_BATCHES)
def test_default_collate_error(batch):
    with pytest.raises(Exception) as expected_error:  # noqa: PT011
        expected.default_collate(batch(torch))
    with pytest.raises(expected_error.type) as error:
        actual.default_collate(batch(flambeau))
    assert str(error.value) == str(expected_error.value)


@pytest.mark.parametrize("data", DATA)
def test_default_convert(data):
    assert plain(actual.default_convert(data(flambeau))) == plain(expected.default_convert(data(torch)))


def test_collate_with_a_map_of_ones_own():
    functions = {int: lambda batch, *, collate_fn_map: sum(batch)}
    batch = [(1, 2), (3, 4)]
    assert collate(batch, collate_fn_map=functions) == expected_collate(batch, collate_fn_map=functions)


@pytest.mark.parametrize("samples", [[flambeau.zeros(3), flambeau.zeros(4)], [[1], [2, 3]]])
def test_unequal_sizes_come_with_the_remedy(samples):
    with pytest.raises(RuntimeError, match="equal size") as error:
        actual.default_collate(samples)
    assert "collate_fn" in "".join(error.value.__notes__)
    assert "pad_sequence" in "".join(error.value.__notes__)


def test_collating_arrays_copies_them():
    array = np.zeros(2)
    batch = actual.default_collate([array])
    array[:] = 1
    assert batch.tolist() == [[0.0, 0.0]]
