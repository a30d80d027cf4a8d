"""Convolutions beside PyTorch's: what is particular about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from expressions import assert_agrees, table
from oracle import check

import flambeau
from flambeau._core import plan
from flambeau._core.trace import engine
from flambeau._ops import conv_forms


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


@pytest.fixture
def in_programs() -> Iterator[None]:
    engine.tier = 2
    yield
    engine.tier = None


def made(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    real, imaginary = np.random.default_rng(0).normal(size=(2, *shape))
    return (real + 1j * imaginary if np.dtype(dtype).kind == "c" else real).astype(dtype)


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize(
    ("stride", "extra", "dilation"), [((3, 2), (2, 1), 1), ((1, 2), (1, 3), (2, 4)), (1, 2, 3)], ids=str
)
def test_output_padding_of_transposed_convolutions(stride: Any, extra: Any, dilation: Any) -> None:
    check(
        lambda T, x, w: T.conv_transpose2d(x, w, None, stride, 1, extra, 2, dilation),
        made(2, 4, 3, 4),
        made(4, 3, 2, 3),
        tolerance=1e-4,
    )


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize("name", ["conv1d", "conv_transpose1d"])
def test_complex_convolutions(name: str) -> None:
    check(
        lambda T, x, w, b: getattr(T, name)(x, w, b, 2, 1),
        made(2, 4, 5, dtype=np.complex64),
        made(4, 4, 3, dtype=np.complex64),
        made(4, dtype=np.complex64),
        tolerance=1e-4,
    )


# Shapes that `conv_forms` has a formulation of its own for: input, weight, stride, padding, dilation, groups.
FORMS = [
    ((2, 3, 9), (6, 1, 3), 2, 1, 2, 3),
    ((2, 4, 7, 8), (4, 1, 3, 2), (2, 1), (1, 0), (1, 2), 4),
    ((2, 4, 6, 5), (8, 1, 2, 2), 1, 1, 1, 4),
    ((1, 2, 4, 5, 4), (2, 1, 2, 3, 2), 1, 1, 1, 2),
    ((2, 3, 7, 6), (4, 3, 3, 2), (3, 2), 0, 1, 1),
    ((2, 3, 9), (4, 3, 4), 4, 0, 1, 1),
    ((1, 2, 5, 4, 7), (3, 2, 2, 2, 3), (2, 2, 3), 0, 1, 1),
    ((2, 3, 5, 6, 5), (4, 3, 3, 2, 3), (2, 1, 2), (1, 0, 2), (1, 2, 1), 1),
    ((1, 4, 5, 4, 4), (4, 2, 2, 2, 2), 1, (1, 1, 0), (2, 1, 1), 2),
    ((2, 3, 7, 6), (4, 3, 3, 3), 2, 1, 1, 1),
    ((2, 3, 11, 9), (4, 3, 2, 5), (3, 2), (0, 2), 1, 1),
    ((2, 3, 9), (4, 3, 3), 4, 1, 1, 1),
    ((1, 2, 5, 4, 6), (3, 2, 3, 2, 3), (2, 1, 2), 1, 1, 1),
    ((2, 3, 6, 5), (4, 3, 1, 1), 1, 0, 1, 1),
    ((2, 3, 6, 5), (4, 3, 1, 1), 2, 0, 1, 1),
    ((2, 1, 6, 5), (4, 1, 3, 2), 2, 1, 1, 1),
]


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize(("input", "weight", "stride", "padding", "dilation", "groups"), FORMS, ids=str)
def test_each_form_of_convolution(
    input: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    name = f"conv{len(input) - 2}d"
    arguments = (stride, padding, dilation, groups)
    check(
        lambda T, x, w, b: getattr(T.nn.functional, name)(x, w, b, *arguments),
        made(*input), made(*weight), made(weight[0]), tolerance=1e-4,
    )  # fmt: skip


@pytest.mark.usefixtures("tier")
@pytest.mark.parametrize(("input", "weight", "stride", "padding", "dilation", "groups"), FORMS, ids=str)
def test_each_form_transposed(
    input: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    name = f"conv_transpose{len(input) - 2}d"
    spatial = (3,) * (len(input) - 2)
    check(
        lambda T, x, w: getattr(T.nn.functional, name)(x, w, None, stride, padding, 0, groups, dilation),
        made(2, weight[0], *spatial), made(*weight), tolerance=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize(("input", "weight", "stride", "padding", "dilation", "groups"), FORMS, ids=str)
def test_each_form_with_many_channels(
    input: Any,
    weight: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    monkeypatch: pytest.MonkeyPatch,
    in_programs: None,
) -> None:
    monkeypatch.setattr(conv_forms, "PHASE_CHANNELS", 1)
    monkeypatch.setattr(conv_forms, "LARGE_WEIGHT", 1)
    arguments = (None, stride, padding, dilation, groups)
    check(
        lambda T, x, w: getattr(T.nn.functional, f"conv{len(input) - 2}d")(x, w, *arguments),
        made(*input), made(*weight), tolerance=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize(("size", "padding"), [((8, 8), 1), ((7, 9), (0, 2)), ((3, 4), 0)], ids=str)
def test_weight_gradient_by_winograd(
    size: Any, padding: Any, monkeypatch: pytest.MonkeyPatch, in_programs: None
) -> None:
    monkeypatch.setattr(conv_forms, "WINOGRAD_CHANNELS", 1)
    check(
        lambda T, x, w: T.nn.functional.conv2d(x, w, None, 1, padding),
        made(2, 3, *size), made(4, 3, 3, 3), tolerance=1e-4,
    )  # fmt: skip


def network(T: Any) -> Any:
    nn = T.nn
    T.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Dropout2d(0.0),
        nn.ConvTranspose2d(6, 4, 4, 2, 1), nn.GroupNorm(2, 4), nn.Upsample(scale_factor=2), nn.Conv2d(4, 5, 1),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip


@pytest.mark.parametrize("limit", [300, 20, 7])
def test_images_keep_their_channels_last_in_and_between_programs(
    limit: int, monkeypatch: pytest.MonkeyPatch, in_programs: None
) -> None:
    monkeypatch.setattr(plan, "PROGRAM_LIMIT", limit)

    def trained(T: Any) -> list[float]:
        model, losses = network(T), []
        optimizer = T.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        x, y = T.tensor(made(4, 3, 16, 16)), T.tensor([0, 1, 2, 0])
        for _ in range(3):
            optimizer.zero_grad()
            loss = T.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        return [*losses, *model(x).detach().numpy().ravel().tolist()]

    np.testing.assert_allclose(trained(flambeau), trained(torch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(("input", "weight", "stride", "padding", "dilation", "groups"), FORMS, ids=str)
def test_each_form_in_16_bits(
    input: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int, dtype: str
) -> None:
    def computed(T: Any) -> Any:
        x, w = (T.tensor(made(*shape)).to(getattr(T, dtype)).requires_grad_() for shape in (input, weight))
        y = getattr(T.nn.functional, f"conv{len(input) - 2}d")(x, w, None, stride, padding, dilation, groups)
        y.backward(T.ones_like(y))
        return [each.detach().float().numpy() for each in (y, x.grad, w.grad)]

    with_flambeau, with_torch = computed(flambeau), computed(torch)
    for mine, theirs in zip(with_flambeau, with_torch, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0.02, atol=0.05)


ERRORS = table(
    """
    F.conv1d(T.ones(1,2,0),T.ones(2,2,2),padding=1)
    F.conv3d(T.ones(1,2,0,5,5),T.ones(2,2,2,2,2),padding=1)
    F.conv_transpose2d(T.ones(1,2,0,5),T.ones(2,2,2,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),dilation=0)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),dilation=-1)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),stride=0)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),stride=-1)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),padding=-1)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),padding='x')
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),padding='same',stride=2)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),groups=0)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),groups=-1)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),groups=2)
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),groups=3)
    F.conv1d(T.ones(1,2,5),T.ones(3,1,2),groups=2)
    F.conv1d(T.ones(1,2,5),T.ones(1,2))
    F.conv1d(T.ones(1,2,5),T.ones(2))
    F.conv1d(T.ones(2,5),T.ones(2,2,2,2))
    F.conv1d(T.ones(5),T.ones(2,2,2))
    F.conv1d(T.ones(1,1,2,5),T.ones(2,2,2))
    F.conv1d(T.ones(1,3,5),T.ones(2,2,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),T.ones(3))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),T.ones(2,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,6))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),stride=(1,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),padding=(1,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),dilation=(1,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2).double())
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2),T.ones(2).double())
    F.conv1d(T.ones(1,2,5)>0,T.ones(2,2,2)>0)
    F.conv1d(T.ones(1,2,0),T.ones(2,2,2))
    F.conv1d(T.ones(1,2,5),T.ones(0,2,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,0))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2))
    F.conv2d(T.ones(2,5,5),T.ones(2,2,2))
    F.conv2d(T.ones(5,5),T.ones(2,2,2,2))
    F.conv2d(T.ones(1,1,1,5,5),T.ones(2,2,2,2))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),dilation=0)
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),dilation=(1,-1))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),stride=(1,0))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),padding=(1,-1))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),groups=3)
    F.conv2d(T.ones(1,2,5,5),T.ones(3,1,2,2),groups=2)
    F.conv2d(T.ones(1,3,5,5),T.ones(2,2,2,2))
    F.conv2d(T.ones(3,5,5),T.ones(2,2,2,2))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,6,2))
    F.conv2d(T.ones(2,5,5),T.ones(2,2,6,2))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),stride=(1,1,1))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),padding='valid',stride=(1,1,1))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),padding='same',dilation=0)
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),padding='same',groups=3)
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2),padding='same')
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2),padding=(1,1,1))
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2))
    F.conv3d(T.ones(1,2,5,5),T.ones(2,2,2,2))
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),dilation=0)
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),stride=0)
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),groups=0)
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,6))
    F.conv3d(T.ones(2,2),T.ones(2,2,2,2,6))
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),dilation=0)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),stride=0)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),padding=-1)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),padding=9)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),output_padding=1)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),output_padding=-1)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),groups=3)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(3,2,2))
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),T.ones(3))
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2))
    F.conv_transpose1d(T.ones(5),T.ones(2,2,2))
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),groups=0)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2))
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),groups=3)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),output_padding=2)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),dilation=0)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),stride=(1,2,3))
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),output_padding=(1,2,3))
    F.conv_transpose2d(T.ones(1,2,5,5)>0,T.ones(2,2,2,2)>0)
    F.conv_transpose3d(T.ones(1,2,5,5),T.ones(2,2,2,2))
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),dilation=-1)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),dilation=-1)
    F.conv_transpose3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),dilation=0)
    F.conv_transpose3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),dilation=-1)
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),dilation=-1)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,0))
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,0))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,0))
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,0))
    F.conv_transpose1d(T.ones(1,2,5),T.ones(3,2,2),groups=2)
    F.conv_transpose1d(T.ones(1,3,5),T.ones(3,2,2),groups=2)
    F.conv_transpose1d(T.ones(1,2,5)>0,T.ones(2,2,2)>0)
    F.conv_transpose3d(T.ones(1,2,5,5,5)>0,T.ones(2,2,2,2,2)>0)
    F.conv3d(T.ones(1,2,5,5,5)>0,T.ones(2,2,2,2,2)>0)
    F.conv2d(T.ones(1,2,5,5)>0,T.ones(2,2,2,2)>0)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2,2))
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2,2),padding='same')
    F.conv1d(T.ones(1,2,5),T.ones(2,2,2,2),stride=2)
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2,2))
    F.conv3d(T.ones(1,2,5,5,5),T.ones(2,2))
    F.conv3d(T.ones(2,5),T.ones(2,2))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2,2))
    F.conv2d(T.ones(1,2,5,5),T.ones(2,2,2,2,2),padding='same')
    F.conv2d(T.ones(5,5),T.ones(2,2,2))
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),padding=9)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),output_padding=(0,1))
    F.conv_transpose1d(T.ones(2,5),T.ones(2,2,2),padding=9)
    F.conv_transpose1d(T.ones(1,2,5),T.ones(2,2,2),padding=3)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2),padding=3)
    F.conv_transpose3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),padding=3)
    F.conv_transpose3d(T.ones(1,2,5,5,5),T.ones(2,2,2,2,2),output_padding=3)
    F.conv_transpose2d(T.ones(1,2,5,5),T.ones(2,2,2,2).double())
    """
)


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression: str) -> None:
    assert_agrees(expression)
