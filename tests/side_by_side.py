"""Runs one scenario with PyTorch and with flambeau and compares what each of them logged.

A scenario is a function of `torch`, which stands for either library, and of `log`. What it passes to `log`
is kept in a form that both libraries can share: tensors as shape, dtype and values, exceptions as type and
message.
"""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections.abc import Callable
from typing import Any


class Log:
    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.entries: list[Any] = []

    def __call__(self, *values: Any) -> None:
        self.entries.append(tuple(self._plain(value) for value in values))

    def result(self, call: Callable[[], Any]) -> None:
        """Log what the call returns, or the exception it raises, and the warnings on the way."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                self(call())
            except Exception as error:
                text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
                self(type(error).__name__, _library_free(str(text)))
        for warning in caught:
            self(warning.category.__name__, _library_free(str(warning.message)))

    def first_line(self, call: Callable[[], Any]) -> None:
        """Log what the call returns, or the type and the first line of the exception it raises."""
        try:
            self(call())
        except Exception as error:
            self(type(error).__name__, _library_free(str(error)).partition("\n")[0])

    def _plain(self, value: Any) -> Any:
        if isinstance(value, self.torch.Tensor):
            kind = "Parameter" if isinstance(value, self.torch.nn.Parameter) else "Tensor"
            wide = self.torch.complex128 if value.is_complex() else self.torch.float64
            values = None if value.is_meta else value.detach().to(wide).tolist()
            return kind, tuple(value.shape), str(value.dtype), value.requires_grad, values
        if isinstance(value, self.torch.nn.Module):
            return repr(value)
        if isinstance(value, dict):
            return {key: self._plain(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set):
            return [self._plain(each) for each in value]
        if isinstance(value, str):
            return _library_free(value)
        if value is None or isinstance(value, bool | int | float | complex):
            return value
        return _library_free(str(value))


def _library_free(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", text.replace("flambeau", "torch"))


def logged(scenario: Callable[[Any, Log], None], library: str) -> list[Any]:
    """What the scenario logs when run with the library of that name."""
    torch = importlib.import_module(library)
    log = Log(torch)
    torch.manual_seed(0)
    scenario(torch, log)
    return log.entries


def assert_same(scenario: Callable[[Any, Log], None], tolerance: float = 0.0) -> None:
    """Fail, at the first difference, unless the scenario logs the same with both libraries.

    `tolerance` is how far numbers may differ, relative and absolute.
    """
    expected = logged(scenario, "torch")
    got = logged(scenario, "flambeau")
    for place, (ours, theirs) in enumerate(zip(got, expected, strict=False)):
        if tolerance and _close(ours, theirs, tolerance):
            continue
        assert ours == theirs, f"entry {place}, after {got[max(0, place - 1)]}"
    assert len(got) == len(expected)


def compared(scenario: Callable[[Any, Log], None]) -> Callable[[], None]:
    """The scenario as a test; numbers may differ in their last digits."""

    def test() -> None:
        assert_same(scenario, 1e-5)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


def _close(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_close(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_close(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if type(a) is not type(b) or not isinstance(a, float | complex):
        return a == b  # type: ignore[no-any-return]
    if a != a and b != b:
        return True
    if isinstance(a, complex):
        return abs(a - b) <= tolerance * max(1.0, abs(b))
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
