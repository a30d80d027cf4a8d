"""Learning rate schedulers: what changes the rates of an optimizer while it trains."""

from flambeau.optim.lr_scheduler.one_cycle import OneCycleLR
from flambeau.optim.lr_scheduler.scheduler import EPOCH_DEPRECATION_WARNING, LRScheduler, _LRScheduler

__all__ = ["EPOCH_DEPRECATION_WARNING", "LRScheduler", "OneCycleLR", "_LRScheduler"]

for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__  # the public path, which pickles and reprs hold
