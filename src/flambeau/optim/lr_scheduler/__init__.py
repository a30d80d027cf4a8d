"""Learning rate schedulers: what changes the rates of an optimizer while it trains."""

from flambeau.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from flambeau.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from flambeau.optim.lr_scheduler.cyclic import CyclicLR
from flambeau.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from flambeau.optim.lr_scheduler.functions import LambdaLR, MultiplicativeLR
from flambeau.optim.lr_scheduler.one_cycle import OneCycleLR
from flambeau.optim.lr_scheduler.plateau import ReduceLROnPlateau
from flambeau.optim.lr_scheduler.scheduler import EPOCH_DEPRECATION_WARNING as EPOCH_DEPRECATION_WARNING
from flambeau.optim.lr_scheduler.scheduler import LRScheduler
from flambeau.optim.lr_scheduler.scheduler import _LRScheduler as _LRScheduler

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

for _name in (*__all__, "_LRScheduler"):
    globals()[_name].__module__ = __name__  # the public path, which reprs and pickles hold
