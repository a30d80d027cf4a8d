"""Pooling beside PyTorch's: nodes of its graph, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from expressions import assert_agrees, table

import flambeau
from flambeau._core.trace import engine

ERRORS = table(
    """
    F.adaptive_avg_pool1d(T.ones(2,3,8),())
    F.adaptive_avg_pool1d(T.ones(2,3,8),(2,2))
    F.adaptive_avg_pool1d(T.ones(2,3,8),-1)
    F.adaptive_avg_pool1d(T.ones(8),2)
    F.adaptive_avg_pool1d(T.ones(2,3,0),2)
    F.adaptive_avg_pool1d(T.ones(2,3,8).long(),2)
    F.adaptive_avg_pool2d(T.ones(2,3,8,8),(2,2,2))
    F.adaptive_avg_pool2d(T.ones(2,3,8,8),(2,-1))
    F.adaptive_avg_pool2d(T.ones(8,8),(2,1))
    F.adaptive_avg_pool2d(T.ones(2,3,8,8),())
    F.adaptive_avg_pool2d(T.ones(2,3,0,8),2)
    F.adaptive_avg_pool2d(T.ones(8,8),2)
    F.adaptive_avg_pool2d(T.ones(8,8),-2)
    F.adaptive_avg_pool2d(T.ones(8,8),(2,2))
    F.adaptive_avg_pool2d(T.ones(2,3,8,8),(None,-1))
    F.adaptive_avg_pool2d(T.ones(2,3,8,8).long(),2)
    F.adaptive_avg_pool2d(T.ones(2,3,8,8).long(),1)
    F.adaptive_avg_pool3d(T.ones(2,3,8,8,8),(2,-1,2))
    F.adaptive_avg_pool3d(T.ones(2,3,8,8,8),(2,2))
    F.adaptive_avg_pool3d(T.ones(2,3,0,8,8),2)
    F.adaptive_avg_pool3d(T.ones(2,0,8,8,8),2)
    F.adaptive_avg_pool3d(T.ones(8,8,8),2)
    F.adaptive_avg_pool3d(T.ones(8,8,8),-2)
    F.adaptive_avg_pool3d(T.ones(2,3,8,8,8),())
    F.adaptive_avg_pool3d(T.ones(2,3,8,8,8).long(),2)
    F.adaptive_max_pool1d(T.ones(2,3,8),())
    F.adaptive_max_pool1d(T.ones(2,3,8),(2,2))
    F.adaptive_max_pool1d(T.ones(2,3,8),-1)
    F.adaptive_max_pool1d(T.ones(8),2)
    F.adaptive_max_pool1d(T.ones(2,3,0),2)
    F.adaptive_max_pool1d(T.ones(2,0,8),2)
    F.adaptive_max_pool1d(T.ones(2,3,8)>0,2)
    F.adaptive_max_pool2d(T.ones(2,3,8,8),())
    F.adaptive_max_pool2d(T.ones(2,3,8,8),(2,2,2))
    F.adaptive_max_pool2d(T.ones(2,3,8,8),(2,-1))
    F.adaptive_max_pool2d(T.ones(8,8),2)
    F.adaptive_max_pool2d(T.ones(2,3,0,8),2)
    F.adaptive_max_pool2d(T.ones(2,0,8,8),2)
    F.adaptive_max_pool2d(T.ones(8,8),-2)
    F.adaptive_max_pool2d(T.ones(8,8),(2,2,2))
    F.adaptive_max_pool2d(T.ones(2,3,8,8).long(),2)
    F.adaptive_max_pool2d(T.ones(2,3,8,8)>0,2)
    F.adaptive_max_pool3d(T.ones(2,3,8,8,8),())
    F.adaptive_max_pool3d(T.ones(2,3,8,8,8),(2,2))
    F.adaptive_max_pool3d(T.ones(2,3,8,8,8),(2,2,-1))
    F.adaptive_max_pool3d(T.ones(2,3,8,8,0),2)
    F.adaptive_max_pool3d(T.ones(8,8,8),2)
    F.adaptive_max_pool3d(T.ones(2,0,8,8,8),2)
    F.adaptive_max_pool3d(T.ones(2,3,8,8,8)>0,2)
    F.adaptive_max_pool3d(T.ones(2,3,8,8,8)+0j,2)
    F.avg_pool1d(T.ones(2,3,8),2,stride=0)
    F.avg_pool1d(T.ones(2,3,8),0)
    F.avg_pool1d(T.ones(2,3,8),2,padding=2)
    F.avg_pool1d(T.ones(2,3,8),2,padding=-1)
    F.avg_pool1d(T.ones(2,3,8),9)
    F.avg_pool1d(T.ones(2,0,8),2)
    F.avg_pool1d(T.ones(0,8),2)
    F.avg_pool1d(T.ones(8),2)
    F.avg_pool1d(T.ones(2,3,8),(2,2))
    F.avg_pool1d(T.ones(2,3,8)>0,2)
    F.avg_pool1d(T.ones(2,3,8).int(),2)
    F.avg_pool1d(T.ones(2,3,8),2,(1,1))
    F.avg_pool1d(T.ones(2,3,8),2,1,(1,1))
    F.avg_pool1d(T.ones(2,3,8),2,-1)
    F.avg_pool1d(T.ones(2,3,8),-2,1)
    F.avg_pool2d(T.ones(2,3,8,8),2,stride=0)
    F.avg_pool2d(T.ones(2,3,8,8),0)
    F.avg_pool2d(T.ones(2,3,8,8),2,stride=-1)
    F.avg_pool2d(T.ones(2,3,8,8),2,padding=-1)
    F.avg_pool2d(T.ones(2,3,8,8),2,padding=(0,2))
    F.avg_pool2d(T.ones(2,3,8,8),9)
    F.avg_pool2d(T.ones(2,0,8,8),2)
    F.avg_pool2d(T.ones(2,3,8,8),2,divisor_override=0)
    F.avg_pool2d(T.ones(2,0,8,8),2,padding=3)
    F.avg_pool2d(T.ones(8,8),2)
    F.avg_pool2d(T.ones(2,3,8,8),(2,2,2))
    F.avg_pool2d(T.ones(2,3,8,8)>0,2)
    F.avg_pool2d(T.ones(2,3,8,8),2,1,padding=(2,-1))
    F.avg_pool2d(T.ones(8,8),2,stride=0)
    F.avg_pool2d(T.ones(8),2)
    F.avg_pool2d(T.ones(2,2,2,8,8),2)
    F.avg_pool2d(T.ones(2,3,8,8).int(),2)
    F.avg_pool2d(T.ones(2,3,8,8),2,(1,1,1))
    F.avg_pool2d(T.ones(2,3,8,8),2,1,(1,1,1))
    F.avg_pool3d(T.ones(2,3,8,8,8),2,stride=0)
    F.avg_pool3d(T.ones(2,3,8,8,8),0)
    F.avg_pool3d(T.ones(2,3,8,8,8),2,padding=-1)
    F.avg_pool3d(T.ones(2,3,8,8,8),2,padding=2)
    F.avg_pool3d(T.ones(2,3,8,8,8),9)
    F.avg_pool3d(T.ones(2,0,8,8,8),2)
    F.avg_pool3d(T.ones(0,8,8,8),2)
    F.avg_pool3d(T.ones(8,8,8),2)
    F.avg_pool3d(T.ones(2,3,8,8,8),2,divisor_override=0)
    F.avg_pool3d(T.ones(8,8),2)
    F.avg_pool3d(T.ones(2,3,8,8,8),-1,1)
    F.avg_pool3d(T.ones(2,3,8,8,8),2,-1)
    F.avg_pool3d(T.ones(2,3,8,8,8),(2,2,9),1)
    F.avg_pool3d(T.ones(2,3,8,8,8),2,padding=(0,0,2))
    F.avg_pool3d(T.ones(2,3,8,8,8)>0,2)
    F.avg_pool3d(T.ones(2,3,8,8,8),(2,2))
    F.max_pool1d(T.ones(2,3,8),2,stride=0)
    F.max_pool1d(T.ones(2,3,8),2,stride=-1)
    F.max_pool1d(T.ones(2,3,8),0)
    F.max_pool1d(T.ones(2,3,8),-1)
    F.max_pool1d(T.ones(2,3,8),2,dilation=0)
    F.max_pool1d(T.ones(2,3,8),2,padding=-1)
    F.max_pool1d(T.ones(2,3,8),2,padding=2)
    F.max_pool1d(T.ones(2,3,8),9)
    F.max_pool1d(T.ones(0,3,8),9)
    F.max_pool1d(T.ones(2,0,8),2)
    F.max_pool1d(T.ones(2,0),2)
    F.max_pool1d(T.ones(8),2)
    F.max_pool1d(T.ones(0,3,8),2,padding=4)
    F.max_pool1d(T.ones(2,0,8),2,padding=4)
    F.max_pool1d(T.ones(2,3,8),(2,2))
    F.max_pool1d(T.ones(2,3,8),2,stride=(2,2))
    F.max_pool1d(T.ones(2,3,8),2,padding=(1,1))
    F.max_pool1d(T.ones(2,3,8),2,dilation=(1,1))
    F.max_pool1d(T.ones(2,3,8),2,return_indices=True,stride=0)
    F.max_pool1d(T.ones(2,3,8),2,return_indices=True,padding=2)
    F.max_pool1d(T.ones(2,3,8,requires_grad=True),9)
    F.max_pool1d(T.ones(2,3,8,requires_grad=True),2,padding=2)
    F.max_pool1d(T.ones(8,requires_grad=True),2)
    F.max_pool1d(T.ones(2,3,8).long(),2)
    F.max_pool1d(T.ones(2,3,8)>0,2)
    F.max_pool1d(T.ones(2,3,8)+0j,2)
    F.max_pool1d(T.ones(2,3,8),3,padding=2,dilation=2)
    F.max_pool1d(T.ones(2,3,8,requires_grad=True),3,padding=2,dilation=2)
    F.max_pool1d(T.ones(2,3,8),3,padding=1,dilation=8)
    F.max_pool1d(T.ones(2,3,8),3,padding=2,dilation=0)
    F.max_pool1d(T.ones(2,3,8),3,2,padding=2,dilation=0)
    F.max_pool1d(T.ones(2,3,8),-3,0,padding=2,dilation=0)
    F.max_pool1d(T.ones(2,3,8),2,stride=-1,return_indices=True)
    F.max_pool1d(T.ones(2,3,8),9,return_indices=True)
    F.max_pool1d(T.ones(2,0,8),2,return_indices=True)
    F.max_pool1d(T.ones(8),2,return_indices=True)
    F.max_pool1d(T.ones(2,3,8),(2,2),return_indices=True)
    F.max_pool1d(T.ones(2,3,8),2,(2,2),return_indices=True)
    F.max_pool1d(T.ones(2,3,8)>0,2,return_indices=True)
    F.max_pool1d(T.ones(2,3,8,requires_grad=True),2,stride=-1)
    F.max_pool1d(T.ones(0,3,8),2,stride=-1)
    F.max_pool2d(T.ones(2,3,8,8)>0,2)
    F.max_pool2d(T.ones(2,3,8,8)+0j,2)
    F.max_pool2d(T.ones(2,3,8,8),2,stride=0)
    F.max_pool2d(T.ones(2,3,8,8),2,stride=(1,0))
    F.max_pool2d(T.ones(2,3,8,8),2,stride=-1)
    F.max_pool2d(T.ones(2,3,8,8),0)
    F.max_pool2d(T.ones(2,3,8,8),(2,-1))
    F.max_pool2d(T.ones(2,3,8,8),2,dilation=0)
    F.max_pool2d(T.ones(2,3,8,8),2,padding=-1)
    F.max_pool2d(T.ones(2,3,8,8),2,padding=(0,2))
    F.max_pool2d(T.ones(2,3,8,8),9)
    F.max_pool2d(T.ones(2,0,8,8),2)
    F.max_pool2d(T.ones(2,3,0,8),2)
    F.max_pool2d(T.ones(0,8,8),2)
    F.max_pool2d(T.ones(8,8),2)
    F.max_pool2d(T.ones(2,0,8,8),2,padding=-1)
    F.max_pool2d(T.ones(2,0,8,8),0)
    F.max_pool2d(T.ones(2,3,8,8),(2,2,2))
    F.max_pool2d(T.ones(2,3,8,8),2,(2,2,2))
    F.max_pool2d(T.ones(2,3,8,8),-1,1)
    F.max_pool2d(T.ones(2,3,8,8),(1,-1),(1,-1),dilation=0)
    F.max_pool2d(T.ones(2,3,8,8),2,1,dilation=-1)
    F.max_pool2d(T.ones(2,3,8,8),2,1,padding=(2,-1))
    F.max_pool2d(T.ones(8,8),2,2,0,2)
    F.max_pool2d(T.ones(2,3,8,8),2,2,0,(2,2,2))
    F.max_pool2d(T.ones(2,3,8,8),2,2,(0,2,2))
    F.max_pool2d(T.ones(2,3,8,8),2,2,(0,2,2),return_indices=True)
    F.max_pool3d(T.ones(2,3,8,8,8),2,stride=0)
    F.max_pool3d(T.ones(2,3,8,8,8),0)
    F.max_pool3d(T.ones(2,3,8,8,8),2,dilation=0)
    F.max_pool3d(T.ones(2,3,8,8,8),2,stride=-1)
    F.max_pool3d(T.ones(2,3,8,8,8),2,padding=-1)
    F.max_pool3d(T.ones(2,3,8,8,8),2,padding=2)
    F.max_pool3d(T.ones(2,3,8,8,8),9)
    F.max_pool3d(T.ones(2,0,8,8,8),2)
    F.max_pool3d(T.ones(2,3,0,8,8),2)
    F.max_pool3d(T.ones(0,8,8,8),2)
    F.max_pool3d(T.ones(8,8,8),2)
    F.max_pool3d(T.ones(2,3,8,8,8)>0,2)
    F.max_pool3d(T.ones(2,3,8,8,8)+0j,2)
    F.max_pool3d(T.ones(2,3,8,8,8),-1,1)
    F.max_pool3d(T.ones(2,3,8,8,8),2,1,padding=(0,0,2))
    F.max_pool3d(T.ones(2,3,8,8,8),2,1,padding=(0,-1,2))
    F.max_pool3d(T.ones(2,3,8,8,8),(2,2))
    F.max_pool3d(T.ones(2,3,8,8,8),2,(2,2))
    F.max_pool3d(T.ones(2,3,8,8,8),2,2,(2,2))
    F.max_pool3d(T.ones(2,3,8,8,8),2,2,0,(2,2))
    F.max_pool3d(T.ones(8,8),2,2,0,(2,2))
    """
)


POOLS = table(
    """
    F.max_pool2d(w[None], 2, return_indices=True)[0]
    F.max_pool3d(w.view(1, 1, 3, 2, 2), 2, padding=1)
    F.avg_pool2d(w[None, None], 2)
    F.avg_pool3d(w.view(1, 1, 3, 2, 2), 2)
    F.adaptive_avg_pool2d(w[None], 2)
    F.adaptive_avg_pool3d(w.view(1, 1, 3, 2, 2), 2)
    F.adaptive_max_pool2d(w[None], 2)
    F.adaptive_max_pool3d(w.view(1, 1, 3, 2, 2), 2)
    """
)


@pytest.mark.parametrize("expression", POOLS)
def test_values_gradients_and_nodes(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression: str) -> None:
    assert_agrees(expression)


@pytest.mark.parametrize("tier", [0, 2])
@pytest.mark.parametrize(
    ("shape", "sizes"),
    [((2, 3, 7, 7), (1, 1)), ((2, 3, 8, 6), (2, 3)), ((2, 3, 9, 10), (1, 1)), ((2, 3, 4, 6), (4, 3)), ((2, 3, 7, 6), (3, 3)),
     ((2, 3, 8), (1,)), ((2, 3, 100), (1,)), ((1, 2, 4, 4, 6), (1, 1, 1)), ((1, 2, 4, 4, 6), (2, 1, 3))],
    ids=str,
)  # fmt: skip
def test_adaptive_pools_of_equal_and_unequal_windows(tier, shape, sizes):
    x = np.random.default_rng(0).integers(-4, 5, shape).astype(np.float32)
    x.flat[3] = x.flat[5] = np.nan
    results = []
    for library in (flambeau, torch):
        engine.tier = tier
        try:
            input = library.tensor(x).requires_grad_()
            functional = library.nn.functional
            means = getattr(functional, f"adaptive_avg_pool{len(sizes)}d")(input, sizes)
            largest, places = getattr(functional, f"adaptive_max_pool{len(sizes)}d")(input, sizes, True)
            ((largest * largest).nansum() + (means * means).nansum()).backward()
            results.append([each.detach().numpy() for each in (means, largest, places, input.grad)])
        finally:
            engine.tier = None
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("size", "kernel"), [((8, 8), (2, 2)), ((9, 7), (2, 3)), ((9,), (2,)), ((5, 6, 7), (2, 2, 2))]
)
def test_maxima_of_windows_side_by_side(
    size: tuple[int, ...], kernel: tuple[int, ...], ceil_mode: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "tier", 2)
    values = np.random.default_rng(0).integers(0, 4, (2, 3, *size)).astype(np.float32)  # some are equal

    def computed(T: Any) -> list[Any]:
        x = T.tensor(values).requires_grad_()
        y = getattr(T.nn.functional, f"max_pool{len(size)}d")(x, kernel, ceil_mode=ceil_mode)
        (y * T.arange(y.numel()).reshape(y.shape)).sum().backward()
        return [y.detach().numpy(), x.grad.numpy()]

    for mine, theirs in zip(computed(flambeau), computed(torch), strict=True):
        np.testing.assert_array_equal(mine, theirs)
