"""`segment_reduce` beside PyTorch's: values, gradients, errors."""

import numpy as np
import pytest
import torch
from oracle import check, check_error

import flambeau

ROWS = np.array([[1.0, 3.0], [3.0, -2.0], [3.0, 0.5], [2.0, 4.0]], np.float32)
TABLE = np.arange(12.0, dtype=np.float32).reshape(4, 3)


def reduced(reduce, **options):
    """A scenario; lists among the options become tensors."""

    def scenario(library, data):
        given = {name: library.tensor(o) if isinstance(o, list) else o for name, o in options.items()}
        return library.segment_reduce(data, reduce, **given).nan_to_num(0.0, 0.0, 0.0)

    return scenario


@pytest.mark.parametrize("initial", [None, 2.5])
@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "max", "min"])
@pytest.mark.parametrize(
    "cut", [{"lengths": [3, 0, 1]}, {"offsets": [0, 1, 1, 4]}], ids=["lengths", "offsets"]
)
def test_values_and_gradients(reduce, initial, cut):
    check(reduced(reduce, initial=initial, **cut), ROWS)


@pytest.mark.parametrize("reduce", ["sum", "max"])
def test_a_row_of_lengths_for_each_place_before_the_axis(reduce):
    check(reduced(reduce, lengths=[[1, 2], [2, 1], [3, 0], [0, 3]], axis=1), TABLE)


def test_without_checks_the_rest_is_ignored():
    check(reduced("sum", lengths=[1, 1], unsafe=True), ROWS)


def test_nothing_reduces_to_what_it_begins_with():
    for reduce in ("sum", "mean", "prod", "max", "min"):
        for initial in (None, 4.0):
            results = [
                library.segment_reduce(
                    library.ones(0, 2), reduce, lengths=library.tensor([0]), initial=initial
                )
                for library in (torch, flambeau)
            ]
            np.testing.assert_array_equal(*[result.numpy() for result in results])


@pytest.mark.parametrize(
    ("reduce", "options"),
    [
        ("sum", {}), ("median", {"lengths": [4]}), ("sum", {"indices": [0, 0, 1, 1]}), ("sum", {"lengths": [1, 1]}),
        ("sum", {"lengths": [-1, 5]}), ("sum", {"lengths": [1.0, 3.0]}), ("sum", {"lengths": [4], "axis": 1}),
        ("sum", {"lengths": [4], "axis": -1}), ("sum", {"lengths": [4], "axis": 2}),
    ],
)  # fmt: skip
def test_errors(reduce, options):
    check_error(reduced(reduce, **options), ROWS)


def test_integers_are_refused():
    for library in (torch, flambeau):
        with pytest.raises(NotImplementedError, match=r"\"_segment_reduce_cpu\" not implemented for 'Long'"):
            library.segment_reduce(library.arange(4), "sum", lengths=library.tensor([4]))
