"""Looking into models and into what flambeau does with them."""

from flambeau.inspect._check import check
from flambeau.inspect._engine import EngineReport, engine, set_engine

__all__ = ["EngineReport", "check", "engine", "set_engine"]
