"""The tables that the benchmarks go by."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import pytest
from torch import nn

SIZES = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "layer_sizes.py"))


@pytest.mark.parametrize("size", ["small", "large"])
def test_every_layer_is_measured(size):
    measured = {text.partition("(")[0] for text, _ in SIZES["CASES"][size]}
    exported = {
        name for name in dir(nn) if inspect.isclass(getattr(nn, name)) and not name.startswith("Lazy")
    }
    assert measured == exported - SIZES["NOT_MEASURED"]
