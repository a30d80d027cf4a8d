"""Tools beside the networks: `flambeau.utils.data` feeds them."""

from flambeau.utils import data as data

__all__ = ["data"]
