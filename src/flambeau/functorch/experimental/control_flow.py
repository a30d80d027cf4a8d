"""`cond` and `map` under their old names."""

from flambeau.func._control_flow import cond, map

__all__ = ["cond", "map"]
