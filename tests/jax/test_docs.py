"""The examples in docs/jax.md."""

from __future__ import annotations

import doctest
import pathlib

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "jax.md"


def test_the_examples_run():
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 30
    assert found.failed == 0
