"""Python's garbage collector rests while flambeau is imported.

Some hundred thousand objects are made then, JAX's among them, and all of them stay: looking for garbage among them takes a
tenth of a second. Nothing of the collector's settings is changed afterwards.
"""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """No collection inside; what was made there counts as old, so it is not looked through at once afterwards."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:  # otherwise somebody has frozen objects, and wants them to stay so
            gc.freeze()
            gc.unfreeze()
        if was_enabled:
            gc.enable()
