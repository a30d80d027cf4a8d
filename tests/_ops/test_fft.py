"""Fourier transforms beside PyTorch's: values, gradients, errors."""

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


def transform(name: str, **options: Any) -> Any:
    return lambda t, x: getattr(t.fft, name)(x, **options)


REAL = ["fft", "ifft", "rfft", "ihfft", "fft2", "rfft2", "fftn", "ifftn", "rfftn", "ihfftn", "ihfft2"]
COMPLEX = ["fft", "ifft", "irfft", "hfft", "ifft2", "irfft2", "hfft2", "fftn", "irfftn", "hfftn"]


@pytest.mark.parametrize("name", REAL)
def test_real(name: str) -> None:
    engine.tier = 0
    size = {"n": 5} if name[-1] == "t" else {"s": (4, 5)}
    check(transform(name), normal(2, 3, 4))
    check(transform(name, norm="ortho", **size), normal(2, 3, 4))
    check(transform(name, norm="forward"), normal(2, 3, 5))
    engine.tier = None


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name: str) -> None:
    engine.tier = 0
    size = {"n": 5} if name[-1] == "t" else {"s": (4, 5)}
    values = normal(2, 3, 4) + 1j * normal(2, 3, 4)
    check(transform(name), values)
    check(transform(name, norm="ortho", **size), values)
    check(transform(name, norm="forward"), values)
    engine.tier = None


@pytest.mark.parametrize("name", ["fft", "rfft", "irfft", "fftn", "rfftn", "hfft"])
def test_on_xla(name: str) -> None:
    engine.tier = 2
    check(transform(name), normal(3, 4), tolerance=1e-4)
    engine.tier = None


def test_frequencies_and_shifts() -> None:
    check(lambda t: (t.fft.fftfreq(5, 0.5), t.fft.rfftfreq(6), t.fft.fftfreq(0)))
    check(lambda t, x: (t.fft.fftshift(x), t.fft.ifftshift(x, 0), t.fft.fftshift(x, (0, 1))), normal(3, 4))


ERRORS = {
    "points": transform("fft", n=0),
    "norm": transform("fft", norm="foo"),
    "dim": transform("fft", dim=2),
    "scalar": lambda t, x: t.fft.fft(x[0, 0]),
    "rfft": lambda t, x: t.fft.rfft(x + 0j),
    "rfftn": lambda t, x: t.fft.rfftn(x + 0j),
    "half": lambda t, x: t.fft.fft(x.half()),
    "twice": transform("fftn", dim=(0, 0)),
    "lengths": transform("fftn", s=(3, 3), dim=(1,)),
    "many": transform("fftn", s=(3, 3, 3)),
    "none": transform("rfftn", dim=()),
    "stft": lambda t, x: t.stft(x, 4),
    "stft hop": lambda t, x: t.stft(x, 4, hop_length=0, return_complex=True),
    "stft window": lambda t, x: t.stft(x, 4, window=t.ones(5), return_complex=True),
    "istft": lambda t, x: t.istft(x, 4),
    "istft rows": lambda t, x: t.istft(x + 0j, 40),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    check_error(ERRORS[name], normal(2, 8))


@pytest.mark.parametrize("options", [{}, {"center": False}, {"normalized": True, "pad_mode": "constant"},
                                     {"onesided": False, "win_length": 6}], ids=str)  # fmt: skip
def test_stft(options: dict[str, Any]) -> None:
    engine.tier = 0

    def scenario(t: Any, x: Any) -> Any:
        return t.stft(x, 8, 2, window=t.ones(options.get("win_length", 8)), return_complex=True, **options)

    check(scenario, normal(2, 20), tolerance=1e-4)
    engine.tier = None


def test_istft() -> None:
    engine.tier = 0

    def scenario(t: Any, x: Any) -> Any:
        window = t.linspace(0.5, 1, 8)
        return t.istft(t.stft(x, 8, 2, window=window, return_complex=True), 8, 2, window=window, length=18)

    check(scenario, normal(2, 20), tolerance=1e-4)
    engine.tier = None


@pytest.mark.parametrize(
    "options", [{}, {"onesided": False}, {"onesided": False, "return_complex": True}], ids=str
)
def test_istft_of_two_sides_that_do_not_mirror_each_other(options: dict[str, Any]) -> None:
    spectrum = normal(2, 8, 5) + 1j * normal(2, 8, 5)
    check(
        lambda t, x: t.istft(x, 8, 2, window=t.ones(8, dtype=x.real.dtype), **options),
        spectrum,
        tolerance=1e-4,
    )


WINDOWS = {
    "bartlett": {}, "blackman": {}, "cosine": {}, "exponential": {"tau": 2.0}, "gaussian": {"std": 1.5},
    "general_cosine": {"a": [0.4, 0.5, 0.1]}, "general_hamming": {"alpha": 0.6}, "hamming": {}, "hann": {},
    "kaiser": {"beta": 6.0}, "nuttall": {},
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_window(name: str) -> None:
    def scenario(t: Any) -> Any:
        from importlib import import_module

        window = getattr(import_module(f"{t.__name__}.signal.windows"), name)
        return [window(n, sym=sym, **WINDOWS[name]) for n in (0, 1, 2, 7) for sym in (True, False)]

    check(scenario)


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
def test_older_window(name: str) -> None:
    check(
        lambda t: [getattr(t, f"{name}_window")(n, periodic) for n in (0, 1, 6) for periodic in (True, False)]
    )
