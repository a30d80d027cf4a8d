"""Dtypes, promotion and limits, compared with PyTorch's."""

import copy
import itertools
import pickle

import ml_dtypes
import numpy as np
import pytest
import torch

import flambeau
from flambeau._core import dtype as ours
from flambeau._core.dtype import SCALAR, TENSOR, ZERO_DIM, dtype

NAMES = list(ours.DTYPES)

# PyTorch says so at the first complex32 tensor.
pytestmark = pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")


@pytest.fixture(autouse=True)
def _default_dtype_restored():
    yield
    ours.set_default_dtype(ours.float32)
    torch.set_default_dtype(torch.float32)


def outcome(function, *args):
    """The result as text, or the error's type and first line."""
    try:
        return str(function(*args))
    except (TypeError, RuntimeError) as error:
        return type(error), str(error)


def same(found, expected):
    """Whether outcomes agree; our messages may say more than PyTorch's."""
    if isinstance(expected, str):
        return found == expected
    return found[0] is expected[0] and found[1].startswith(expected[1].rstrip("."))


@pytest.mark.parametrize("name", NAMES)
def test_attributes(name):
    mine, theirs = ours.DTYPES[name], getattr(torch, name)
    assert repr(mine) == str(mine) == repr(theirs)
    for attribute in ("itemsize", "is_floating_point", "is_complex", "is_signed", "abbr"):
        assert getattr(mine, attribute) == getattr(theirs, attribute), attribute
    assert same(outcome(mine.to_real), outcome(theirs.to_real))
    assert same(outcome(mine.to_complex), outcome(theirs.to_complex))


@pytest.mark.parametrize("name", NAMES)
def test_one_object_survives_copies(name):
    mine = ours.DTYPES[name]
    assert copy.copy(mine) is copy.deepcopy(mine) is pickle.loads(pickle.dumps(mine)) is mine
    assert len({mine, copy.deepcopy([mine])[0]}) == 1


@pytest.mark.parametrize("name", ours.ALIASES)
def test_aliases(name):
    assert str(ours.ALIASES[name]) == str(getattr(torch, name))
    assert ours.dtype_named(name) is ours.ALIASES[name]


def test_unknown_name_lists_those_there_are():
    with pytest.raises(ValueError, match=r"no dtype is named 'float31'; there are bool, uint8"):
        ours.dtype_named("float31")


def test_no_others_can_be_made():
    with pytest.raises(TypeError, match=r"cannot create 'torch.dtype' instances"):
        dtype("float32")
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("mine", (dtype,), {})


@pytest.mark.parametrize("name", NAMES)
def test_numpy_dtype_there_and_back(name):
    mine = ours.DTYPES[name]
    if mine is ours.complex32:
        assert mine.np is None
        return
    assert mine.np.itemsize == mine.itemsize
    assert ours.from_numpy_dtype(mine.np) is ours.from_numpy_dtype(mine.np.type) is mine


def test_c_names_of_numpy_dtypes():
    assert ours.from_numpy_dtype(np.dtype("longlong")) is ours.int64
    assert ours.from_numpy_dtype(np.dtype("ulonglong")) is ours.uint64


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a"]),
        np.array([None]),
        np.zeros(1, "M8[s]"),
        np.zeros(1, np.longdouble),
        np.zeros(1, [("a", "f4")]),
        np.zeros(1, np.dtype("f4").newbyteorder()),
    ],
    ids=lambda array: array.dtype.str,
)
def test_unsupported_numpy_dtype(array):
    with pytest.raises((TypeError, ValueError)) as theirs:
        torch.from_numpy(array)
    with pytest.raises(theirs.type) as mine:
        ours.from_numpy_dtype(array.dtype)
    assert str(mine.value).startswith(str(theirs.value))


def test_promote_types_of_all_pairs():
    for a, b in itertools.product(NAMES, NAMES):
        found = outcome(ours.promote_types, ours.DTYPES[a], ours.DTYPES[b])
        expected = outcome(torch.promote_types, getattr(torch, a), getattr(torch, b))
        assert same(found, expected), (a, b, found, expected)


def test_can_cast_of_all_pairs():
    for a, b in itertools.product(NAMES, NAMES):
        found = ours.can_cast(ours.DTYPES[a], ours.DTYPES[b])
        assert found == torch.can_cast(getattr(torch, a), getattr(torch, b)), (a, b)


def operands():
    """(entry for `result_dtype`, PyTorch's operand) for all dtypes and categories."""
    for name in NAMES:
        theirs = getattr(torch, name)
        yield (ours.DTYPES[name], TENSOR), torch.empty(1, dtype=theirs)
        yield (ours.DTYPES[name], ZERO_DIM), torch.empty((), dtype=theirs)
    for number in (True, 1, 1.0):
        yield (ours.scalar_dtype(number), SCALAR), number
    yield (ours.complex128, SCALAR), 1j


@pytest.mark.parametrize("default", ["float16", "bfloat16", "float32", "float64"])
def test_result_dtype_of_all_pairs_and_categories(default):
    ours.set_default_dtype(ours.DTYPES[default])
    torch.set_default_dtype(getattr(torch, default))
    for (a, tensor_a), (b, tensor_b) in itertools.product(operands(), operands()):
        found = outcome(ours.result_dtype, (a, b))
        expected = outcome(torch.result_type, tensor_a, tensor_b)
        assert same(found, expected), (a, b, found, expected)


def test_a_bool_scalar_changes_no_result():
    for (a, _), (b, _) in itertools.product(operands(), operands()):
        found = outcome(ours.result_dtype, (a, (ours.bool_, SCALAR), b))
        assert found == outcome(ours.result_dtype, (a, b)), (a, b)


def test_result_dtype_follows_the_default_dtype():
    entries = ((ours.int32, TENSOR), (ours.float32, SCALAR))
    assert ours.result_dtype(entries) is ours.float32
    ours.set_default_dtype(ours.float64)
    assert ours.result_dtype(entries) is ours.float64


@pytest.mark.parametrize(
    "number", [True, 3, 2.5, 1j, np.bool_(True), np.int32(3), np.float32(1), np.complex64(1)]
)
def test_scalar_dtype(number):
    python_number = number.item() if isinstance(number, np.generic) else number
    assert str(ours.scalar_dtype(number)) == str(torch.tensor(python_number).dtype)


def test_scalar_dtype_of_no_number():
    with pytest.raises(TypeError, match="expected a Python number, got str"):
        ours.scalar_dtype("1")


@pytest.mark.parametrize("call", [("promote_types", "float32", 1), ("can_cast", 1, "float32")])
def test_arguments_that_are_no_dtypes(call):
    name, *args = call
    found = outcome(getattr(ours, name), *(ours.DTYPES.get(each, each) for each in args))
    expected = outcome(getattr(torch, name), *(getattr(torch, each) if each != 1 else 1 for each in args))
    assert same(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_set_default_dtype(name):
    found = outcome(ours.set_default_dtype, ours.DTYPES[name])
    assert same(found, outcome(torch.set_default_dtype, getattr(torch, name)))
    assert str(ours.get_default_dtype()) == str(torch.get_default_dtype())


@pytest.mark.parametrize("wrong", [None, "float32", np.float32])
def test_default_dtype_that_is_none(wrong):
    assert same(outcome(ours.set_default_dtype, wrong), outcome(torch.set_default_dtype, wrong))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limits", ["finfo", "iinfo"])
def test_limits(limits, name):
    found = outcome(getattr(ours, limits), ours.DTYPES[name])
    expected = outcome(getattr(torch, limits), getattr(torch, name))
    assert same(found, expected)
    if isinstance(expected, str):
        mine, theirs = getattr(ours, limits)(ours.DTYPES[name]), getattr(torch, limits)(getattr(torch, name))
        for attribute in (each for each in dir(theirs) if not each.startswith("_")):
            assert getattr(mine, attribute) == getattr(theirs, attribute), attribute


def test_finfo_of_the_default_dtype():
    ours.set_default_dtype(ours.float64)
    assert ours.finfo() == ours.finfo(ours.complex128) != ours.finfo(ours.float32)


@pytest.mark.parametrize(
    "name", ["contiguous_format", "channels_last", "channels_last_3d", "preserve_format"]
)
def test_memory_format(name):
    mine = getattr(ours, name)
    assert isinstance(mine, ours.memory_format)
    assert repr(mine) == repr(getattr(torch, name))
    assert pickle.loads(pickle.dumps(mine)) is copy.deepcopy(mine) is mine


@pytest.mark.parametrize(
    "name", ["strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"]
)
def test_layout(name):
    mine = getattr(ours, name)
    assert isinstance(mine, ours.layout)
    assert repr(mine) == repr(getattr(torch, name))
    assert pickle.loads(pickle.dumps(mine)) is copy.copy(mine) is mine


def test_ml_dtypes_are_known():
    assert ours.from_numpy_dtype(np.zeros(1, ml_dtypes.bfloat16).dtype) is ours.bfloat16


@pytest.mark.parametrize(
    "make",
    [
        lambda: flambeau.zeros(2, dtype=flambeau.complex32),
        lambda: flambeau.ones(2).to(flambeau.complex32),
        lambda: flambeau.ones(2).half() * 1j,
        lambda: flambeau.complex(flambeau.ones(2).half(), flambeau.ones(2).half()),
        lambda: flambeau.view_as_complex(flambeau.ones(2).half()),
    ],
)
def test_complex32_has_no_values(make):
    with pytest.raises(RuntimeError, match="complex32 has no values here"):
        make()


def test_complex32_is_known_on_meta():
    assert flambeau.zeros(2, dtype=flambeau.complex32, device="meta").dtype is flambeau.complex32
