"""What was worked out once and is kept for the next time: the least recently used goes when there is too much."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")


class Remembered(collections.OrderedDict[Hashable, T]):
    """Up to `limit` values by key. Several threads may use it: at worst something is worked out twice, and the first is kept."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self._lock = threading.Lock()

    def find(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made now if it is not there."""
        found = self.get(key)
        if found is None:
            made = make()
            with self._lock:
                found = self.setdefault(key, made)
                if len(self) > self.limit:
                    self.popitem(last=False)
            return found
        try:
            self.move_to_end(key)
        except KeyError:  # another thread has just dropped it
            self[key] = found
        return found
