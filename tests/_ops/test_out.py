"""`out=` tensors: which dtypes they may have, and what they may share memory with; beside PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from oracle import check_error

import flambeau

FLOATS = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0], [2.0, 0.0, 1.0]], np.float32)

# (t, x, out): the library, a matrix of float32, and a matrix of another dtype.
TAKE_NO_OTHER_DTYPE = {
    "abs": lambda t, x, out: t.abs(x, out=out),
    "amax": lambda t, x, out: t.amax(x, 0, out=out),
    "addbmm": lambda t, x, out: t.addbmm(x, x[None], x[None], out=out),
    "addmm": lambda t, x, out: t.addmm(x, x, x, out=out),
    "addmv": lambda t, x, out: t.addmv(x[0], x, x[0], out=out),
    "aminmax": lambda t, x, out: t.aminmax(x, dim=0, out=(out, out)),
    "bmm": lambda t, x, out: t.bmm(x[None], x[None], out=out),
    "complex": lambda t, x, out: t.complex(x, x, out=out),
    "cross": lambda t, x, out: t.cross(x, x, 0, out=out),
    "cummax": lambda t, x, out: t.cummax(x, 0, out=(out, out.long())),
    "dot": lambda t, x, out: t.dot(x[0], x[1], out=out),
    "expand_copy": lambda t, x, out: t.expand_copy(x, (2, 3, 3), out=out),
    "floor": lambda t, x, out: t.floor(x, out=out),
    "gather": lambda t, x, out: t.gather(x, 0, t.zeros(1, 3, dtype=t.int64), out=out),
    "hash_tensor": lambda t, x, out: t.hash_tensor(x, out=out),
    "heaviside": lambda t, x, out: t.heaviside(x, x, out=out),
    "index_add": lambda t, x, out: t.index_add(x, 0, t.tensor([0]), x[:1], out=out),
    "index_select": lambda t, x, out: t.index_select(x, 0, t.tensor([0]), out=out),
    "isposinf": lambda t, x, out: t.isposinf(x, out=out),
    "kthvalue": lambda t, x, out: t.kthvalue(x, 1, out=(out, out.long())),
    "linalg.inv": lambda t, x, out: t.linalg.inv(x, out=out),
    "linalg.norm": lambda t, x, out: t.linalg.vector_norm(x, out=out),
    "linalg.qr": lambda t, x, out: t.linalg.qr(x, out=(out, out)),
    "logcumsumexp": lambda t, x, out: t.logcumsumexp(x, 0, out=out),
    "max": lambda t, x, out: t.max(x, 0, out=(out, out.long())),
    "mm": lambda t, x, out: t.mm(x, x, out=out),
    "mv": lambda t, x, out: t.mv(x, x[0], out=out[0]),
    "neg": lambda t, x, out: t.neg(x, out=out),
    "scatter": lambda t, x, out: t.scatter(x, 0, t.tensor([[0]]), x[:1, :1], out=out),
    "softmax": lambda t, x, out: t.softmax(x, 0, out=out),
    "sort": lambda t, x, out: t.sort(x, out=(out, out.long())),
    "take": lambda t, x, out: t.take(x, t.tensor([0]), out=out),
    "topk": lambda t, x, out: t.topk(x, 1, out=(out, out.long())),
    "triu": lambda t, x, out: t.triu(x, out=out),
    "where": lambda t, x, out: t.where(x > 0, x, x, out=out),
}


@pytest.mark.parametrize("name", TAKE_NO_OTHER_DTYPE)
def test_another_dtype_is_refused_in_the_same_words(name: str) -> None:
    scenario = TAKE_NO_OTHER_DTYPE[name]
    check_error(lambda t, x: scenario(t, x, t.zeros(3, 3, dtype=t.float64)), FLOATS)


@pytest.mark.parametrize("name", ["add", "cat", "stack", "hstack", "vstack", "dstack", "column_stack"])
def test_a_dtype_that_cannot_hold_the_result_is_refused_in_the_same_words(name: str) -> None:
    def scenario(t: Any, x: Any) -> Any:
        operands = (x, x) if name == "add" else ([x, x],)
        return getattr(t, name)(*operands, out=t.zeros(0, dtype=t.int64))

    check_error(scenario, FLOATS)


def test_a_new_tensor_of_another_dtype_than_out_is_refused_in_the_same_words() -> None:
    check_error(lambda t, x: t.empty(2, dtype=t.int64, out=x), FLOATS)


@pytest.mark.parametrize(
    "scenario",
    [
        lambda t, x, out: t.add(x, x, out=out),
        lambda t, x, out: t.sin(x, out=out),
        lambda t, x, out: t.cat([x, x], out=out),
        lambda t, x, out: t.cumsum(x, 0, out=out),
        lambda t, x, out: t.sum(x, 0, out=out),
    ],
    ids=["add", "sin", "cat", "cumsum", "sum"],
)
def test_others_cast_their_result(scenario: Any) -> None:
    found = []
    for library in (torch, flambeau):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = scenario(library, library.tensor(FLOATS), library.zeros(0, dtype=library.float64))
        found.append(out)
    assert str(found[1].dtype) == "torch.float64"
    np.testing.assert_allclose(found[1].numpy(), found[0].numpy(), 1e-6)


SHARE_MEMORY = {
    "mm": lambda t, x: t.mm(x[:2, :2], x[:2, :2], out=t.zeros(1).expand(2, 2)),
    "add to a part": lambda t, x: t.add(x[:2], 1, out=x[1:]),
    "cross": lambda t, x: t.cross(x, x, 0, out=x),
    "gather": lambda t, x: t.gather(x, 0, t.zeros(3, 3, dtype=t.int64), out=x),
    "index_add": lambda t, x: t.index_add(t.zeros(3, 3), 0, t.arange(3), x, out=x),
    "kthvalue": lambda t, x: t.kthvalue(x[0], 1, keepdim=True, out=(x[0], t.zeros(1, dtype=t.int64))),
    "cat": lambda t, x: t.cat([x[:1], x[1:]], out=x),
    "cat into an operand that is empty": lambda t, x: (lambda empty: t.cat([empty, x], out=empty))(
        t.zeros(0)
    ),
}


@pytest.mark.parametrize("name", SHARE_MEMORY)
def test_shared_memory_is_refused_in_the_same_words(name: str) -> None:
    check_error(SHARE_MEMORY[name], FLOATS)


def test_a_sum_may_be_written_to_a_part_of_what_is_summed() -> None:
    values = flambeau.tensor(FLOATS)
    flambeau.sum(values, 0, out=values[0])
    np.testing.assert_allclose(values[0].numpy(), FLOATS.sum(0))


def test_an_empty_tensor_may_be_expanded() -> None:
    found = flambeau.sin(flambeau.zeros(2, 0), out=flambeau.zeros(()).expand(2, 0))
    assert tuple(found.shape) == (2, 0)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
@pytest.mark.parametrize(
    ("dtype", "into"),
    [("float32", "int64"), ("int64", "uint8"), ("float64", "float32"), ("int32", "float64")],
)
def test_running_sums_and_products_are_computed_in_the_dtype_of_out(name: str, dtype: str, into: str) -> None:
    found = []
    for library in (flambeau, torch):
        x = library.tensor([[1.75, 2.0], [30.0, 40.5]], dtype=library.float64).to(getattr(library, dtype))
        out = library.empty(2, 2, dtype=getattr(library, into))
        getattr(library, name)(x, 0, out=out)
        found.append(out.tolist())
    assert found[0] == found[1]


def test_a_running_sum_of_a_given_dtype_takes_no_other_out() -> None:
    check_error(lambda t, x: t.cumsum(x, 0, dtype=t.float64, out=x.clone()), FLOATS)
