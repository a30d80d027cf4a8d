"""Printed tensors, compared with PyTorch's `repr`."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau
from flambeau._core import dtype as dtypes
from flambeau._core.format import format_tensor, set_printoptions

EXTREMES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    1e-4,
    9.99e-5,
    1e8,
    1.1e8,
    999.5,
    1e3,
    1001.0,
    math.nan,
    math.inf,
    -math.inf,
]
OPTIONS = [
    {},
    dict(precision=2),
    dict(precision=0),
    dict(precision=8, linewidth=40),
    dict(sci_mode=True),
    dict(sci_mode=False),
    dict(threshold=5),
    dict(threshold=5, edgeitems=1),
    dict(threshold=5, edgeitems=0),
    dict(threshold=0, edgeitems=2, linewidth=20, sci_mode=True),
    dict(linewidth=10),
    dict(linewidth=200),
    dict(profile="short"),
    dict(profile="full"),
    dict(profile="full", threshold=3, precision=1),
    dict(profile="default"),
    dict(profile="no such profile"),
]
SHAPES = [
    (),
    (1,),
    (3,),
    (40,),
    (7,),
    (2, 3),
    (1, 1, 1),
    (2, 3, 4),
    (12, 15),
    (2, 7, 3, 8),
    (0,),
    (0, 3),
    (2, 0),
]


@pytest.fixture(autouse=True)
def _as_found():
    yield
    set_everywhere(profile="default")
    dtypes.set_default_dtype(dtypes.float32)
    torch.set_default_dtype(torch.float32)


def set_everywhere(**options):
    set_printoptions(**options)
    torch.set_printoptions(**options)


def mine(tensor, **how):
    """`format_tensor` of the values of PyTorch's tensor."""
    dtype = dtypes.DTYPES[str(tensor.dtype).removeprefix("torch.")]
    tensor = tensor.detach()
    if tensor.dtype == torch.complex32:
        array = tensor.to(torch.complex64).numpy()
    elif dtype.np.isbuiltin == 1:
        array = tensor.numpy()
    else:  # PyTorch does not hand these out as arrays, but their bytes
        bits = {1: torch.uint8, 2: torch.int16}[dtype.itemsize]
        array = tensor.view(bits).numpy().view(dtype.np)
    return format_tensor(array, dtype, **how)


def random_tensor(name, shape, seed):
    generator = np.random.default_rng(seed)
    dtype = getattr(torch, name)
    if dtype.is_floating_point or dtype.is_complex:
        scale = generator.choice([1e-6, 1e-3, 1.0, 50.0, 3e4, 1e9])
        values = generator.normal(size=shape) * scale
        if dtype.is_complex:
            values = values + 1j * generator.normal(size=shape) * generator.choice([1e-5, 1.0, 1e4])
        if generator.random() < 0.4:
            values = np.round(values)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.tensor(values).to(dtype)
    if dtype == torch.bool:
        return torch.tensor(generator.random(shape) < 0.5)
    limits = torch.iinfo(dtype)
    high = min(limits.max, int(generator.choice([5, 1000, 10**12])))
    return torch.tensor(generator.integers(max(limits.min, -high), high, size=shape)).to(dtype)


@pytest.mark.parametrize("name", [name for name in dtypes.DTYPES if name != "complex32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dtypes_and_shapes(name, shape):
    for seed in range(4):
        tensor = random_tensor(name, shape, seed)
        assert mine(tensor) == repr(tensor)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options(options):
    set_everywhere(**options)
    for seed, name in enumerate(["float32", "float64", "bfloat16", "int64", "bool", "complex64"] * 2):
        for shape in SHAPES:
            tensor = random_tensor(name, shape, seed)
            assert mine(tensor) == repr(tensor)


def test_options_but_sci_mode_stay():
    for options in (dict(precision=2, sci_mode=True), dict(edgeitems=1), dict(threshold=3, linewidth=30)):
        set_everywhere(**options)
        tensor = torch.linspace(0, 1, 12)
        assert mine(tensor) == repr(tensor)


@pytest.mark.parametrize(
    "shape", [(1001,), (2000,), (50, 60), (10, 10, 100), (1, 1001), (1001, 1), (7, 1, 200)], ids=str
)
@pytest.mark.parametrize("name", ["float32", "int64", "float16", "complex64", "bool"])
def test_summaries(name, shape):
    for seed in range(3):
        tensor = random_tensor(name, shape, seed)
        assert mine(tensor) == repr(tensor)


def test_a_summary_ignores_what_it_hides():
    tensor = torch.ones(2000)
    tensor[1000] = 1e9
    assert mine(tensor) == repr(tensor)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(width=32) | st.sampled_from(EXTREMES), min_size=1, max_size=30))
def test_floats(values):
    tensor = torch.tensor(values, dtype=torch.float32)
    assert mine(tensor) == repr(tensor)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats() | st.sampled_from(EXTREMES), min_size=1, max_size=12))
def test_doubles(values):
    tensor = torch.tensor(values, dtype=torch.float64)
    assert mine(tensor) == repr(tensor)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.complex_numbers() | st.builds(complex, *[st.sampled_from(EXTREMES)] * 2), min_size=1, max_size=8
    )
)
def test_complex(values):
    tensor = torch.tensor(values, dtype=torch.complex128)
    assert mine(tensor) == repr(tensor)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9), min_size=1, max_size=30))
def test_integers(values):
    tensor = torch.tensor(values)
    assert mine(tensor) == repr(tensor)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(width=32) | st.sampled_from(EXTREMES), min_size=1, max_size=30),
    st.sampled_from(OPTIONS),
)
def test_floats_under_options(values, options):
    set_everywhere(profile="default")
    set_everywhere(**options)
    tensor = torch.tensor(values, dtype=torch.float32)
    assert mine(tensor) == repr(tensor)


@pytest.mark.parametrize("name", [name for name in dtypes.DTYPES if name.startswith("float8")])
def test_every_float8(name):
    for start in range(0, 256, 4):
        tensor = torch.arange(start, start + 4, dtype=torch.uint8).view(getattr(torch, name))
        assert mine(tensor) == repr(tensor)


def test_largest_unsigned():
    tensor = torch.tensor([2**64 - 1, 0], dtype=torch.uint64)
    assert mine(tensor) == repr(tensor)


@pytest.mark.parametrize("shape", [(), (2,), (7,), (8,), (9,), (3, 9), (0,), (0, 2)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_suffixes(shape, dtype):
    leaf = torch.ones(shape, dtype=dtype, requires_grad=True)
    assert mine(leaf, requires_grad=True) == repr(leaf)
    assert mine(leaf * 2, grad_fn="MulBackward0", requires_grad=True) == repr(leaf * 2)


@pytest.mark.parametrize("length", range(1, 30))
def test_where_the_suffix_breaks_the_line(length):
    tensor = torch.full((length,), 10.0, dtype=torch.float64, requires_grad=True).exp()
    assert mine(tensor, grad_fn="ExpBackward0") == repr(tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)], ids=str)
def test_meta(shape, dtype):
    tensor = torch.empty(shape, dtype=dtype, device="meta")
    name = dtypes.DTYPES[str(dtype).removeprefix("torch.")]
    assert format_tensor(None, name, size=shape, device="meta") == repr(tensor)
    assert repr(flambeau.empty(shape, dtype=name, device="meta")) == repr(tensor)


@pytest.mark.parametrize("default", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize(
    "name", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128", "int64"]
)
def test_the_default_dtype_goes_unnamed(name, default):
    dtypes.set_default_dtype(dtypes.DTYPES[default])
    torch.set_default_dtype(getattr(torch, default))
    for shape in ((2,), (0,)):
        tensor = torch.zeros(shape, dtype=getattr(torch, name))
        assert mine(tensor) == repr(tensor)


def test_device_and_prefix():
    text = format_tensor(np.eye(2, dtype=np.float32), dtypes.float32, prefix="Weight(", device="cuda:0")
    assert text == "Weight([[1., 0.],\n        [0., 1.]], device='cuda:0')"


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_complex32():
    tensor = torch.tensor([1.5 + 2j, -1j]).to(torch.complex32)
    assert mine(tensor) == repr(tensor)
