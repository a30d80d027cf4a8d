"""`Size`, compared with PyTorch's."""

import copy
import operator
import pickle

import numpy as np
import pytest
import torch

from flambeau._core.size import Size

CASES = [
    lambda size: size([2, 3]),
    lambda size: size(),
    lambda size: size(range(3)),
    lambda size: operator.add(size((2, 3)), (4,)),
    lambda size: operator.add((4,), size((2, 3))),
    lambda size: size((2,)) + size((3,)),
    lambda size: size((2, 3)) * 2,
    lambda size: 2 * size((2, 3)),
    lambda size: size((2, 3))[:1],
    lambda size: size((2, 3))[0],
    lambda size: size((2, 3))[-1],
    lambda size: size((2, 3, 4))[::2],
    lambda size: size((2, 3)).numel(),
    lambda size: size().numel(),
    lambda size: size((2, 0)).numel(),
    lambda size: size([True]),
    lambda size: size([np.int64(3)]),
    lambda size: size([torch.tensor(2)]),
    lambda size: size((2, 3)) == (2, 3),
    lambda size: hash(size((2, 3))) == hash((2, 3)),
    lambda size: f"{size((2, 3))} {size((2, 3))!s}",
    lambda size: copy.deepcopy(size((2, 3))),
    lambda size: pickle.loads(pickle.dumps(size((2, 3)))),
    lambda size: isinstance(size((2, 3)), tuple),
    lambda size: [*size((2, 3))],
]
ERRORS = [
    lambda size: size(["a"]),
    lambda size: size([2, 1.5]),
    lambda size: size([None]),
    lambda size: size([torch.tensor(2.0)]),
    lambda size: size([torch.tensor([2, 3])]),
    lambda size: size(3),
    lambda size: operator.add(size((2,)), ("a",)),
    lambda size: operator.add((1.5,), size((2,))),
    lambda size: operator.add(size((2,)), [1]),
    lambda size: size((2,)) + 1,
    lambda size: size((2,)) * "a",
    lambda size: size((2,)) * 1.5,
    lambda size: size((2,))[5],
    lambda size: size((2,))[1.0],
    lambda size: size(sequence=[1]),
    lambda size: type("mine", (size,), {}),
]


@pytest.mark.parametrize("case", CASES)
def test_results(case):
    found, expected = case(Size), case(torch.Size)
    assert repr(found) == repr(expected)
    assert isinstance(found, Size) == isinstance(expected, torch.Size)


@pytest.mark.parametrize("case", ERRORS[:-2])
def test_errors(case):
    with pytest.raises((TypeError, IndexError)) as theirs:
        case(torch.Size)
    with pytest.raises(theirs.type) as mine:
        case(Size)
    assert str(mine.value) == str(theirs.value)


@pytest.mark.parametrize("case", ERRORS[-2:])
def test_errors_of_python(case):
    with pytest.raises(TypeError):
        case(Size)


def test_list_plus_size():
    with pytest.raises(TypeError):
        operator.add([1], Size((2,)))
