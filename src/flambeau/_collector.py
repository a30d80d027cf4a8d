"""Python's garbage collector rests while flambeau is imported.

Some hundred thousand objects are made then, JAX's among them, and all of them stay: looking for garbage among them takes a
tenth of a second, each time. So in a process that has only just started (the collector has not gone through everything yet)
they are set aside for good, with `gc.freeze`, as the collector's manual advises for what outlives everything: full
collections in the middle of a training run, and the two at the end of the process, then have the program's own objects to
look through. In an older process, where a program's own objects would be set aside with them, they only count as old.
"""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """No collection inside; what was made there is not looked through again, or at least not at once."""
    was_enabled = gc.isenabled()
    is_young = gc.get_stats()[-1]["collections"] == 0
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:  # otherwise somebody has frozen objects, and decides alone which
            gc.freeze()
            if not is_young:
                gc.unfreeze()
        if was_enabled:
            gc.enable()
