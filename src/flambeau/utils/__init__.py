"""Tools beside the networks: `flambeau.utils.data` feeds them."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from flambeau._core.later import attach as _attach
from flambeau.utils import hooks as hooks

if _TYPE_CHECKING:
    from flambeau.utils import checkpoint as checkpoint
    from flambeau.utils import data as data

__all__ = ["checkpoint", "data", "hooks"]

__getattr__, __dir__ = _attach(globals(), ("checkpoint", "data"))
