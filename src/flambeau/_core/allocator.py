"""The C library's allocator, told to keep the memory of large arrays for the next ones.

XLA asks it for each program's results and intermediates anew, and gives them back. Of those that XLA's own threads ask for, glibc
hands much back to the system each time, since the arena of such a thread cannot hold more than 64 MB; fresh pages for the next
are cleared at first touch, which takes longer than light operations themselves: a training step of batch norm over 26 MB took
24 ms, with kept memory 9. The price is paid by XLA's compiler, whose threads then share one arena: compiling alone, without a
pause, took 20 to 80 % longer, the first 40 steps of training scripts up to 14 %.
"""

from __future__ import annotations

import ctypes
import os

# The parameters of `mallopt`, by their numbers in glibc's <malloc.h>.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# So much free memory stays with the process; larger blocks (no larger ones can be chosen) go back to the system at once.
KEPT_BYTES, LARGEST_BLOCK = 1 << 30, 32 << 20
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
    if os.name != "posix":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, LARGEST_BLOCK), (_TRIM_THRESHOLD, KEPT_BYTES))
    taken = [library.mallopt(number, value) for number, value in settings]
    return all(taken)
