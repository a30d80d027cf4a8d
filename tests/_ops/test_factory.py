"""Making tensors beside PyTorch: values, dtypes, strides, shared memory and messages."""

from __future__ import annotations

import array
import collections
import warnings

import numpy as np
import pytest
import torch

import flambeau

MADE = [
    "tensor(1)",
    "tensor(True)",
    "tensor(1.5)",
    "tensor(1j)",
    "tensor([1, 2.5])",
    "tensor([True, 1])",
    "tensor([1, 2j])",
    "tensor([])",
    "tensor([[], []])",
    "tensor(((1, 2), (3, 4)))",
    "tensor(range(3))",
    "tensor(array.array('d', [1, 2]))",
    "tensor(collections.UserList([1, 2]))",
    "tensor(np.float64(1))",
    "tensor([np.float32(1), np.float16(2)])",
    "tensor(np.int8(3))",
    "tensor([np.bool_(True)])",
    "tensor(np.ones((2, 3), np.float16))",
    "tensor(np.ones((2, 3)).T)",
    "tensor([m.tensor(1.0), 2])",
    "tensor([[m.tensor(1), 2], [3, 4]])",
    "tensor([m.tensor([1.0]), m.tensor([3.0])])",
    "tensor([[1, 2], m.tensor([3, 4])])",
    "tensor([1.7], dtype=m.int64)",
    "tensor(-1, dtype=m.uint8)",
    "tensor([1e40])",
    "tensor(2**63, dtype=m.uint64)",
    "tensor([0.1], dtype=m.bfloat16)",
    "tensor([1, 0], dtype=bool)",
    "tensor([1], dtype=float)",
    "tensor([1.0], requires_grad=True)",
    "tensor(bytearray(b'ab'))",
    "as_tensor([1, 2])",
    "asarray([1.0, 2.0])",
    "asarray(np.ones(2))",
    "scalar_tensor(3)",
    "frombuffer(bytearray(8), dtype=m.int16, offset=2)",
    "zeros(2, 3)",
    "zeros((2, 3), dtype=m.int8)",
    "zeros([])",
    "ones(m.tensor(2), 3)",
    "ones(2, requires_grad=True)",
    "full((2,), 3)",
    "full((2,), True)",
    "full((2,), 1.5)",
    "full((2,), 1j)",
    "full((2,), m.tensor(2.0))",
    "full((2,), 7, dtype=m.float16)",
    "eye(2, 3)",
    "eye(2, dtype=m.bool)",
    "empty(0, 3)",
    "arange(5)",
    "arange(5.0)",
    "arange(1, 5, 2)",
    "arange(5, 0, -2)",
    "arange(0, 1, 0.1)",
    "arange(-3.3, 7.1, 0.013)",
    "arange(0, 9, 0.07, dtype=m.float64)",
    "arange(2.5, dtype=m.int64)",
    "arange(end=3)",
    "arange(250, 260, dtype=m.uint8)",
    "arange(3.1, dtype=m.int32)",
    "arange(-0.9, 2.1, 2.0, dtype=m.uint8)",
    "arange(3.02, -0.5, -0.54, dtype=m.int8)",
    "arange(3, dtype=m.bfloat16)",
    "arange(m.tensor(3))",
    "linspace(0, 1, 7)",
    "linspace(-3, 11, 1001)",
    "linspace(-3, 11, 101, dtype=m.float64)",
    "linspace(0, 10, 5, dtype=m.int64)",
    "linspace(0, 1, 1)",
    "linspace(0, 1j, 3)",
    "linspace(m.tensor(0.0), 1, 3)",
    "logspace(0, 2, 3, base=2)",
    "logspace(-2.5, 2.5, 4, dtype=m.int64)",
    "zeros_like(m.ones(2, 3).t())",
    "ones_like(m.ones(2, 3)[:, :2].t())",
    "full_like(m.ones(2, dtype=m.int64), 1.5)",
    "ones_like(m.ones(2, 3, 4, 5), memory_format=m.channels_last)",
    "empty(2, 3, 4, 5, memory_format=m.channels_last).zero_()",
    "ones(2).new_zeros(3, 2)",
    "ones(2).new_full((2,), 1)",
    "ones(2, dtype=m.int32).new_tensor([1.5, 2])",
    "ones(2).new_ones((2,))",
    "empty_strided((2, 3), (1, 2)).zero_()",
    "tril_indices(3, 4, 1)",
    "triu_indices(3, 4, -1, dtype=m.int32)",
    "complex(m.ones(2), m.arange(2.0))",
    "zeros(3, 3).fill_diagonal_(2)",
    "zeros(7, 3).fill_diagonal_(1, wrap=True)",
    "ones(2).fill_(3)",
    "ones(2, dtype=m.int64).fill_(2.7)",
    "ones(2, 3).expand(4, 2, 3).fill_(2)",
    "ones(3).zero_()",
    "hann_window(1)",
    "hann_window(4)",
    "kaiser_window(0)",
]


def make(m, text):
    return eval(
        text if text.startswith("m.") else f"m.{text}",
        {"m": m, "np": np, "array": array, "collections": collections},
    )


@pytest.mark.parametrize("text", MADE)
def test_made_as_in_pytorch(text):
    theirs, ours = make(torch, text), make(flambeau, text)
    assert str(theirs.dtype) == str(ours.dtype)
    assert tuple(theirs.shape) == tuple(ours.shape)
    assert theirs.stride() == ours.stride()
    assert theirs.requires_grad == ours.requires_grad
    assert theirs.tolist() == ours.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "tensor([1, [2]])",
        "tensor([[1], 2])",
        "tensor([[1, 2], [3]])",
        "tensor('a')",
        "tensor(['a'])",
        "tensor(None)",
        "tensor({})",
        "tensor([None])",
        "tensor(10**30)",
        "tensor([2**63])",
        "tensor(300, dtype=m.uint8)",
        "tensor([200], dtype=m.int8)",
        "tensor(float('nan'), dtype=m.int64)",
        "tensor(1j, dtype=m.float32)",
        "tensor([m.tensor([1.0, 2]), m.tensor([3.0, 4])])",
        "tensor([np.ones(2)] + [[1, 2, 3]])",
        "tensor(np.array(['a']))",
        "tensor(np.ones(4)[::-1])",
        "tensor([1], requires_grad=True)",
        "tensor([1], dtype='float')",
        "tensor([1], device=3.0)",
        "tensor(b'ab')",
        "from_numpy([1])",
        "zeros(-1)",
        "zeros(2.5)",
        "zeros(2, 3.0)",
        "zeros(())[0]",
        "zeros()",
        "full(2, 1)",
        "full((2,), 'a')",
        "full((2,), 300, dtype=m.uint8)",
        "full((2,), 1j, dtype=m.float32)",
        "eye(-1)",
        "arange(5, 1)",
        "arange(1, 5, 0)",
        "arange(0, float('inf'))",
        "arange(3, dtype=m.bool)",
        "arange('a')",
        "linspace(0, 1, -1)",
        "zeros_like(3)",
        "empty_strided((2, 3), (1,))",
        "empty(2, memory_format=m.channels_last)",
        "zeros(2, dtype=m.int32, requires_grad=True)",
        "zeros(2, out=m.empty(2), dtype=m.int32)",
        "complex(m.ones(2), m.ones(2, dtype=m.float64))",
        "ones(2).fill_(1j)",
        "ones(2).fill_(m.ones(2))",
        "zeros(3).fill_diagonal_(1)",
        "tril_indices(-1, 3)",
        "hann_window(-1)",
        "frombuffer(b'', dtype=m.int8)",
        "frombuffer(bytearray(3), dtype=m.int16)",
        "signal.windows.hann(-1)",
    ],
)
def test_errors(text):
    caught = []
    for m in (torch, flambeau):
        with warnings.catch_warnings(action="ignore"), pytest.raises(Exception) as info:  # noqa: PT011
            make(m, text)
        caught.append(info.value)
    assert type(caught[0]) is type(caught[1])
    assert str(caught[1]).startswith(str(caught[0]))


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
@pytest.mark.parametrize("periodic", [True, False])
def test_windows(name, periodic):
    theirs, ours = (getattr(m, f"{name}_window")(9, periodic) for m in (torch, flambeau))
    np.testing.assert_allclose(theirs.numpy(), ours.numpy(), atol=1e-6)


def test_a_copy_of_a_tensor_warns_and_is_a_leaf():
    source = flambeau.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="it is recommended to use sourceTensor"):
        copy = flambeau.tensor(source)
    assert not copy.requires_grad
    copy.zero_()
    assert source.tolist() == [1.0, 1.0]


def test_memory_is_shared_with_numpy_both_ways():
    values = np.zeros(3, np.float32)
    shared, copied = flambeau.from_numpy(values), flambeau.tensor(values)
    values[0] = 1
    shared[1] = 2
    assert values.tolist() == shared.tolist() == [1.0, 2.0, 0.0]
    assert copied.tolist() == [0.0, 0.0, 0.0]
    assert flambeau.as_tensor(shared) is shared


def test_dlpack_shares_memory_in_both_directions():
    x = flambeau.zeros(2)
    torch.from_dlpack(x)[0] = 5
    theirs = torch.zeros(2)
    flambeau.from_dlpack(theirs)[1] = 7
    assert x.tolist() == [5.0, 0.0]
    assert theirs.tolist() == [0.0, 7.0]


def test_zeros_and_fills_cut_the_graph():
    found = []
    for m in (torch, flambeau):
        x = m.ones(3, requires_grad=True)
        y = x * 2
        y[0].fill_(5)
        y[1].zero_()
        y.sum().backward()
        found.append(x.grad.tolist())
    assert found[0] == found[1] == [0.0, 0.0, 2.0]


def test_nothing_is_allocated_on_meta():
    huge = flambeau.zeros(1 << 20, 1 << 20, device="meta")
    assert huge.is_meta
    assert huge.t().reshape(-1).shape == (1 << 40,)


def test_the_default_dtype_and_device_are_heeded():
    flambeau.set_default_dtype(flambeau.float64)
    try:
        assert (
            flambeau.tensor([1.0]).dtype
            is flambeau.zeros(1).dtype
            is flambeau.arange(1.0).dtype
            is flambeau.float64
        )
    finally:
        flambeau.set_default_dtype(flambeau.float32)
    with flambeau.device("meta"):
        assert flambeau.ones(1).is_meta
