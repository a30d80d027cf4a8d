"""Warnings that name the user's line, however many of flambeau's own functions lie between."""

from __future__ import annotations

import sys
import warnings

from flambeau._core.settings import is_warn_always_enabled

_said: set[str] = set()
_PACKAGE = __name__.partition(".")[0]


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns of what the nearest caller outside flambeau does."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def warn_once(message: str, category: type[Warning] = UserWarning) -> None:
    """The same for what PyTorch says once for each program, unless `set_warn_always(True)` was called."""
    if message not in _said or is_warn_always_enabled():
        _said.add(message)
        warn(message, category)
