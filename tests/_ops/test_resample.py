"""Resizing, sampling, folding and the less common pools beside PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracle import check, check_error

from flambeau._core.trace import engine

RNG = np.random.default_rng(0)


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(dtype)


def interpolate(**options: Any) -> Any:
    return lambda t, x: t.nn.functional.interpolate(x, **options)


MODES = ["nearest", "nearest-exact", "area", "bilinear", "bicubic"]
SIZES = [{"size": (10, 14)}, {"size": (3, 9)}, {"scale_factor": 1.7}, {"scale_factor": (0.6, 2.3)}]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_mode(mode: str, size: dict[str, Any]) -> None:
    engine.tier = 0
    check(interpolate(mode=mode, **size), normal(2, 2, 5, 7))
    if mode.startswith("bi"):
        check(interpolate(mode=mode, align_corners=True, **size), normal(2, 2, 5, 7))
        check(interpolate(mode=mode, antialias=True, **size), normal(2, 2, 5, 7))
    engine.tier = None


def test_on_xla(tier: int) -> None:
    check(interpolate(mode="bilinear", size=(3, 9)), normal(2, 2, 5, 7))
    check(interpolate(mode="nearest", scale_factor=2), normal(1, 2, 3, 3))


def test_one_and_three_dimensions() -> None:
    check(interpolate(mode="linear", size=7), normal(2, 2, 4))
    check(interpolate(mode="trilinear", scale_factor=(2, 1, 0.5)), normal(1, 2, 3, 4, 4))
    check(interpolate(mode="lanczos", size=(3, 3), antialias=True), normal(1, 2, 8, 7))


def test_an_infinite_pixel_stays_where_it_is() -> None:
    image = np.zeros((1, 1, 6, 6), np.float32)
    image[0, 0, 2, 3] = np.inf
    scenario = lambda t, x: interpolate(mode="bilinear", size=(12, 12))(t, x.detach())  # noqa: E731
    check(scenario, image)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_bytes(mode: str) -> None:
    image = RNG.integers(0, 256, (2, 3, 9, 8)).astype(np.uint8)
    check(interpolate(mode=mode, size=(4, 13)), image)


ERRORS = [
    {}, {"size": 3, "scale_factor": 2}, {"size": (3,)}, {"scale_factor": (2, 2, 2)},
    {"size": 3, "align_corners": True}, {"size": 3, "mode": "linear"}, {"size": 3, "mode": "trilinear"},
    {"size": 3, "mode": "other"}, {"size": 0}, {"size": 3, "recompute_scale_factor": True},
    {"size": 3, "antialias": True}, {"size": 3, "mode": "lanczos"}, {"scale_factor": 0.1, "mode": "bilinear"},
]  # fmt: skip


@pytest.mark.parametrize("options", ERRORS, ids=str)
def test_interpolate_error(options: dict[str, Any]) -> None:
    check_error(interpolate(**options), normal(1, 2, 4, 4))


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("align", [False, True])
def test_grid_sample(mode: str, padding: str, align: bool) -> None:
    engine.tier = 0
    grid = (RNG.random((2, 4, 3, 2)) * 3 - 1.5).astype(np.float32)
    grid[0, 0] = [[1, -1], [0, 0], [-1, 1]]

    def scenario(t: Any, x: Any, g: Any) -> Any:
        return t.nn.functional.grid_sample(x, g, mode, padding, align)

    check(scenario, normal(2, 2, 5, 7), grid, tolerance=1e-4)
    engine.tier = None


def test_grid_sample_of_volumes(tier: int) -> None:
    grid = (RNG.random((2, 2, 3, 2, 3)) * 3 - 1.5).astype(np.float32)
    check(
        lambda t, x, g: t.nn.functional.grid_sample(x, g, align_corners=False),
        normal(2, 2, 3, 4, 5),
        grid,
        tolerance=1e-4,
    )


def test_affine_grid(tier: int) -> None:
    check(lambda t, m: t.nn.functional.affine_grid(m, (2, 1, 3, 4), False), normal(2, 2, 3))
    check(lambda t, m: t.nn.functional.affine_grid(m, (1, 1, 3, 1, 2), True), normal(1, 3, 4))


GRID_ERRORS = {
    "batch": [(1, 2, 4, 4), (2, 3, 3, 2)],
    "last": [(1, 2, 4, 4), (1, 3, 3, 3)],
    "empty": [(1, 2, 0, 4), (1, 3, 3, 2)],
}


@pytest.mark.parametrize("name", GRID_ERRORS)
def test_grid_error(name: str) -> None:
    check_error(
        lambda t, x, g: t.nn.functional.grid_sample(x, g, align_corners=False),
        *(normal(*shape) for shape in GRID_ERRORS[name]),
    )


def test_unfold_and_fold(tier: int) -> None:
    options = {"dilation": (1, 2), "padding": (1, 0), "stride": (2, 1)}
    check(lambda t, x: t.nn.functional.unfold(x, (3, 2), **options), normal(2, 2, 5, 7))
    check(lambda t, x: t.nn.functional.fold(x, (4, 5), 2), normal(2, 8, 12))


def test_unfold_of_an_empty_batch(tier: int) -> None:
    check(lambda t, x: t.nn.functional.unfold(x, 2, 1, 1, (1, 2)), normal(0, 1, 5, 5))


FOLD_ERRORS = {
    "small": lambda t, x: t.nn.functional.unfold(x, 5),
    "kernel": lambda t, x: t.nn.functional.unfold(x, 0),
    "stride": lambda t, x: t.nn.functional.unfold(x, 2, stride=0),
    "padding": lambda t, x: t.nn.functional.unfold(x, 2, padding=-1),
    "three": lambda t, x: t.nn.functional.unfold(x, (2, 2, 2)),
    "blocks": lambda t, x: t.nn.functional.fold(x[0, 0].reshape(1, 8, 2), (4, 4), 2),
    "channels": lambda t, x: t.nn.functional.fold(x[0, 0].reshape(2, 8), (4, 4), 3),
}


@pytest.mark.parametrize("name", FOLD_ERRORS)
def test_fold_error(name: str) -> None:
    check_error(FOLD_ERRORS[name], normal(1, 2, 4, 4))


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_unpool(spatial: int, tier: int) -> None:
    def scenario(t: Any, x: Any) -> Any:
        F = t.nn.functional
        pooled, where = getattr(F, f"max_pool{spatial}d")(x, 2, return_indices=True)
        return getattr(F, f"max_unpool{spatial}d")(pooled, where, 2, output_size=[5] * spatial)

    check(scenario, normal(2, 2, *[5] * spatial))


@pytest.mark.parametrize("spatial", [2, 3])
def test_fractional_pool(spatial: int, tier: int) -> None:
    def scenario(t: Any, x: Any, samples: Any) -> Any:
        pool = getattr(t.nn.functional, f"fractional_max_pool{spatial}d")
        return pool(x, 2, 3, return_indices=True, _random_samples=samples.detach())

    check(scenario, normal(2, 2, *[7] * spatial), RNG.random((2, 2, spatial)).astype(np.float32))


def test_fractional_pool_draws_as_pytorch() -> None:
    def scenario(t: Any, x: Any) -> Any:
        t.manual_seed(0)
        return t.nn.functional.fractional_max_pool2d(x, 2, output_ratio=(0.6, 0.5))

    check(scenario, normal(2, 3, 9, 8))


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_pool_by_norm(spatial: int) -> None:
    positive = abs(normal(2, 2, *[4] * spatial)) + 0.1
    check(lambda t, x: getattr(t.nn.functional, f"lp_pool{spatial}d")(x, 3, 2, 1), positive)


POOL_ERRORS = {
    "output": lambda t, x, i: t.nn.functional.max_unpool2d(x, i, 2, output_size=(9, 9)),
    "length": lambda t, x, i: t.nn.functional.max_unpool2d(x, i, 2, output_size=(9,)),
    "place": lambda t, x, i: t.nn.functional.max_unpool2d(x[..., :1, :1], i[..., 1:, 1:] + 100, 2),
    "shape": lambda t, x, i: t.nn.functional.max_unpool2d(x, i[0], 2),
    "dtype": lambda t, x, i: t.nn.functional.max_unpool2d(x, i.int(), 2),
    "neither": lambda t, x, i: t.nn.functional.fractional_max_pool2d(x, 2),
    "large": lambda t, x, i: t.nn.functional.fractional_max_pool2d(x, 2, 2),
}


@pytest.mark.parametrize("name", POOL_ERRORS)
def test_pool_error(name: str) -> None:
    check_error(POOL_ERRORS[name], normal(1, 1, 2, 2), np.array([[[[0, 2], [8, 10]]]]))
