"""Looking into models and into what flambeau does with them."""

from flambeau.inspect._check import check

__all__ = ["check"]
