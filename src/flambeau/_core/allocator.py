"""The C library's allocator, told to keep the memory of large arrays for the next ones.

XLA asks it for each program's results and intermediates anew, and gives them back. glibc hands much of that back to the system
each time: every block above 32 MB, and what the arena of one of XLA's own threads cannot hold (64 MB). Fresh pages for the next
are cleared at first touch, which takes longer than light operations themselves: a training step of batch norm over 26 MB took
24 ms, with kept memory 9; of a small GPT's step, whose intermediates are one block of 138 MB, 85 of 390 ms of the cores' time
were such pages. The price is paid by XLA's compiler, whose threads then share one arena: compiling alone, without a pause, took
20 to 80 % longer, the first 40 steps of training scripts up to 14 %.

What is kept free and serves nobody goes back to the system every few seconds.
"""

from __future__ import annotations

import ctypes
import math
import os
from typing import ClassVar

# The parameters of `mallopt`, by their numbers in glibc's <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
# So much free memory, or as much as is in use, stays with the process.
KEPT_BYTES = 1 << 30
# Seconds between two looks at how much is kept free.
PAUSE, LONGEST_PAUSE = 2.0, 120.0
# Who sets one of these has chosen.
_SETTINGS = (
    "MALLOC_ARENA_MAX",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TOP_PAD_",
)


def keep_freed_memory() -> bool:
    """Sets it up, for all of the process; False where the allocator is another or the environment has settings for it.

    To be called before JAX starts its threads, which then share the main thread's arena.
    """
    if any(name in os.environ for name in _SETTINGS) or "glibc.malloc" in os.environ.get(
        "GLIBC_TUNABLES", ""
    ):
        return False
    library = _glibc()
    if library is None:
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, KEPT_BYTES))
    if not all(library.mallopt(number, value) for number, value in settings):
        return False
    kept.library = library
    return True


def _glibc() -> ctypes.CDLL | None:
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None)
    # `mallinfo2` came with glibc 2.33.
    if not hasattr(library, "gnu_get_libc_version") or not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Usage
    library.malloc_trim.argtypes = [ctypes.c_size_t]
    return library


class _Usage(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
        )
    ]  # fmt: skip


class Kept:
    """What is kept, and when some of it goes back."""

    library: ctypes.CDLL | None = None

    def __init__(self) -> None:
        self.next_look = 0.0
        self._pause = PAUSE

    def look(self, now: float) -> None:
        """Gives free memory back where it is more than `KEPT_BYTES` and than what is in use; for a while not again.

        A program that needs as much at each step is cleared of it ever more rarely.
        """
        library = self.library
        if library is None:
            self.next_look = math.inf
            return
        usage = library.mallinfo2()
        if usage.fordblks > max(KEPT_BYTES, usage.uordblks):
            library.malloc_trim(0)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        else:
            self._pause = max(self._pause / 2, PAUSE)
        self.next_look = now + self._pause


kept = Kept()
