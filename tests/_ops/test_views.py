"""Views beside PyTorch's: values, strides, offsets, sharing, gradients and messages, in the tiers that run
them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.trace import engine

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

VIEWS = {
    "transpose": lambda x: x.transpose(0, -1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "permute": lambda x: x.permute(2, 0, 1),
    "permute sequence": lambda x: x.permute((1, -1, 0)),
    "movedim": lambda x: x.movedim((0, 1), (2, 0)),
    "mT": lambda x: x.mT,
    "view": lambda x: x.view(4, -1),
    "view of a shape": lambda x: x.view(x.shape),
    "reshape": lambda x: x.reshape(-1, 6),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(-1, (2, -1)),
    "ravel": lambda x: x.ravel(),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(),
    "squeeze one": lambda x: x[:1].squeeze(0),
    "squeeze several": lambda x: x[:1, :1].squeeze((0, 1)),
    "expand": lambda x: x[:, :1].expand(2, 2, 3, 4),
    "expand_as": lambda x: x[0].expand_as(x),
    "broadcast_to": lambda x: x.broadcast_to((2, 2, 3, 4)),
    "select": lambda x: x.select(1, -1),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "slice": lambda x: x[:, 1:, ::2],
    "diagonal": lambda x: x.diagonal(1, 2, 0),
    "unfold": lambda x: x.unfold(2, 3, 1),
    "unfold apart": lambda x: x.unfold(1, 1, 2),
    "as_strided": lambda x: x.as_strided((3, 2), (2, 5), 4),
    "as_strided of a view": lambda x: x[1].as_strided((2, 2), (1, 1)),
    "as_strided of a transposed view": lambda x: x.transpose(0, 2).as_strided((2, 3), (3, 2)),
    "chain": lambda x: x.transpose(0, 1)[1:].unsqueeze(0).permute(3, 0, 1, 2)[::2],
}
# Writing through these would set elements that share memory.
OVERLAPPING = {"expand", "expand_as", "broadcast_to", "unfold", "as_strided of a view"}


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request):
    engine.tier = request.param
    yield request.param
    engine.tier = None


def both(requires_grad=False):
    return (
        torch.from_numpy(VALUES.copy()).requires_grad_(requires_grad),
        flambeau.tensor(VALUES, requires_grad=requires_grad),
    )


def same(theirs, ours):
    np.testing.assert_array_equal(theirs.detach().numpy(), ours.detach().clone().numpy())
    assert str(theirs.dtype) == str(ours.dtype)


@pytest.mark.parametrize("name", VIEWS)
def test_values_and_geometry(name):
    theirs, ours = (VIEWS[name](x) for x in both())
    same(theirs, ours)
    assert ours.stride() == theirs.stride()
    assert ours.storage_offset() == theirs.storage_offset()
    assert ours.is_contiguous() == theirs.is_contiguous()
    assert ours._is_view()


@pytest.mark.parametrize("name", VIEWS)
def test_gradient(name, tier):
    found = []
    for x in both(requires_grad=True):
        y = VIEWS[name](x)
        weight = (torch if isinstance(x, torch.Tensor) else flambeau).arange(float(y.numel())).view(y.shape)
        (y * weight).sum().backward()
        found.append((x.grad, y.grad_fn.name()))
    same(found[0][0], found[1][0])
    assert found[1][1] == found[0][1]


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in OVERLAPPING])
def test_writes_reach_the_base(name, tier):
    for write in (lambda y: y.mul_(2), lambda y: y.zero_()):
        bases = both()
        for base in bases:
            write(VIEWS[name](base))
        same(*bases)


@pytest.mark.parametrize("name", ["view", "transpose", "chain", "diagonal", "as_strided"])
def test_writes_through_views_have_gradients(name):
    found = []
    for x in both(requires_grad=True):
        base = x * 3
        VIEWS[name](base).mul_(2)
        (base * base).sum().backward()
        found.append((x.grad, base.grad_fn.name()))
    same(found[0][0], found[1][0])


@pytest.mark.parametrize(
    "split",
    [
        lambda x: x.split(2, 1),
        lambda x: x.split([1, 3], 2),
        lambda x: x.chunk(3, -1),
        lambda x: x.unbind(1),
        lambda x: x.tensor_split(3, 2),
        lambda x: x.hsplit(3),
    ],
)
def test_several_views_at_once(split):
    theirs, ours = (split(x) for x in both(requires_grad=True))
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        same(a, b)
        assert (a.stride(), a.storage_offset()) == (b.stride(), b.storage_offset())
        assert a.grad_fn.name() == b.grad_fn.name()
        assert a.output_nr == b.output_nr
    found = []
    for x in both(requires_grad=True):
        parts = split(x)
        sum((i + 1) * (part * part).sum() for i, part in enumerate(parts)).backward()
        found.append(x.grad)
    same(*found)


def test_views_made_together_are_not_written_to_where_gradients_flow():
    messages = []
    for x in both(requires_grad=True):
        with pytest.raises(RuntimeError) as caught:
            (x * 1).unbind(0)[0].add_(1)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_a_view_needs_strides_that_allow_it():
    messages = []
    for x in both():
        with pytest.raises(RuntimeError) as caught:
            x.transpose(0, 2).view(24)
        messages.append(caught.value)
    assert str(messages[0]) == str(messages[1])
    assert "contiguous()" in messages[1].__notes__[0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.view(5, 5),
        lambda x: x.view(-1, -1),
        lambda x: x.reshape(-1, 5),
        lambda x: x.permute(0, 0, 1),
        lambda x: x.transpose(0, 3),
        lambda x: x.movedim((0, 1), (0,)),
        lambda x: x.squeeze((0, 0)),
        lambda x: x.expand(2),
        lambda x: x.expand(2, 5, 4),
        lambda x: x[0, 0].expand(-1, -1, 4),
        lambda x: x.select(0, 4),
        lambda x: x.narrow(0, 1, 4),
        lambda x: x.narrow_copy(3, 0, 1),
        lambda x: x.split(-1),
        lambda x: x.split([1, 2]),
        lambda x: x.chunk(0),
        lambda x: x.tensor_split(0),
        lambda x: x.hsplit(2),
        lambda x: x.diagonal(dim1=0, dim2=0),
        lambda x: x.unfold(0, 5, 1),
        lambda x: x.as_strided((2,), (24,)),
        lambda x: x.unflatten(1, (4, 2)),
        lambda x: x.flatten(2, 1),
        lambda x: x.imag,
        lambda x: x.unbind(3),
    ],
)
def test_errors(wrong):
    caught = []
    for x in both():
        with pytest.raises(Exception) as info:  # noqa: PT011
            wrong(x)
        caught.append(info.value)
    assert type(caught[0]) is type(caught[1])
    assert str(caught[0]) == str(caught[1])


def test_real_and_imaginary_parts_are_views(tier):
    values = np.array([1 + 2j, 3 - 4j], np.complex64)
    theirs, ours = torch.from_numpy(values.copy()), flambeau.tensor(values)
    for z in (theirs, ours):
        z.real.mul_(10)
        z.imag[0] = 7
    same(theirs, ours)
    assert ours.imag.storage_offset() == theirs.imag.storage_offset() == 1
    assert flambeau.view_as_real(ours).stride() == torch.view_as_real(theirs).stride()


@pytest.mark.parametrize("dtype", ["int32", "int16", "float64", "uint8", "complex64", "int64"])
def test_bits_as_another_dtype(dtype, tier):
    theirs, ours = both()
    a, b = theirs.view(getattr(torch, dtype)), ours.view(getattr(flambeau, dtype))
    same(a, b)
    assert a.stride() == b.stride()
    a.zero_()
    b[:] = 0
    same(theirs, ours)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.transpose_(0, 1),
        lambda x: x.unsqueeze_(0),
        lambda x: x.squeeze_(),
        lambda x: x.swapaxes_(0, 2),
        lambda x: x.as_strided_((2, 2), (1, 3)),
        lambda x: x.resize_(2, 2),
        lambda x: x.resize_(24),
    ],
)
def test_shape_changes_in_place(change):
    theirs, ours = both()
    for x in (theirs, ours):
        assert change(x) is x
        x.add_(1)
    same(theirs, ours)
    assert theirs.stride() == ours.stride()
    assert theirs._version == ours._version


def test_a_resized_tensor_finds_its_elements_again():
    x = flambeau.arange(6.0)
    x.resize_(2).resize_(6)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_numpy_shares_the_memory_of_views():
    x = flambeau.zeros(2, 3)
    x.t()[1].numpy()[:] = 5
    assert x.tolist() == [[0.0, 5.0, 0.0], [0.0, 5.0, 0.0]]


def test_broadcast_tensors_hands_back_what_has_the_shape_already():
    x, row = flambeau.zeros(2, 3), flambeau.zeros(3)
    same_one, wide = flambeau.broadcast_tensors(x, row)
    assert same_one is x
    assert wide.shape == (2, 3)
    weight = flambeau.nn.Parameter(flambeau.zeros(3))
    assert flambeau.distributions.Normal(weight, 1.0).loc is weight
