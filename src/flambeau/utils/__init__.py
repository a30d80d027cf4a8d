"""Tools beside the networks: `flambeau.utils.data` feeds them."""

from flambeau.utils import checkpoint as checkpoint
from flambeau.utils import data as data
from flambeau.utils import hooks as hooks

__all__ = ["checkpoint", "data", "hooks"]
